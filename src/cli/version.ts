// The version as package.json has it, which lies as far above the sources as above what is compiled from them.
import { readFileSync } from 'node:fs';

const packageJson = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

export const version = packageJson.version;
