// Holds what a VM was seen to do on the wire against what its kernel says it does. Pure: times come in with what was seen.
//
// A socket that is missing in one look proves nothing: connections come and go. What proves it is a guest that spoke on a
// connection before a look and speaks on it after, while the look, whole, shows no socket for it: and that several times over.
// A kernel without the socket would have answered with a reset, and resets do not count as speaking.
import { isoTime } from '../../kit/clock.ts';
import type { LiveFlow } from '../../sensors/flows/flow-record.ts';
import type { GuestNetwork, HiddenFlow, InsideLook } from './hidden-flow.ts';
import { SocketIndex } from './socket-index.ts';

/** Why a flow without a socket was not held against the VM, counted. */
export interface Unjudged {
  /** The look was not whole. */
  readonly incomplete: number;
  /** The VM passes on packets of others, so that it may be somebody else's. */
  readonly forwarding: number;
  /** It comes from an address that the VM is not known to have: passed on, or made up. */
  readonly foreignAddress: number;
  /** More than is kept apart for one VM. */
  readonly bounded: number;
}

interface Span {
  readonly fromMs: number;
  readonly toMs: number;
}

interface RecentLook {
  readonly span: Span;
  readonly index: SocketIndex;
  readonly complete: boolean;
}

interface PortSuspicion {
  /** Looks without a listener, before and after which connections were agreed to. */
  brackets: number;
  lastAcceptedMs: number;
}

/** Clocks of host and capture are the same; the guest's packets may be on their way for a moment. */
const slackMs = 50;
const missesNeeded = 3;
const missesKept = 16;
/** From the first to the last of these misses, at least. */
const overMs = 1000;
/** Nobody hands a socket over, or ends, for so long. */
const handoverMs = 2000;
const bracketsNeeded = 2;
/** A look this close before and after agreeing to a connection says who listened then. */
const bracketMs = 3000;
/** Looks kept to be asked again: captures are told up to a second late. */
const recentMax = 10;
const suspicionsMax = 4096;
const toldMax = 4096;

export class CrossView {
  readonly #vm: string;
  #missed = new Map<number, Span[]>();
  /** Looks at sockets that are open and held by nobody, by flow. */
  #unheld = new Map<number, Span[]>();
  readonly #told = new Set<number>();
  readonly #toldPorts = new Set<number>();
  readonly #ports = new Map<number, PortSuspicion>();
  /** The last looks, oldest first: what happened before one may be told after it. */
  #recent: RecentLook[] = [];
  #unjudged = { incomplete: 0, forwarding: 0, foreignAddress: 0, bounded: 0 };

  constructor(vm: string) {
    this.#vm = vm;
  }

