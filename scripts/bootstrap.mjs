// Runs on the machine's own Node (20 or newer): installs the pinned packages when they are missing or changed, then hands
// over to the pinned Node. Plain JavaScript, because nothing else is there yet.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const pinnedNode = join(root, 'node_modules', 'node', 'bin', 'node');
const stamp = join(root, 'node_modules', '.plumbline-lock');
// A hung test cannot be ended by its own process; this one can end it.
const deadlineMs = { test: 24.5 * 60_000 };

const [verb = '', ...args] = process.argv.slice(2);
requireNode20();
installPackages();
run(verb, args);

function requireNode20() {
  const major = Number(process.versions.node.split('.')[0]);
  if (major >= 20) return;
  console.error(
    `Plumbline needs Node 20 or newer to set itself up; this is ${process.version}. Install Debian's or NodeSource's nodejs.`,
  );
  process.exit(2);
}

function installPackages() {
  const wanted = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
  const isInstalled = existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted && existsSync(pinnedNode);
  if (isInstalled) return;
  console.error('Installing the pinned npm packages (once)...');
  const npm = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
  });
  if (npm.status !== 0 || !existsSync(pinnedNode)) {
    console.error(
      'npm ci did not succeed: see above. Check that the npm registry can be reached, then run the command again.',
    );
    process.exit(npm.status || 1);
  }
  writeFileSync(stamp, wanted);
}

function run(name, rest) {
  const env = { ...process.env, PATH: `${dirname(pinnedNode)}:${process.env.PATH}` };
  const child = spawn(pinnedNode, [join(root, 'scripts', `${name}.ts`), ...rest], { cwd: root, stdio: 'inherit', env });
  // A terminal sends Ctrl-C to the whole group; whoever signals only this process means the child.
  process.on('SIGINT', () => {});
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  const limitMs = deadlineMs[name];
  const timer = limitMs && setTimeout(() => giveUp(child, limitMs), limitMs);
  child.on('exit', (code, signal) => {
    clearTimeout(timer);
    process.exit(code ?? (signal === 'SIGINT' ? 130 : 1));
  });
}

function giveUp(child, limitMs) {
  console.error(
    `Not finished after ${Math.round(limitMs / 60_000)} minutes: ended. The last line above names what was running.`,
  );
  child.kill('SIGKILL');
}
