// libvirt's calls that Plumbline makes, by name. Numbers are only ever added to libvirt's protocol, never changed.
// Source: src/remote/remote_protocol.x and src/remote/qemu_protocol.x in libvirt.
import { problem } from '../../kit/problem.ts';
import { fail, ok } from '../../kit/result.ts';
import type { Result } from '../../kit/result.ts';
import { NetworkFilters } from './network-filters.ts';
import { connectRpc, garbled, libvirtProblem } from './rpc-connection.ts';
import type { LibvirtProblem, Procedure, RpcConnection } from './rpc-connection.ts';
import { XdrReader, XdrWriter } from '../xdr/xdr.ts';

export interface LibvirtDomain {
  readonly name: string;
  /** Lower-case with dashes. */
  readonly uuid: string;
  /** libvirt's number of the running domain; -1 when it does not run. Changes at each start. */
  readonly id: number;
}

/** virDomainEventType with its detail, as libvirt numbers them. */
export interface LifecycleEvent {
  readonly domain: LibvirtDomain;
  readonly event: LifecycleKind | 'unknown';
  readonly detail: number;
}

export type LifecycleKind = (typeof lifecycleKinds)[number];

export interface QemuEvent {
  readonly domain: LibvirtDomain;
  /** QEMU's own name, such as `RESET`. */
  readonly name: string;
  readonly atMs: number;
  /** JSON text of its data, or null. */
  readonly details: string | null;
}

const remote = 0x2000_8086;
const qemu = 0x2000_8087;
const procedures = {
  open: { program: remote, number: 1 },
  create: { program: remote, number: 9 },
  xml: { program: remote, number: 14 },
  resume: { program: remote, number: 28 },
  suspend: { program: remote, number: 34 },
  authList: { program: remote, number: 66 },
  isPersistent: { program: remote, number: 151 },
  updateDevice: { program: remote, number: 174 },
  abortJob: { program: remote, number: 164 },
  managedSave: { program: remote, number: 182 },
  hasManagedSave: { program: remote, number: 183 },
  snapshotCreate: { program: remote, number: 185 },
  snapshotXml: { program: remote, number: 186 },
  snapshotRevert: { program: remote, number: 192 },
  currentSnapshot: { program: remote, number: 191 },
  state: { program: remote, number: 212 },
  restore: { program: remote, number: 233 },
  destroy: { program: remote, number: 234 },
  listDomains: { program: remote, number: 273 },
  listSnapshots: { program: remote, number: 274 },
  registerEvent: { program: remote, number: 316 },
  coreDump: { program: remote, number: 334 },
  lifecycle: { program: remote, number: 318 },
  monitorCommand: { program: qemu, number: 1 },
  registerQemuEvent: { program: qemu, number: 4 },
  qemuEvent: { program: qemu, number: 6 },
} as const satisfies Record<string, Procedure>;

const lifecycleKinds = [
  'defined',
  'undefined',
  'started',
  'suspended',
  'resumed',
  'stopped',
  'shutdown',
  'pm-suspended',
  'crashed',
] as const;
const states = ['no-state', 'running', 'blocked', 'paused', 'shutdown', 'shut-off', 'crashed', 'pm-suspended'] as const;
export type DomainState = (typeof states)[number];

const eventLifecycle = 0;
const authNone = 0;
const domainsMax = 16_384;
const uuidBytes = 16;
const slowMs = 300_000;
/** VIR_DOMAIN_CORE_DUMP_FORMAT_RAW is an ELF core; VIR_DUMP_MEMORY_ONLY leaves out the state of devices. */
const dumpFormatElf = 0;
const dumpMemoryOnly = 16;
/** VIR_DOMAIN_SNAPSHOT_CREATE_REUSE_EXT and _ATOMIC. */
const intoFilesThereAllOrNone = 32 | 128;
/** VIR_DOMAIN_SNAPSHOT_LIST_EXTERNAL. */
const listExternal = 512;
const snapshotsMax = 16_384;
/** VIR_DOMAIN_SNAPSHOT_XML_SECURE: with the passwords that the domain would otherwise come back without. */
const withSecrets = 1;
/** A new network filter is a program of the host for each of its rules. */
const updateMs = 60_000;

/** As the guest runs now, or as it is to be from its next start on (virDomainDeviceModifyFlags, virDomainXMLFlags). */
export type DomainForm = 'live' | 'kept';
const deviceFlags: Readonly<Record<DomainForm, number>> = { live: 1, kept: 2 };
const xmlFlags: Readonly<Record<DomainForm, number>> = { live: 0, kept: 2 };

