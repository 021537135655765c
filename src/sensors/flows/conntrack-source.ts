// Connections as the host's own connection tracking tells of them: exact counts at little cost. Events tell of beginnings; the
// counts are read from its list every few seconds, since the events of endings come in bursts of which the kernel loses some.
// It knows addresses only: which VM has one is learned from the VM's own devices.
import type { ChildProcess } from 'node:child_process';
import { canonicalAddress } from '../../protocols/packet/address-text.ts';
import { parseConntrackEvent, type ConntrackEvent } from '../../protocols/conntrack/conntrack-event.ts';
import type { FlowEnds, FlowTotals, Way } from './flow.ts';
import type { FlowTable } from './flow-table.ts';
import { runProgram, startProgram, within } from '../../protocols/host-program/run-program.ts';
import type { VmDirectory } from './vm-directory.ts';

export interface ConntrackListener {
  /** Events were lost: null = nobody knows how many. */
  lost(missed: number | null, reason: string): void;
  ended(why: string): void;
}

export interface ConntrackOptions {
  /** A process in the bridge's network namespace; null = ours. */
  readonly namespacePid: number | null;
  readonly table: FlowTable;
  readonly directory: VmDirectory;
  readonly now: () => number;
  readonly listener: ConntrackListener;
}

/** The kernel counts some kilobytes for an event: room for thousands, for when we are kept from reading. */
const socketBufferBytes = 64 * 1024 * 1024;
const listEveryMs = 3000;
const lineMax = 4096;
const wordsMax = 2000;

export class ConntrackSource {
  readonly #options: ConntrackOptions;
  readonly #child: ChildProcess;
  readonly #timer: NodeJS.Timeout;
  #rest = '';
  #words = '';
  #stopped = false;
  #listing = false;
  #unreadable = 0;
  #ownerless = 0;

  constructor(options: ConntrackOptions) {
    this.#options = options;
    const argv = ['conntrack', '-E', '-e', 'NEW,DESTROY', '-o', 'timestamp,id', '-b', String(socketBufferBytes)];
    this.#child = startProgram(within(options.namespacePid, argv));
    this.#child.stdout?.on('data', (chunk: Buffer) => this.#read(chunk.toString('latin1')));
    this.#child.stderr?.on('data', (chunk: Buffer) => this.#hear(chunk.toString('latin1')));
    this.#timer = setInterval(() => void this.#list(), listEveryMs);
    this.#child.once('close', () => {
      clearInterval(this.#timer);
      if (!this.#stopped)
        options.listener.ended(this.#words.trim().split('\n').at(-1)?.slice(0, 300) || 'conntrack ended');
    });
  }

  /** Lines that were not understood, and events between addresses that no VM is known to have. */
  health(): { readonly unreadable: number; readonly ownerless: number } {
    return { unreadable: this.#unreadable, ownerless: this.#ownerless };
  }

  stop(): void {
    this.#stopped = true;
    clearInterval(this.#timer);
    this.#child.kill('SIGTERM');
  }

  async #list(): Promise<void> {
    if (this.#listing) return;
    this.#listing = true;
    for (const family of ['ipv4', 'ipv6']) {
      const listed = await runProgram(
        within(this.#options.namespacePid, ['conntrack', '-L', '-f', family, '-o', 'id']),
      );
      if (this.#stopped) return;
      if (!listed.ok) this.#options.listener.lost(null, `connections could not be listed: ${listed.error.message}`);
      else for (const line of listed.value.split('\n')) this.#takeLine(line);
    }
    this.#listing = false;
  }

  #read(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = (lines.pop() ?? '').slice(0, lineMax);
    for (const line of lines) this.#takeLine(line);
  }

  #takeLine(line: string): void {
    const event = parseConntrackEvent(line);
    if (event !== null) this.#take(event);
    else if (/\b(?:tcp|udp)\b/.test(line)) this.#unreadable += 1;
  }

  #take(event: ConntrackEvent): void {
    const { original, reply } = event;
    const source = canonicalAddress(original.source);
    // What answers is who was meant in the end, whatever address the question was put to.
    const target = canonicalAddress(reply.source);
    if (source === null || target === null) return;
    const ports = { source: original.sourcePort, target: reply.sourcePort };
    const sender = this.#options.directory.vmAt(source);
    const receiver = this.#options.directory.vmAt(target);
    if (sender === null && receiver === null) this.#ownerless += 1;
    if (sender !== null) {
      const ends = { localAddr: source, localPort: ports.source, remoteAddr: target, remotePort: ports.target };
      this.#tell(sender, 'sent', { proto: event.protocol, ...ends }, event);
    }
    if (receiver !== null) {
      const ends = { localAddr: target, localPort: ports.target, remoteAddr: source, remotePort: ports.source };
      this.#tell(receiver, 'received', { proto: event.protocol, ...ends }, event);
    }
  }

  #tell(vm: string, way: Way, ends: FlowEnds, event: ConntrackEvent): void {
    const atMs = event.atMs ?? this.#options.now();
    // One that is told of only when it ends, since its address was not known before, began as long ago as it lasted.
    const startMs = atMs - event.lastedMs;
    const sighting = { by: 'conntrack', way, startMs, endMs: atMs, packets: 0, bytes: 0, tcp: null } as const;
    if (event.what === 'new') return this.#options.table.see(vm, ends, sighting);
    this.#options.table.settle(vm, ends, totalsOf(way, event), sighting, event.what === 'destroy');
  }

  #hear(text: string): void {
    this.#words = (this.#words + text).slice(-wordsMax);
    if (/ENOBUFS|losing events/i.test(text)) {
      this.#options.listener.lost(null, 'the kernel had to drop connection tracking events');
    }
  }
}

/** Null when accounting is off for it. */
function totalsOf(way: Way, { original, reply }: ConntrackEvent): FlowTotals | null {
  if (original.bytes === null || reply.bytes === null) return null;
  const asked = { bytes: original.bytes, packets: original.packets ?? 0 };
  const answered = { bytes: reply.bytes, packets: reply.packets ?? 0 };
  return way === 'sent' ? { out: asked, in: answered } : { out: answered, in: asked };
}
