// What lets a guest go, against a stub made after QEMU's own reading of bytes, left in every state a dying client can leave it in.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assert as holds, boolean, constantFrom, integer, property, string } from 'fast-check';
import { encodePacket } from '../../../protocols/gdb/packet.ts';
import { DetachConversation } from './detach-conversation.ts';
import type { Turn } from './detach-conversation.ts';

type Status = 'running' | 'debug' | 'paused' | 'postmigrate' | 'io-error';

/** QEMU's `gdb_read_byte` in small: one entry of `points` for each vCPU. */
class Stub {
  status: Status;
  readonly points: boolean[];
  answers = '';
  /** After a `D` no CPU is selected: the next packet crashes QEMU. */
  crashed = false;
  readonly #tellsOfStops: boolean;
  #detached = false;
  #selected = 0;
  #line: string | null = null;
  #sum: string | null = null;
  #unacknowledged = false;

  constructor(status: Status, vcpus = 2, tellsOfStops = true) {
    this.status = status;
    this.points = Array.from({ length: vcpus }, () => true);
    this.#tellsOfStops = tellsOfStops;
  }

  connect(): void {
    this.#stop();
  }

  read(text: string): void {
    for (const character of text) this.#byte(character);
  }

  #stop(): void {
    if (this.status !== 'running') return;
    this.status = 'paused';
    if (this.#tellsOfStops) this.#say('T02thread:01;');
  }

  #byte(character: string): void {
    if (this.#unacknowledged) {
      if (character === '$' || character === '+') this.#unacknowledged = false;
      if (character !== '$') return;
    }
    if (this.status === 'running') this.#stop();
    else if (this.#line === null) {
      if (character === '$') this.#line = '';
    } else if (this.#sum === null) {
      if (character === '#') this.#sum = '';
      else this.#line += character;
    } else {
      this.#sum += character;
      if (this.#sum.length === 2) this.#packet(this.#line, this.#sum);
    }
  }

  #packet(text: string, sum: string): void {
    this.#line = null;
    this.#sum = null;
    const matches = encodePacket(text).endsWith(`#${sum}`);
    this.answers += matches ? '+' : '-';
    if (matches) this.#obey(text);
  }

  #obey(text: string): void {
    this.crashed ||= this.#detached;
    if (text === '?') {
      this.points[this.#selected] = false;
      this.#say('T05thread:01;');
    } else if (text === 'D') {
      this.points.fill(false);
      this.status = 'running';
      this.#detached = true;
      this.#say('OK');
    } else if (text.startsWith('Hc')) {
      this.#selected = Number.parseInt(text.slice(2), 16) - 1;
      this.#say(this.#selected < this.points.length ? 'OK' : 'E22');
    } else if (text.startsWith('qRcmd,')) this.#monitor(Buffer.from(text.slice(6), 'hex').toString());
    else this.#say('');
  }

  #monitor(line: string): void {
    const why = this.status === 'paused' ? '' : ` (${this.status})`;
    const vcpus = this.points.map((_, i) => `  CPU #${i}: thread_id=${i}\r\n`);
    const said = line === 'info status' ? [`VM status: paused${why}\r\n`] : vcpus;
    for (const part of said) this.#say(`O${Buffer.from(part).toString('hex')}`);
    this.#say('OK');
  }

  #say(text: string): void {
    this.answers += encodePacket(text);
    this.#unacknowledged = true;
  }
}

/** Speaks until the conversation is over, cutting the stub's answers where `cut` says. */
function speak(stub: Stub, staysPaused = false, cut = 1000): Turn {
  const conversation = new DetachConversation(staysPaused);
  for (let attempt = 0; attempt < 4; attempt += 1) {
    const words = conversation.attempt();
    if (words === null) return 'waiting';
    stub.read(words);
    while (stub.answers !== '') {
      const chunk = stub.answers.slice(0, cut);
      stub.answers = stub.answers.slice(cut);
      const turn = conversation.take(Buffer.from(chunk, 'latin1'));
      if (typeof turn === 'object') stub.read(turn.write);
      else if (turn !== 'waiting') return turn;
    }
  }
  return 'waiting';
}

/** One half packet in 256 has the checksum 00 and is carried out: no reader of bytes can tell it from a whole one. */
const halfPacket = string({ maxLength: 40 }).filter(
  (text) => !text.includes('#') && !encodePacket(text).endsWith('#00'),
);

test('a guest at a point or running runs on and has no point left, whatever was half said before', () => {
  const status = constantFrom<Status>('debug', 'running');
  holds(
    property(status, boolean(), boolean(), halfPacket, integer({ min: 1, max: 30 }), (was, tells, begun, text, cut) => {
      const stub = new Stub(was, 3, tells);
      stub.connect();
      if (begun) stub.read(`$${text}`);
      assert.equal(speak(stub, false, cut), 'running');
      assert.deepEqual([stub.status, stub.points], ['running', [false, false, false]]);
      assert.ok(!stub.crashed);
    }),
  );
});

test('a guest that others stopped is not made to run, and has no point left', () => {
  for (const [status, staysPaused] of [
    ['paused', true],
    ['postmigrate', false],
    ['postmigrate', true],
    ['io-error', false],
  ] as const) {
    const stub = new Stub(status, 3);
    stub.connect();
    assert.equal(speak(stub, staysPaused, 3), 'left-paused');
    assert.deepEqual([stub.status, stub.points], [status, [false, false, false]]);
  }
});

test('a pause of which the tracer did not know is taken for its own', () => {
  const stub = new Stub('paused');
  stub.connect();
  assert.equal(speak(stub, false), 'running');
});

test('a guest said to be paused that runs or stands at a point by now runs on', () => {
  for (const status of ['running', 'debug'] as const) {
    const stub = new Stub(status);
    stub.connect();
    assert.equal(speak(stub, true, 3), 'running');
    assert.deepEqual(stub.points, [false, false]);
  }
});

test('nothing is said after a detach, however late its answer', () => {
  const stub = new Stub('debug');
  const conversation = new DetachConversation(false);
  // Asked twice before QEMU answers at all, as on a busy host.
  for (const words of [conversation.attempt(), conversation.attempt()]) stub.read(words ?? '');
  const turn = conversation.take(Buffer.from(stub.answers, 'latin1'));
  assert.deepEqual(turn, { write: '$D#44' });
  assert.equal(conversation.attempt(), null);
  stub.read('$D#44');
  assert.equal(conversation.attempt(), null);
  assert.deepEqual([stub.status, stub.crashed], ['running', false]);
});

test('a stub without a monitor lets its guest go all the same', () => {
  const conversation = new DetachConversation(false);
  assert.equal(conversation.take(Buffer.from('+$#00')), 'waiting');
  assert.deepEqual(conversation.take(Buffer.from('+$#00')), { write: '$D#44' });
  assert.equal(conversation.take(Buffer.from('+$OK#9a')), 'running');
});

test('a stub that floods with nonsense is heard out without growing', () => {
  const conversation = new DetachConversation(false);
  for (let i = 0; i < 100; i += 1) assert.equal(conversation.take(Buffer.alloc(10_000, '$')), 'waiting');
  const flood = Buffer.from(encodePacket(`O${'41'.repeat(1000)}`));
  for (let i = 0; i < 1000; i += 1) conversation.take(flood);
  assert.equal(conversation.take(Buffer.from('#00$OK#9a')), 'waiting');
  assert.deepEqual(conversation.take(Buffer.from('$OK#9a')), { write: '$D#44' });
});
