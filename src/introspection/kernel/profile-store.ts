// Keeps kernel profiles in a directory of the caller's, one small JSON file per build. A file's name says where in the
// kernel its build id must be found, so the right one is recognised without opening the others. A damaged file counts as absent.
import {
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
  fsyncSync,
  closeSync,
  statSync,
} from 'node:fs';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { Json } from '../../kit/canonical-json.ts';
import { asObject, asText } from '../../kit/json-object.ts';
import type { JsonObject } from '../../kit/json-object.ts';
import { wanted } from './kernel-profile.ts';
import type { KernelProfile } from './kernel-profile.ts';

/** Profiles made when other things were wanted of a kernel lack what is wanted now: they count as absent. */
const format = createHash('sha256').update(JSON.stringify(wanted)).digest('hex').slice(0, 16);
const filesMax = 512;
const fileBytesMax = 64 * 1024;
const offsetMax = 0x4000_0000;
const fileName = /^([0-9a-f]{40})@([0-9a-f]{1,8})\.kernel-profile\.json$/;

/** The kept profile whose build id `readBuildId` finds at its place in the running kernel; null when there is none. */
export function loadProfile(directory: string, readBuildId: (offset: number) => string | null): KernelProfile | null {
  for (const name of listFiles(directory)) {
    const [, buildId, offset = ''] = fileName.exec(name) ?? [];
    if (buildId === undefined || readBuildId(Number.parseInt(offset, 16)) !== buildId) continue;
    const profile = readProfile(join(directory, name));
    if (profile?.buildId === buildId) return profile;
  }
  return null;
}

/** Written beside and renamed, so that a reader never sees half a file. Throws what the file system throws. */
export function saveProfile(directory: string, profile: KernelProfile): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const path = join(directory, `${profile.buildId}@${profile.buildIdOffset.toString(16)}.kernel-profile.json`);
  const beside = `${path}.${process.pid}.part`;
  const file = openSync(beside, 'w', 0o600);
  try {
    writeFileSync(file, JSON.stringify({ format, ...profile }));
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  try {
    renameSync(beside, path);
  } catch (thrown) {
    rmSync(beside, { force: true });
    throw thrown;
  }
}

function listFiles(directory: string): readonly string[] {
  try {
    return readdirSync(directory).slice(0, filesMax);
  } catch {
    return [];
  }
}

function readProfile(path: string): KernelProfile | null {
  try {
    if (statSync(path).size > fileBytesMax) return null;
    return parseProfile(JSON.parse(readFileSync(path, 'utf8')) as Json);
  } catch {
    return null;
  }
}

/** Null for anything that is not a complete profile of this format. */
export function parseProfile(value: Json): KernelProfile | null {
  const object = asObject(value);
  if (object?.['format'] !== format) return null;
  const buildId = asText(object['buildId']);
  const banner = asText(object['banner']);
  const buildIdOffset = object['buildIdOffset'];
  const symbols = offsets(object['symbols'], wanted.requiredSymbols);
  const fields = offsets(object['fields'], Object.keys(wanted.requiredFields));
  // Absent in profiles that were recorded before tracing wanted them.
  const functionEnds = offsets(object['functionEnds'] ?? {}, []);
  const perCpu = offsets(object['perCpu'] ?? {}, []);
  const bits = offsets(object['bits'], []);
  const sizes = offsets(object['sizes'], []);
  if (buildId === null || banner === null || !isOffset(buildIdOffset)) return null;
  if (symbols === null || functionEnds === null || perCpu === null) return null;
  if (fields === null || bits === null || sizes === null) return null;
  return {
    buildId,
    buildIdOffset,
    banner,
    symbols: symbols as KernelProfile['symbols'],
    functionEnds,
    perCpu,
    fields: fields as KernelProfile['fields'],
    bits,
    sizes,
  };
}

function offsets(value: Json | undefined, required: readonly string[]): Record<string, number> | null {
  const object: JsonObject | null = asObject(value);
  if (object === null || required.some((name) => object[name] === undefined)) return null;
  const entries = Object.entries(object);
  return entries.every(([, offset]) => isOffset(offset)) ? (object as Record<string, number>) : null;
}

function isOffset(value: Json | undefined): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) < offsetMax;
}
