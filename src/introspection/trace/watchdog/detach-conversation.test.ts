// What lets a guest go, against a stub made after QEMU's own reading of bytes, left in every state a dying client can leave it in.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { areRemovals, DetachConversation } from './detach-conversation.ts';
import type { Turn } from './detach-conversation.ts';

/** QEMU's `gdb_read_byte` in small, with the points a tracer has set. */
class Stub {
  running: boolean;
  points: Set<string>;
  answers = '';
  #line: string | null = null;
  #sum = '';
  #unacknowledged = false;

  constructor(running: boolean, points: readonly string[]) {
    this.running = running;
    this.points = new Set(points);
  }

  connect(): void {
    this.#stop();
  }

  read(text: string): void {
    for (const character of text) this.#byte(character);
  }

  #stop(): void {
    if (this.running) this.#say('T02thread:01;');
    this.running = false;
  }

  #byte(character: string): void {
    if (this.#unacknowledged) {
      if (character === '$' || character === '+') this.#unacknowledged = false;
      if (character !== '$') return;
    }
    if (this.running) this.#stop();
    else if (this.#line === null) {
      if (character === '$') this.#line = '';
    } else if (!this.#line.endsWith('#')) this.#line += character;
    else {
      this.#sum += character;
      if (this.#sum.length === 2) this.#packet();
    }
  }

  #packet(): void {
    const text = (this.#line ?? '').slice(0, -1);
    const matches = this.#sum === checksum(text);
    this.#line = null;
    this.#sum = '';
    this.answers += matches ? '+' : '-';
    if (!matches) return;
    if (text === '?') this.#say('T05thread:01;');
    else if (text.startsWith('z')) this.#say(this.points.delete(`Z${text.slice(1)}`) ? 'OK' : 'E22');
    else if (text === 'D') {
      this.points.clear();
      this.running = true;
      this.#say('OK');
    } else this.#say('');
  }

  #say(text: string): void {
    this.answers += `$${text}#${checksum(text)}`;
    this.#unacknowledged = true;
  }
}

function checksum(text: string): string {
  return (Buffer.from(text, 'latin1').reduce((sum, byte) => sum + byte, 0) % 256).toString(16).padStart(2, '0');
}

/** Speaks until the conversation is over, cutting the stub's answers where `cut` says. */
function speak(stub: Stub, removals: readonly string[] | null, cut = 1000): Turn {
  const conversation = new DetachConversation(removals);
  for (let attempt = 0; attempt < 4; attempt += 1) {
    stub.read(conversation.attempt());
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

const points = ['Z4,ffffffff82345678,4', 'Z1,ffffffff81000000,1'];
const removals = points.map((point) => `z${point.slice(1)}`);

test('a guest stopped at a point runs again and has none left, whatever was half said before', () => {
  // One half in 256 has the checksum 00 and is carried out: no reader of bytes can tell it from a whole one.
  const half = fc.string({ maxLength: 40 }).filter((text) => !text.includes('#') && checksum(text) !== '00');
  fc.assert(
    fc.property(fc.boolean(), fc.boolean(), half, fc.integer({ min: 1, max: 30 }), (ran, packetBegun, text, cut) => {
      const stub = new Stub(ran, points);
      stub.connect();
      if (packetBegun) stub.read(`$${text}`);
      assert.equal(speak(stub, null, cut), 'running');
      assert.deepEqual([stub.running, [...stub.points]], [true, []]);
    }),
  );
});

test('on a connection on which the guest was let run it is stopped first', () => {
  const stub = new Stub(true, points);
  assert.equal(speak(stub, null), 'running');
  assert.deepEqual([stub.running, stub.points.size], [true, 0]);
});

test('a guest somebody else paused stays so, without our points', () => {
  const stub = new Stub(false, points);
  stub.connect();
  assert.equal(speak(stub, removals, 3), 'left-paused');
  assert.deepEqual([stub.running, stub.points.size], [false, 0]);
  assert.equal(speak(new Stub(false, []), []), 'left-paused');
});

test('a guest said to be paused that ran when we came runs on', () => {
  const stub = new Stub(true, points);
  stub.connect();
  assert.equal(speak(stub, removals, 3), 'running');
  assert.deepEqual([stub.running, stub.points.size], [true, 0]);
});

test('a stub that floods with nonsense is heard out without growing', () => {
  const conversation = new DetachConversation(null);
  for (let i = 0; i < 100; i += 1) assert.equal(conversation.take(Buffer.alloc(10_000, '$')), 'waiting');
  assert.equal(conversation.take(Buffer.from('#00$OK#9a')), 'running');
});

test('only packets that take points out may be named', () => {
  assert.ok(areRemovals(removals) && areRemovals([]));
  for (const bad of [null, 'z4,0,4', ['Z4,0,4'], ['z4,0,4#00$k'], ['k'], [7], Array(65).fill('z4,0,4')]) {
    assert.ok(!areRemovals(bad), JSON.stringify(bad));
  }
});
