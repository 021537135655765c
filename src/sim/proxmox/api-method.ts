// How the made-up Proxmox VE checks what it is asked, after pve-common's JSONSchema.pm and RESTHandler.pm: parameters that are
// not in a method's table, are missing or have the wrong form are refused, then privileges are asked, then the work begins.
import type { Json } from '../../kit/canonical-json.ts';
import type { FakeCluster, FakeVm } from './cluster.ts';

/** Ends a request: a status of HTTP, a sentence, and which parameters were wrong. */
export class Refusal extends Error {
  readonly status: number;
  readonly errors: Readonly<Record<string, string>>;

  constructor(status: number, message: string, errors: Readonly<Record<string, string>> = {}) {
    super(message);
    this.status = status;
    this.errors = errors;
  }
}

export type Parameters = Readonly<Record<string, string>>;

/** Null when the value will do; otherwise why not. */
export type Check = (value: string) => string | null;

export interface Asked {
  readonly cluster: FakeCluster;
  /** Names in the way and parameters together. */
  readonly given: Parameters;
  /** The VM that the way names; the real one complains of its file. */
  readonly vm: FakeVm;
  /** Refuses unless the account may. */
  readonly need: (path: string, privileges: readonly string[]) => void;
  readonly may: (path: string, privilege: string) => boolean;
  /** Begins a task and answers its id; what `work` throws is how the task ends. */
  readonly task: (name: string, work: () => void) => string;
}

export interface ApiMethod {
  readonly verb: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** `nodes/{node}/qemu/{vmid}/config`. */
  readonly path: string;
  readonly needs?: { readonly path: string; readonly privileges: readonly string[] };
  /** What may be given beside the names in the way; a check in `required` must be given. */
  readonly optional?: Readonly<Record<string, Check>>;
  readonly required?: Readonly<Record<string, Check>>;
  /** For families of parameters: `net0` to `net31`. */
  readonly others?: (name: string) => Check | null;
  readonly run: (asked: Asked) => Json;
}

export const ofVm = 'nodes/{node}/qemu/{vmid}';
const notDefined = 'property is not defined in schema and the schema does not allow additional properties';

export function matchPath(pattern: string, path: string): Parameters | null {
  const [wanted, given] = [pattern.split('/'), path.split('/')];
  if (wanted.length !== given.length) return null;
  const names: Record<string, string> = {};
  for (const [i, part] of wanted.entries()) {
    const value = given[i] ?? '';
    if (part.startsWith('{')) names[part.slice(1, -1)] = value;
    else if (part !== value) return null;
  }
  return names;
}

export function checkParameters(method: ApiMethod, names: Parameters, given: ReadonlyMap<string, string>): Parameters {
  const errors: Record<string, string> = {};
  const checks = { ...method.optional, ...method.required };
  for (const [name, value] of given) {
    const check = checks[name] ?? method.others?.(name) ?? null;
    const why = check === null ? notDefined : check(value);
    if (why !== null) errors[name] = why;
  }
  for (const name of Object.keys(method.required ?? {}))
    if (!given.has(name)) errors[name] = 'property is missing and it is not optional';
  const named = { node: nodeName, vmid: vmNumber, snapname: snapshotName, pos: position };
  for (const [name, check] of Object.entries(named)) {
    const why = names[name] === undefined ? null : check(names[name]);
    if (why !== null) errors[name] = why;
  }
  if (Object.keys(errors).length > 0) throw new Refusal(400, 'Parameter verification failed.', errors);
  return { ...Object.fromEntries(given), ...names };
}

export const anyText: Check = () => null;
export const flag: Check = (value) => (/^(0|1)$/.test(value) ? null : `type check ('boolean') failed - got '${value}'`);
export const digestText: Check = (value) => (value.length <= 40 ? null : 'value may only be 40 characters long');
export const oneOf =
  (...values: readonly string[]): Check =>
  (value) =>
    values.includes(value) ? null : `value '${value}' does not have a value in the enumeration '${values.join(', ')}'`;
export const atMost =
  (length: number): Check =>
  (value) =>
    value.length <= length ? null : `value may only be ${length} characters long`;
export const snapshotName: Check = (value) => {
  if (value.length > 40) return 'value may only be 40 characters long';
  return /^[a-z][a-z0-9_-]+$/i.test(value) ? null : `invalid format - invalid configuration ID '${value}'`;
};
const nodeName: Check = (value) =>
  /^[a-zA-Z0-9-]+$/.test(value) ? null : 'value does not look like a valid node name';
const vmNumber: Check = (value) => (/^[1-9][0-9]{2,8}$/.test(value) ? null : 'value does not look like a valid VM ID');
const position: Check = (value) => (/^\d+$/.test(value) ? null : `type check ('integer') failed - got '${value}'`);