export const libvirtUri = 'qemu:///system';

/** Connects and opens `uri`; only sockets that ask for no credentials (root, or a group) are supported. */
export async function openLibvirt(
  socket: string,
  uri: string = libvirtUri,
): Promise<Result<LibvirtClient, LibvirtProblem>> {
  const connected = await connectRpc(socket);
  if (!connected.ok) return connected;
  const rpc = connected.value;
  const opened = await introduce(rpc, socket, uri);
  if (opened.ok) return ok(new LibvirtClient(rpc));
  rpc.close();
  return opened;
}

async function introduce(rpc: RpcConnection, socket: string, uri: string): Promise<Result<XdrReader, LibvirtProblem>> {
  const offered = await rpc.call(procedures.authList, Buffer.alloc(0));
  if (!offered.ok) return offered;
  const count = Math.min(offered.value.u32(), 20);
  const kinds = Array.from({ length: count }, () => offered.value.u32());
  if (!kinds.includes(authNone)) {
    const mend = 'Run as root, or set auth_unix_rw = "none" and unix_sock_group in libvirtd.conf.';
    return fail(libvirtProblem(problem('refused', `libvirt at ${socket} asks for credentials.`, mend)));
  }
  return rpc.call(procedures.open, new XdrWriter().optionalText(uri).u32(0).bytes());
}

export class LibvirtClient {
  readonly closed: Promise<LibvirtProblem | null>;
  readonly filters: NetworkFilters;
  readonly #rpc: RpcConnection;

  constructor(rpc: RpcConnection) {
    this.#rpc = rpc;
    this.filters = new NetworkFilters(rpc);
    this.closed = rpc.closed;
  }

  /** All domains, running or not. */
  async domains(): Promise<Result<readonly LibvirtDomain[], LibvirtProblem>> {
    const answer = await this.#rpc.call(procedures.listDomains, new XdrWriter().i32(1).u32(0).bytes());
    if (!answer.ok) return answer;
    const count = answer.value.u32();
    const domains: LibvirtDomain[] = [];
    for (let index = 0; index < Math.min(count, domainsMax) && !answer.value.broken; index += 1) {
      domains.push(readDomain(answer.value));
    }
    return answer.value.broken ? garbled() : ok(domains);
  }

  /** The domain with this uuid; a problem of kind `not-found` when libvirt has none. */
  async domain(uuid: string): Promise<Result<LibvirtDomain, LibvirtProblem>> {
    const all = await this.domains();
    if (!all.ok) return all;
    const found = all.value.find((domain) => domain.uuid === uuid.toLowerCase());
    if (found !== undefined) return ok(found);
    return fail(libvirtProblem(problem('not-found', `libvirt has no domain ${uuid}.`)));
  }

  async state(domain: LibvirtDomain): Promise<Result<DomainState, LibvirtProblem>> {
    const answer = await this.#rpc.call(procedures.state, writeDomain(domain).u32(0).bytes());
    return answer.ok ? ok(states[answer.value.i32()] ?? 'no-state') : answer;
  }

  suspend(domain: LibvirtDomain): Promise<Result<void, LibvirtProblem>> {
    return this.#do(procedures.suspend, writeDomain(domain));
  }

  resume(domain: LibvirtDomain): Promise<Result<void, LibvirtProblem>> {
    return this.#do(procedures.resume, writeDomain(domain));
  }

  /** Power off at once, as by pulling the plug. */
  destroy(domain: LibvirtDomain): Promise<Result<void, LibvirtProblem>> {
    return this.#do(procedures.destroy, writeDomain(domain).u32(0));
  }

  /** Starts a kept domain that does not run, as its definition has it; from a managed save when there is one. */
  start(domain: LibvirtDomain): Promise<Result<void, LibvirtProblem>> {
    return this.#do(procedures.create, writeDomain(domain), slowMs);
  }

  /** Suspend to disk; the next start continues from there. */
  managedSave(domain: LibvirtDomain, timeoutMs = slowMs): Promise<Result<void, LibvirtProblem>> {
    return this.#do(procedures.managedSave, writeDomain(domain).u32(0), timeoutMs);
  }

