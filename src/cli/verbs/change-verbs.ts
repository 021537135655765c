// Changes of VMs: declared beforehand, so that what they bring raises no alarm, and listed with what they admitted.
import { problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import type { Client } from '../../client/connect.ts';
import { printChange, printChanges } from '../print/changes.ts';
import { answer, type Verb, type Words } from '../verb.ts';
import { parseServiceName, type ServiceName } from './service-name.ts';

const minutesDefault = 30;

export const changeVerbs: readonly Verb[] = [
  {
    words: 'change open [vm]',
    says: 'Declare a change of a VM or a service: what it brings raises no alarm while it lasts, and waits for a person',
    group: 'Learn',
    options: [
      { flags: '--service <service>', says: 'of all members of a service: shop/web' },
      { flags: '--packages <names>', says: 'packages it installs or upgrades, with commas between' },
      { flags: '--files <paths>', says: 'executables it brings or runs, with commas between' },
      { flags: '--ports <ports>', says: 'ports on which they may listen, with commas between' },
      { flags: '--minutes <n>', says: `how long it lasts; ${minutesDefault} when left out, a day at most` },
    ],
    async run(run, words) {
      const asked = askedOf(words);
      if (!asked.ok) return asked;
      const opened = await run.ask(async (manager) => {
        const place = await placeOf(manager, words);
        return place.ok ? await manager.openChange({ ...place.value, ...asked.value }) : place;
      });
      return answer(opened, printChange);
    },
  },
  {
    words: 'change list',
    says: 'List changes, declared and observed, with how much each admitted',
    group: 'Learn',
    options: [
      { flags: '--scope <scope>', says: 'of one scope' },
      { flags: '--vm <vm>', says: 'of one VM' },
      { flags: '--open', says: 'only those whose time is not over' },
    ],
    async run(run, words) {
      const filter = { ...given('scope', words), ...given('vm', words), ...(words.flag('open') ? { open: true } : {}) };
      return answer(await run.ask((manager) => manager.listChanges(filter)), printChanges);
    },
  },
  {
    words: 'change show <change>',
    says: 'Show one change with what it admitted',
    group: 'Learn',
    async run(run, words) {
      return answer(await run.ask((manager) => changeNamed(manager, words.text('change'))), printChange);
    },
  },
  {
    words: 'change close <change>',
    says: 'End a declared change before its time is over',
    group: 'Learn',
    async run(run, words) {
      const closed = await run.ask(async (manager) => {
        const change = await changeNamed(manager, words.text('change'));
        return change.ok ? await manager.closeChange({ change: change.value.id }) : change;
      });
      return answer(closed, printChange);
    },
  },
];

/** The change a person named by its id or the beginning of it. */
export async function changeNamed(manager: Client, named: string) {
  const changes = await manager.listChanges();
  if (!changes.ok) return changes;
  const [first, ...more] = changes.value.filter(({ id }) => id.startsWith(named));
  if (first === undefined)
    return fail(problem('not-found', `There is no change ${named}.`, 'See `plumbline change list`.'));
  if (more.length === 0 || first.id === named) return ok(first);
  return fail(problem('usage', `${more.length + 1} changes begin with ${named}.`, 'Write more of the id.'));
}

interface Asked {
  readonly packages: string[];
  readonly programs: string[];
  readonly ports: number[];
  readonly minutes: number;
}

function askedOf(words: Words): Result<Asked> {
  const ports = listOf(words, 'ports').map((text) => (/^\d{1,5}$/.test(text) ? Number(text) : 0));
  if (ports.some((port) => port < 1 || port > 65_535))
    return fail(problem('usage', '--ports takes numbers from 1 to 65535.', 'Write them like 8080,9000.'));
  const programs = listOf(words, 'files');
  const relative = programs.find((path) => !path.startsWith('/'));
  if (relative !== undefined)
    return fail(
      problem('usage', `--files takes whole paths, not "${relative}".`, 'Write it from the root: /opt/shop/bin/serve.'),
    );
  const minutes = words.maybe('minutes') ?? String(minutesDefault);
  if (!/^[1-9]\d{0,3}$/.test(minutes) || Number(minutes) > 1440)
    return fail(problem('usage', `--minutes takes a number from 1 to 1440, not "${minutes}".`));
  return ok({ packages: listOf(words, 'packages'), programs, ports, minutes: Number(minutes) });
}

async function placeOf(manager: Client, words: Words): Promise<Result<ServiceName & { vm?: string }>> {
  const vm = words.maybe('vm');
  const service = words.maybe('service');
  if ((vm === undefined) === (service === undefined))
    return fail(problem('usage', 'A change is of one VM or of one service.', 'Name a VM, or --service shop/web.'));
  if (service !== undefined) return parseServiceName(service);
  const view = await manager.getVm({ vm: vm ?? '' });
  if (!view.ok) return view;
  const { id, name, scope, service: of } = view.value;
  return scope === null || of === null
    ? fail(problem('refused', `${name} is in no service: nothing it does alarms.`, 'Make it a member first.'))
    : ok({ scope, service: of, vm: id });
}

function listOf(words: Words, option: string): string[] {
  return (words.maybe(option) ?? '').split(/[,\s]+/).filter((text) => text !== '');
}

function given<K extends string>(key: K, words: Words): { readonly [P in K]?: string } {
  const value = words.maybe(key);
  return value === undefined ? {} : ({ [key]: value } as { readonly [P in K]?: string });
}