  get unjudged(): Unjudged {
    return { ...this.#unjudged };
  }

  /** Flows without a socket that are not certain yet: another look soon would help. */
  get suspects(): number {
    return this.#missed.size + this.#unheld.size + this.#ports.size;
  }

  /**
   * Since the last look a connection was agreed to on a port where that look shows nobody: the sooner the next one, the sooner it is known
   * whether somebody has come to listen there, and the more such connections lie between two looks of their own.
   */
  callsForLook(flows: Iterable<LiveFlow>): boolean {
    const last = this.#recent.at(-1);
    for (const { ends, evidence } of flows) {
      const acceptedMs = evidence.acceptedMs?.[1];
      if (ends.proto !== 'tcp' || acceptedMs === undefined || this.#toldPorts.has(ends.localPort)) continue;
      if (last === undefined || (acceptedMs > last.span.toMs && !last.index.knowsPort(ends.localPort))) return true;
    }
    return false;
  }

  /** Another system runs in the VM now. */
  forget(): void {
    this.#missed.clear();
    this.#unheld.clear();
    this.#ports.clear();
    this.#recent = [];
  }

  /** `flows` = all that are open outside; those that were told as hidden are not told again. */
  look(look: InsideLook, flows: Iterable<LiveFlow>, network: GuestNetwork): readonly HiddenFlow[] {
    const index = new SocketIndex(look.sockets);
    const span = { fromMs: look.takenMs - slackMs, toMs: look.takenMs + look.durationMs + slackMs };
    const isOutside = (address: string): boolean => network.claimed.has(address);
    this.#recent = [...this.#recent, { span, index, complete: look.complete }].slice(-recentMax);
    const missed = new Map<number, Span[]>();
    const unheld = new Map<number, Span[]>();
    const found: HiddenFlow[] = [];
    for (const flow of flows) {
      if (flow.ends.proto !== 'tcp' || flow.evidence.sentMs === null || this.#told.has(flow.id)) continue;
      if (index.isHeldUnseen(flow)) {
        found.push(...this.#heldByNobody(flow, look, span, unheld));
        continue;
      }
      if (index.owns(flow, isOutside)) continue;
      const doubt = this.#doubtOf(flow, look, index, network);
      if (doubt !== null) {
        this.#unjudged[doubt] += 1;
        continue;
      }
      found.push(...this.#acceptedBy(flow, span));
      const misses = this.#missed.get(flow.id) ?? [];
      if (flow.evidence.sentMs[0] < span.fromMs) misses.push(span);
      if (misses.length > missesKept) misses.splice(missesNeeded, 1);
      if (missed.size < suspicionsMax) missed.set(flow.id, misses);
      else this.#unjudged.bounded += 1;
      if (isProven(misses, flow.evidence.sentMs[1], overMs))
        found.push(this.#tell(flow, `${misses.length} looks inside show no socket for it`, span.toMs));
    }
    this.#missed = missed;
    this.#unheld = unheld;
    for (const port of this.#ports.keys()) if (index.listensOn(port)) this.#ports.delete(port);
    return found;
  }

  #doubtOf(flow: LiveFlow, look: InsideLook, index: SocketIndex, network: GuestNetwork): keyof Unjudged | null {
    const { localAddr } = flow.ends;
    if (!network.claimed.has(localAddr) && !index.hasAddress(localAddr)) return 'foreignAddress';
    if (network.forwards === true) return 'forwarding';
    return look.complete ? null : 'incomplete';
  }

  /** Here the look itself is the proof: only what takes a moment, such as handing a socket over, has to be waited out. */
  #heldByNobody(flow: LiveFlow, look: InsideLook, span: Span, unheld: Map<number, Span[]>): readonly HiddenFlow[] {
    const looks = this.#unheld.get(flow.id) ?? [];
    if (look.complete && !look.unsettled) looks.push(span);
    else this.#unjudged.incomplete += 1;
    if (looks.length > missesKept) looks.splice(missesNeeded, 1);
    if (unheld.size < suspicionsMax) unheld.set(flow.id, looks);
    else this.#unjudged.bounded += 1;
    if (!isProven(looks, Number.POSITIVE_INFINITY, handoverMs)) return [];
    const said = `its socket was open in ${looks.length} looks and none of the processes that the guest lists holds it`;
    return [this.#tell(flow, said, span.toMs)];
  }

  /** A connection agreed to between two looks, close to both, neither of which shows anybody on that port. */
  #acceptedBy(flow: LiveFlow, now: Span): readonly HiddenFlow[] {
    const port = flow.ends.localPort;
    const acceptedMs = flow.evidence.acceptedMs?.[1];
    if (acceptedMs === undefined || this.#toldPorts.has(port)) return [];
    const before = this.#recent.findLast(({ span }) => span.toMs < acceptedMs);
    const after = this.#recent.find(({ span }) => span.fromMs > acceptedMs);
    if (before?.complete !== true || after?.complete !== true) return [];
    if (before.index.knowsPort(port) || after.index.knowsPort(port)) return [];
    if (acceptedMs - before.span.toMs > bracketMs || after.span.fromMs - acceptedMs > bracketMs) return [];
    const known = this.#ports.get(port) ?? { brackets: 0, lastAcceptedMs: Number.NEGATIVE_INFINITY };
    // Many connections between the same two looks are one happening.
    if (known.lastAcceptedMs > before.span.toMs) return [];
    known.brackets += 1;
    known.lastAcceptedMs = acceptedMs;
    if (this.#ports.size < suspicionsMax) this.#ports.set(port, known);
    else this.#unjudged.bounded += 1;
    if (known.brackets < bracketsNeeded || this.#toldPorts.size >= toldMax) return [];
    this.#toldPorts.add(port);
    this.#ports.delete(port);
    const detail = `The VM agreed to connections on TCP port ${port} at ${known.brackets} different times, and no look just before and after them shows anything on that port.`;
    return [this.#hidden('hidden-listener', flow, detail, now.toMs)];
  }

  #tell(flow: LiveFlow, why: string, atMs: number): HiddenFlow {
    if (this.#told.size < toldMax) this.#told.add(flow.id);
    const { localAddr, localPort, remoteAddr, remotePort } = flow.ends;
    const detail = `The VM keeps up a TCP connection between its ${localAddr} port ${localPort} and ${remoteAddr} port ${remotePort}, and ${why}.`;
    return this.#hidden('hidden-flow', flow, detail, atMs);
  }

  #hidden(what: HiddenFlow['what'], flow: LiveFlow, detail: string, atMs: number): HiddenFlow {
    return { vm: this.#vm, at: isoTime(atMs), what, detail, flow: flow.seen().record };
  }
}

/** The guest spoke after enough of the looks that missed the socket. */
function isProven(misses: readonly Span[], lastSentMs: number, overMs: number): boolean {
  const good = misses.filter(({ toMs }) => toMs < lastSentMs);
  const first = good[0];
  const last = good.at(-1);
  return (
    good.length >= missesNeeded && first !== undefined && last !== undefined && last.fromMs - first.fromMs >= overMs
  );
}
