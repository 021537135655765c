// `npm pack` and `npm publish`: compiles src to dist, since Node strips no types inside node_modules.
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
rmSync(join(root, 'dist'), { recursive: true, force: true });
const { status } = spawnSync(join(root, 'node_modules', '.bin', 'tsc'), ['-p', 'tsconfig.build.json'], {
  cwd: root,
  // npm reads what a script prints as its own: `npm pack --json` would be no JSON any more.
  stdio: ['ignore', 2, 2],
});
process.exit(status ?? 1);