  /** Whether its next start goes on from memory that was saved. */
  async hasManagedSave(domain: LibvirtDomain): Promise<Result<boolean, LibvirtProblem>> {
    const answer = await this.#rpc.call(procedures.hasManagedSave, writeDomain(domain).u32(0).bytes());
    return answer.ok ? ok(answer.value.i32() !== 0) : answer;
  }

  /** libvirt opens `path` with its own rights and has QEMU write an ELF core into it; the domain stands meanwhile. */
  dumpMemory(domain: LibvirtDomain, path: string, timeoutMs: number): Promise<Result<void, LibvirtProblem>> {
    const body = writeDomain(domain).text(path).u32(dumpFormatElf).u32(dumpMemoryOnly);
    return this.#do(procedures.coreDump, body, timeoutMs);
  }

  /** `xml` is a `<domainsnapshot>`. */
  createSnapshot(domain: LibvirtDomain, xml: string): Promise<Result<void, LibvirtProblem>> {
    return this.#do(procedures.snapshotCreate, writeDomain(domain).text(xml).u32(0), slowMs);
  }

  /**
   * Memory into a file, and the disks on in files that are there already: all of them or none. libvirt lets the domain stand until the
   * memory is written, so that it is written once and no guest can make the file grow.
   */
  createExternalSnapshot(domain: LibvirtDomain, xml: string, timeoutMs: number): Promise<Result<void, LibvirtProblem>> {
    const body = writeDomain(domain).text(xml).u32(intoFilesThereAllOrNone);
    return this.#do(procedures.snapshotCreate, body, timeoutMs);
  }

  /** Names of its snapshots whose memory or disks are in files of their own, by anybody. */
  async externalSnapshots(domain: LibvirtDomain): Promise<Result<readonly string[], LibvirtProblem>> {
    const answer = await this.#rpc.call(procedures.listSnapshots, writeDomain(domain).i32(1).u32(listExternal).bytes());
    if (!answer.ok) return answer;
    const count = answer.value.u32();
    const names: string[] = [];
    for (let index = 0; index < Math.min(count, snapshotsMax) && !answer.value.broken; index += 1) {
      names.push(answer.value.text());
      readDomain(answer.value);
    }
    return answer.value.broken ? garbled() : ok(names);
  }

  /** Its `<domainsnapshot>`, with the `<domain>` as it was then. */
  async describeSnapshot(domain: LibvirtDomain, snapshot: string): Promise<Result<string, LibvirtProblem>> {
    const body = Buffer.concat([new XdrWriter().text(snapshot).bytes(), writeDomain(domain).u32(withSecrets).bytes()]);
    const answer = await this.#rpc.call(procedures.snapshotXml, body);
    return answer.ok ? ok(answer.value.text()) : answer;
  }

  /** Ends the snapshot, dump or save that is under way; the domain runs on. */
  abortJob(domain: LibvirtDomain): Promise<Result<void, LibvirtProblem>> {
    return this.#do(procedures.abortJob, writeDomain(domain));
  }

  /**
   * Starts a domain that does not run from a file of saved memory, which libvirt opens with its own rights, as `xml` has it. It runs or
   * stands as it did when it was saved.
   */
  restore(file: string, xml: string): Promise<Result<void, LibvirtProblem>> {
    return this.#do(procedures.restore, new XdrWriter().text(file).optionalText(xml).u32(0), slowMs);
  }

  /** Starts a new QEMU process: whatever was attached to the old one must attach again. */
  revertToSnapshot(domain: LibvirtDomain, snapshot: string): Promise<Result<void, LibvirtProblem>> {
    const body = Buffer.concat([new XdrWriter().text(snapshot).bytes(), writeDomain(domain).u32(0).bytes()]);
    return this.#call(procedures.snapshotRevert, body, slowMs);
  }

  /** Name of the snapshot the domain was last put back to, or that was made last; a problem when there is none. */
  async currentSnapshot(domain: LibvirtDomain): Promise<Result<string, LibvirtProblem>> {
    const answer = await this.#rpc.call(procedures.currentSnapshot, writeDomain(domain).u32(0).bytes());
    return answer.ok ? ok(answer.value.text()) : answer;
  }

  /** Its `<domain>`. One that does not run is described as it is kept, whichever is asked for. */
  async describe(domain: LibvirtDomain, form: DomainForm = 'live'): Promise<Result<string, LibvirtProblem>> {
    const answer = await this.#rpc.call(procedures.xml, writeDomain(domain).u32(xmlFlags[form]).bytes());
    return answer.ok ? ok(answer.value.text()) : answer;
  }

