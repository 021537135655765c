// Items whose bytes lie with the manager itself, since no sentinel has them: what a platform captured and handed over. Each platform's
// lie in a directory of their own; an item's name there is what stands for the id that a sentinel would have given it.
import { join } from 'node:path';
import type { StoredEvidence } from '../store/evidence.ts';

const prefix = 'platform:';
const plainPlatform = /^[a-z0-9][a-z0-9._-]{0,63}$/;
const plainFile = /^[A-Za-z0-9][A-Za-z0-9._-]{0,159}$/;

/** What stands in the place of the sentinel that has an item; no sentinel is taken at its word under such a name. */
export function ownHost(platform: string): string {
  return `${prefix}${platform}`;
}

export function isOwnHost(host: string): boolean {
  return host.startsWith(prefix);
}

/** Who has an item, in a person's words. */
export function sayHost(host: string): string {
  return isOwnHost(host) ? `platform ${host.slice(prefix.length)}` : `sentinel ${host}`;
}

/** `directory`: of all platforms' files. Null for what names no file of ours. */
export function ownPath(directory: string, { item, reportedAs }: StoredEvidence): string | null {
  const platform = item.host.slice(prefix.length);
  const isPlain = isOwnHost(item.host) && plainPlatform.test(platform) && plainFile.test(reportedAs);
  return isPlain ? join(directory, platform, reportedAs) : null;
}
