// Reads a running QEMU's command line: its name, its size and where its monitor listens. The arguments are somebody else's text;
// what is not understood is left out.
import { dirname } from 'node:path';
import type { Json } from '../../kit/canonical-json.ts';
import { asObject, asText } from '../../kit/json-object.ts';
import type { JsonObject } from '../../kit/json-object.ts';
import type { Accelerator, ConfidentialGuest } from './guest-handle.ts';

export interface QemuCommandLine {
  readonly name: string | null;
  readonly uuid: string | null;
  readonly accelerator: Accelerator;
  readonly memoryMiB: number | null;
  /** Paths of QMP unix sockets as written: relative ones are relative to QEMU's working directory. */
  readonly qmpSockets: readonly string[];
  /** A monitor over an inherited file descriptor: how libvirt does it. */
  readonly monitorByDescriptor: boolean;
  readonly confidential: ConfidentialGuest | null;
  /** Where libvirt keeps this guest's own things, the key of its secrets among them; null when it is not libvirt's. */
  readonly ownDirectory: string | null;
}

const accelerators: readonly Accelerator[] = ['kvm', 'tcg', 'xen', 'hvf', 'nvmm', 'whpx'];

/** `argv` without the program's own name. QEMU takes options with one dash or two. */
export function parseQemuCommandLine(argv: readonly string[]): QemuCommandLine {
  const options = pairs(argv);
  const values = (name: string): readonly string[] => options.flatMap(([key, value]) => (key === name ? [value] : []));
  const monitors = monitorChardevs(options);
  const direct = values('qmp').flatMap((value) => socketPath(value));
  const pretty = values('qmp-pretty').flatMap((value) => socketPath(value));
  const machine = values('machine').concat(values('M'));
  return {
    name: guestName(values('name').at(-1)),
    uuid: /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.exec(values('uuid').at(-1)?.toLowerCase() ?? '')?.[0] ?? null,
    accelerator: acceleratorOf(
      [...values('accel'), ...machine.map((value) => keyed(value).get('accel') ?? '')],
      options,
    ),
    memoryMiB: memoryMiB(values('m').at(-1)),
    qmpSockets: [...direct, ...pretty, ...monitors.paths],
    monitorByDescriptor: monitors.byDescriptor,
    confidential: confidentialOf(values('object')),
    ownDirectory: directoryOfKey(values('object')),
  };
}

/** Every option takes one value or none; a value never starts with a dash, save where an option insists on one. */
function pairs(argv: readonly string[]): readonly (readonly [string, string])[] {
  return argv.flatMap((word, index) => {
    if (!/^--?[A-Za-z]/.test(word)) return [];
    const next = argv[index + 1];
    return [[word.replace(/^--?/, ''), next === undefined || next.startsWith('-') ? '' : next] as const];
  });
}

/** `a,b=c,,d` as b -> `c,d`; the first part without `=` under the empty key. JSON objects likewise. */
function keyed(value: string): ReadonlyMap<string, string> {
  if (value.startsWith('{')) return keyedJson(value);
  const parts = value.replaceAll(',,', '\0').split(',');
  return new Map(
    parts.map((part) => {
      const equals = part.indexOf('=');
      const text = (equals < 0 ? part : part.slice(equals + 1)).replaceAll('\0', ',');
      return equals < 0 ? ['', text] : [part.slice(0, equals), text];
    }),
  );
}

/** The JSON form that libvirt writes. */
function keyedJson(value: string): ReadonlyMap<string, string> {
  const object = parseObject(value);
  const fields = Object.entries(object ?? {}).flatMap(([key, field]): [string, string][] =>
    typeof field === 'object' || field === undefined ? [] : [[key, String(field)]],
  );
  return new Map([...fields, ['', asText(object?.['qom-type']) ?? '']]);
}

function parseObject(text: string): JsonObject | null {
  try {
    return asObject(JSON.parse(text) as Json);
  } catch {
    return null;
  }
}

function guestName(value: string | undefined): string | null {
  if (value === undefined || value === '') return null;
  const parts = keyed(value);
  const name = parts.get('guest') ?? parts.get('') ?? '';
  return name === '' ? null : name;
}

function acceleratorOf(asked: readonly string[], options: readonly (readonly [string, string])[]): Accelerator {
  if (options.some(([key]) => key === 'enable-kvm')) return 'kvm';
  // A list separated by colons is tried in order; the first is what one gets on a host that has it.
  const words = asked.flatMap((value) => keyed(value).get('') ?? '').flatMap((value) => value.split(':'));
  const first = words.find((word) => word !== '');
  if (first === undefined) return 'tcg';
  return accelerators.find((known) => known === first) ?? 'unknown';
}

/** QEMU's unit is the mebibyte unless a suffix says otherwise. */
function memoryMiB(value: string | undefined): number | null {
  if (value === undefined) return null;
  const parts = keyed(value);
  const found = /^(\d{1,12})([kmgt]?)b?$/i.exec(parts.get('size') ?? parts.get('') ?? '');
  if (found === null) return null;
  const factors: Readonly<Record<string, number>> = { k: 1 / 1024, m: 1, g: 1024, t: 1024 * 1024 };
  return Math.floor(Number(found[1]) * (factors[found[2]?.toLowerCase() ?? ''] ?? 1));
}

function socketPath(value: string): readonly string[] {
  if (!value.startsWith('unix:')) return [];
  const path = keyed(value.slice('unix:'.length));
  const named = path.get('path') ?? path.get('') ?? '';
  // `unix:/path,server=on`: the bare part is the path, unless a later bare word (`server`, `nowait`) overwrote it.
  const bare = value.slice('unix:'.length).replaceAll(',,', '\0').split(',', 1)[0]?.replaceAll('\0', ',') ?? '';
  const chosen = path.has('path') ? named : bare;
  return chosen === '' ? [] : [chosen];
}

/** `-chardev socket,id=X,path=P` with `-mon chardev=X,mode=control`; or the same over a descriptor. */
function monitorChardevs(options: readonly (readonly [string, string])[]): {
  readonly paths: readonly string[];
  readonly byDescriptor: boolean;
} {
  const chardevs = new Map(
    options.filter(([key]) => key === 'chardev').map(([, value]) => [keyed(value).get('id') ?? '', keyed(value)]),
  );
  const monitors = options
    .filter(([key]) => key === 'mon')
    .map(([, value]) => keyed(value))
    .filter((mon) => mon.get('mode') === 'control')
    .flatMap((mon) => chardevs.get(mon.get('chardev') ?? mon.get('') ?? '') ?? []);
  return {
    paths: monitors.flatMap((chardev) => chardev.get('path') ?? []),
    byDescriptor: monitors.some((chardev) => chardev.has('fd')),
  };
}

function directoryOfKey(objects: readonly string[]): string | null {
  for (const object of objects) {
    const fields = keyed(object);
    const file = fields.get('id') === 'masterKey0' ? fields.get('file') : undefined;
    if (file?.startsWith('/') === true) return dirname(file);
  }
  return null;
}

function confidentialOf(objects: readonly string[]): ConfidentialGuest | null {
  for (const object of objects) {
    const kind = keyed(object).get('') ?? '';
    if (kind === 'sev-guest') return 'sev';
    if (kind === 'sev-snp-guest') return 'sev-snp';
    if (kind === 'tdx-guest') return 'tdx';
  }
  return null;
}
