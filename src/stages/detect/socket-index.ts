// The connections and listeners a manifest allows: by kind and protocol, then port, then peer, then executable.
import { PairTable } from '../../kit/pair-table.ts';
import type { Behaviour } from '../../model/behaviour.ts';
import type { ConnectionObservation, ListenObservation } from '../../model/observation.ts';
import { parseAddress, prefixOf, unmapped } from '../../pattern/address.ts';
import { quotePath } from '../../pattern/path-pattern.ts';
import { type PeerPattern, matchesPeer, parsePeer, printPeer } from '../../pattern/peer-pattern.ts';
import { parsePort } from '../../pattern/port-pattern.ts';
import { Chains } from './chains.ts';
import type { PatternTexts } from './pattern-texts.ts';
import { PortIndex } from './port-index.ts';

type SocketObservation = ConnectionObservation | ListenObservation;
type SocketBehaviour = Exclude<Behaviour, { kind: 'process' }>;

/** All entries of one kind, protocol, and port or range. */
interface PortGroup {
  readonly place: number;
  /** One pattern for each form of peer that occurs: an address is brought into each form and looked up. */
  readonly forms: Map<string, PeerPattern>;
}

/** Stands for the peer of a listener, which has none. */
const noPeer = '';

export class SocketIndex {
  readonly #behaviours: readonly Behaviour[];
  readonly #patterns: PatternTexts;
  readonly #ports = new Map<string, PortIndex<PortGroup>>();
  /** Texts of peers and of executables' patterns, numbered as they come. */
  readonly #texts = new Map<string, number>();
  /** A port group's place and a peer make a place, and that with an executable another. */
  readonly #steps = new PairTable();
  #places = 0;
  /** At the place of a peer. */
  readonly #all: Chains<number>;
  readonly #typed: Chains<number>;
  /** At the place of an executable. */
  readonly #byExe: Chains<number>;

  /** `behaviours` are a whole manifest's, of any kind and in the language; an entry is told by its place among them. */
  constructor(behaviours: readonly Behaviour[], patterns: PatternTexts) {
    this.#behaviours = behaviours;
    this.#patterns = patterns;
    this.#all = new Chains(behaviours.length);
    this.#typed = new Chains(behaviours.length);
    this.#byExe = new Chains(behaviours.length);
    for (const [at, behaviour] of behaviours.entries()) if (behaviour.kind !== 'process') this.#add(at, behaviour);
  }

  #add(at: number, behaviour: SocketBehaviour): void {
    const group = this.#groupOf(behaviour);
    const peer = group === null ? null : this.#peerOf(group, behaviour);
    if (peer === null) return;
    this.#all.add(peer, at);
    this.#byExe.add(this.#step(peer, behaviour.exe), at);
    const exe = this.#patterns.path(behaviour.exe);
    if (exe !== null && exe !== '?') this.#typed.add(peer, at);
  }

  #groupOf({ kind, proto, port: text }: SocketBehaviour): PortGroup | null {
    const port = parsePort(text);
    if (!port.ok) return null;
    const ports = this.#ports.get(`${kind} ${proto}`) ?? new PortIndex<PortGroup>();
    this.#ports.set(`${kind} ${proto}`, ports);
    const group = ports.get(port.value) ?? { place: this.#place(), forms: new Map() };
    ports.set(port.value, group);
    return group;
  }

  #peerOf({ place, forms }: PortGroup, behaviour: SocketBehaviour): number | null {
    if (behaviour.kind === 'listen') return this.#step(place, noPeer);
    const peer = parsePeer(behaviour.peer);
    if (!peer.ok) return null;
    forms.set(formOf(peer.value), peer.value);
    return this.#step(place, printPeer(peer.value));
  }

  #place(): number {
    this.#places += 1;
    return this.#places;
  }

  #step(from: number, text: string): number {
    const number = this.#texts.get(text) ?? this.#texts.size;
    this.#texts.set(text, number);
    const known = this.#steps.get(from, number);
    if (known !== -1) return known;
    const place = this.#place();
    this.#steps.set(from, number, place);
    return place;
  }

  #find(from: number, text: string): number {
    return this.#steps.get(from, this.#texts.get(text) ?? -1);
  }

  /** The entries that are this behaviour, text by text. */
  *same(behaviour: SocketBehaviour): Generator<number> {
    const port = parsePort(behaviour.port);
    const group = port.ok ? this.#ports.get(`${behaviour.kind} ${behaviour.proto}`)?.get(port.value) : undefined;
    if (group === undefined) return;
    const peer = peerTextOf(behaviour);
    for (const at of this.#byExe.of(this.#find(this.#find(group.place, peer), behaviour.exe))) {
      const other = this.#behaviours[at];
      // The same port and peer can be written in several ways.
      if (other === undefined || other.kind === 'process' || other.port !== behaviour.port) continue;
      if (peerTextOf(other) === peer) yield at;
    }
  }

  /** The entries that admit the connection or listener, in no order; one may come twice. */
  *admitting(activity: SocketObservation): Generator<number> {
    const ports = this.#ports.get(`${activity.kind} ${activity.proto}`);
    if (ports === undefined) return;
    const port = servicePort(activity);
    const single = ports.get({ low: port, high: port });
    if (single !== undefined) yield* this.#inGroup(single, activity);
    for (const group of ports.ranges(port)) yield* this.#inGroup(group, activity);
  }

  *#inGroup(group: PortGroup, activity: SocketObservation): Generator<number> {
    const exe = activity.image?.exe ?? null;
    const texts = activity.kind === 'listen' ? [noPeer] : peerTexts(group, activity.remoteAddr);
    for (const text of texts) yield* this.#withExe(this.#find(group.place, text), exe);
  }

  /** An unknown executable may be any. */
  *#withExe(peer: number, exe: string | null): Generator<number> {
    if (exe === null) return yield* this.#all.of(peer);
    yield* this.#byExe.of(this.#find(peer, quotePath(exe)));
    yield* this.#byExe.of(this.#find(peer, '?'));
    for (const at of this.#typed.of(peer)) {
      const text = this.#behaviours[at]?.exe;
      if (text !== undefined && this.#patterns.admitsPath(text, exe)) yield at;
    }
  }
}

function peerTextOf(behaviour: SocketBehaviour): string {
  return behaviour.kind === 'listen' ? noPeer : behaviour.peer;
}

function formOf(peer: PeerPattern): string {
  return typeof peer === 'string' ? peer : `${peer.bits}/${peer.length}`;
}

/** The peers a group's entries would have to name for this address to be admitted. */
function* peerTexts({ forms }: PortGroup, address: string): Generator<string> {
  const parsed = parseAddress(address);
  const plain = parsed === null ? null : unmapped(parsed);
  for (const form of forms.values()) {
    if (typeof form === 'string') {
      if (matchesPeer(form, address)) yield form;
    } else if (plain?.bits === form.bits) yield printPeer(prefixOf(plain, form.length));
  }
}

/** The port that names the service: the other side's when the VM calls, its own otherwise. */
export function servicePort(activity: SocketObservation): number {
  return activity.kind === 'outbound' ? activity.remotePort : activity.localPort;
}
