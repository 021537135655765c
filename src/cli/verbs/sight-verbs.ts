// What can be seen from outside: VMs, and the processes and sockets inside one. They work on a host where nothing else runs.
import { printHostVms, printProcesses, printSockets, printStatus, printVms } from '../print/inventory.ts';
import { answer, type Verb } from '../verb.ts';

export const sightVerbs: readonly Verb[] = [
  {
    words: 'vms',
    says: 'List the VMs, with their service and the state of their manifest when a manager runs',
    group: 'See',
    async run(run) {
      const known = await run.ask((manager) => manager.listVms());
      if (known.ok) return answer(known, printVms);
      return answer(await run.shell.programs.listVms(run.stateDir), printHostVms);
    },
  },
  {
    words: 'ps <vm>',
    says: 'List the processes inside a running VM of this host, from outside',
    group: 'See',
    options: [{ flags: '--threads', says: 'list every thread' }],
    async run(run, words) {
      const threads = words.flag('threads');
      return answer(await run.shell.programs.ps(run.stateDir, words.text('vm'), { threads }), printProcesses);
    },
  },
  {
    words: 'sockets <vm>',
    says: 'List the sockets inside a running VM of this host with their owners, orphans and TIME_WAIT too',
    group: 'See',
    async run(run, words) {
      return answer(await run.shell.programs.sockets(run.stateDir, words.text('vm')), printSockets);
    },
  },
  {
    words: 'status',
    says: 'Say how the manager and its sentinels are, what waits and what was lost',
    group: 'See',
    run: async (run) => answer(await run.ask((manager) => manager.status()), printStatus),
  },
];