  /** Whether libvirt keeps it when it does not run. */
  async isPersistent(domain: LibvirtDomain): Promise<Result<boolean, LibvirtProblem>> {
    const answer = await this.#rpc.call(procedures.isPersistent, writeDomain(domain).bytes());
    return answer.ok ? ok(answer.value.i32() !== 0) : answer;
  }

  /** `xml` is the device whole, as the domain's description has it, with what is to be otherwise. */
  updateDevice(domain: LibvirtDomain, xml: string, form: DomainForm): Promise<Result<void, LibvirtProblem>> {
    return this.#do(procedures.updateDevice, writeDomain(domain).text(xml).u32(deviceFlags[form]), updateMs);
  }

  /** Passes a QMP command on; answers QEMU's whole reply as JSON text. libvirt marks the domain as tainted. */
  async monitorCommand(
    domain: LibvirtDomain,
    json: string,
    timeoutMs?: number,
  ): Promise<Result<string, LibvirtProblem>> {
    const body = writeDomain(domain).text(json).u32(0).bytes();
    const answer = await this.#rpc.call(procedures.monitorCommand, body, timeoutMs);
    return answer.ok ? ok(answer.value.text()) : answer;
  }

  /** Calls `listener` at each start, stop, suspend... of any domain. */
  async onLifecycle(listener: (event: LifecycleEvent) => void): Promise<Result<() => void, LibvirtProblem>> {
    const registered = await this.#rpc.call(
      procedures.registerEvent,
      new XdrWriter().i32(eventLifecycle).u32(0).bytes(),
    );
    if (!registered.ok) return registered;
    const callback = registered.value.i32();
    return ok(
      this.#rpc.subscribe((program, procedure, body) => {
        if (program !== procedures.lifecycle.program || procedure !== procedures.lifecycle.number) return;
        if (body.i32() !== callback) return;
        const domain = readDomain(body);
        const event = lifecycleKinds[body.i32()] ?? 'unknown';
        const detail = body.i32();
        if (!body.broken) listener({ domain, event, detail });
      }),
    );
  }

  /** Calls `listener` at each event QEMU itself reports for one domain, or for all. */
  async onQemuEvent(
    domain: LibvirtDomain | null,
    listener: (event: QemuEvent) => void,
  ): Promise<Result<() => void, LibvirtProblem>> {
    const whom =
      domain === null
        ? new XdrWriter().u32(0).bytes()
        : Buffer.concat([new XdrWriter().u32(1).bytes(), writeDomain(domain).bytes()]);
    const body = Buffer.concat([whom, new XdrWriter().optionalText(null).u32(0).bytes()]);
    const registered = await this.#rpc.call(procedures.registerQemuEvent, body);
    if (!registered.ok) return registered;
    const callback = registered.value.i32();
    return ok(
      this.#rpc.subscribe((program, procedure, message) => {
        if (program !== procedures.qemuEvent.program || procedure !== procedures.qemuEvent.number) return;
        if (message.i32() !== callback) return;
        const domain = readDomain(message);
        const name = message.text();
        const seconds = message.hyper();
        const micros = message.u32();
        const details = message.optionalText();
        if (!message.broken) listener({ domain, name, atMs: seconds * 1000 + Math.floor(micros / 1000), details });
      }),
    );
  }

  close(): void {
    this.#rpc.close();
  }

  #do(procedure: Procedure, body: XdrWriter, timeoutMs?: number): Promise<Result<void, LibvirtProblem>> {
    return this.#call(procedure, body.bytes(), timeoutMs);
  }

  async #call(procedure: Procedure, body: Buffer, timeoutMs?: number): Promise<Result<void, LibvirtProblem>> {
    const answer = await this.#rpc.call(procedure, body, timeoutMs);
    return answer.ok ? ok(undefined) : answer;
  }
}

function readDomain(body: XdrReader): LibvirtDomain {
  const name = body.text();
  const hex = body.fixed(uuidBytes).toString('hex');
  const uuid = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
  return { name, uuid, id: body.i32() };
}

function writeDomain(domain: LibvirtDomain): XdrWriter {
  return new XdrWriter()
    .text(domain.name)
    .fixed(Buffer.from(domain.uuid.replaceAll('-', ''), 'hex'))
    .i32(domain.id);
}
