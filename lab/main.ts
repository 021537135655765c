// The lab by hand: `node lab/main.ts build | up | attack NAME | ... | down`. See lab/README.md.
import { parseArgs } from 'node:util';
import { exitCodes, sayProblem, type Problem } from '../src/kit/problem.ts';
import { attacks } from './attacks.ts';
import { orderLab, serveControl } from './control.ts';
import { kernelReleases, type KernelRelease } from './kernels.ts';
import { preparePlainGuest } from './plain-guest.ts';
import { installPackages } from './requirements.ts';
import { openThreeTierLab, prepareThreeTierLab } from './three-tier.ts';
import { tiers } from './tier-disk.ts';

const usage = `node lab/main.ts COMMAND
  build                     fetch and build all that guests need: kernels ${kernelReleases.join(', ')} and the three disks
  up [--kernel RELEASE]     run the shop with its visitors until Ctrl-C or \`down\`
  attack NAME               ${attacks.map(({ name }) => name).join(', ')}
  update [VERSION]          a legitimate new version in the application tier
  maintain TIER [TASK]      a legitimate administrator's command
  restore TIER              a guest back to its clean snapshot
  run TIER COMMAND          a shell command in a guest
  counts                    which jobs and visits happened how often
  down                      end the running lab`;

function end(problem: Problem): never {
  console.error(sayProblem(problem));
  process.exit(exitCodes[problem.kind]);
}

async function provide(): Promise<void> {
  const provided = await installPackages((line) => console.log(line), ['guests']);
  if (!provided.ok) end(provided.error);
}

async function build(): Promise<void> {
  await provide();
  for (const release of kernelReleases) {
    const started = performance.now();
    const prepared = await preparePlainGuest(release);
    if (!prepared.ok) end(prepared.error);
    console.log(`kernel ${prepared.value.kernel.version}: ${Math.round(performance.now() - started)} ms`);
  }
  const started = performance.now();
  const shop = await prepareThreeTierLab('6.1');
  if (!shop.ok) end(shop.error);
  console.log(`the shop's disks: ${Math.round(performance.now() - started)} ms`);
}

async function up(kernel: KernelRelease): Promise<void> {
  await provide();
  const opened = await openThreeTierLab({ kernel, say: (line) => console.log(line) });
  if (!opened.ok) end(opened.error);
  const lab = opened.value;
  let ending = false;
  const stop = (): void => {
    if (ending) return;
    ending = true;
    void lab.stop().then(() => process.exit(0));
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  const control = await serveControl(lab, stop);
  if (!control.ok) {
    await lab.stop();
    end(control.error);
  }
  const loaded = await lab.startLoad();
  if (!loaded.ok) end(loaded.error);
  for (const tier of tiers) {
    const { name, qmpSocket } = lab.guests[tier];
    console.log(`${name}: pid ${lab.guests[tier].pid()}, QMP ${qmpSocket}, tap ${lab.taps[tier]}`);
  }
  console.log(`Visitors shop. Inside its network: ${lab.inside(['COMMAND']).join(' ')}`);
}

const { positionals, values } = parseArgs({
  allowPositionals: true,
  strict: false,
  options: { kernel: { type: 'string', default: '6.1' } },
});
const [command, ...rest] = positionals;
if (command === 'build') {
  await build();
} else if (command === 'up') {
  const release = kernelReleases.find((one) => one === values['kernel']);
  if (release === undefined) {
    end({
      kind: 'usage',
      message: `There is no kernel "${String(values['kernel'])}".`,
      mend: `Choose: ${kernelReleases.join(', ')}.`,
    });
  }
  await up(release);
} else if (command === undefined || command === 'help') {
  console.log(usage);
} else {
  const answer = await orderLab([command, ...rest]);
  if (!answer.ok) end(answer.error);
  console.log(typeof answer.value === 'string' ? answer.value : JSON.stringify(answer.value, null, 2));
}
