// What a VM shows is told once a day, bounded, whatever a guest invents.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { vmTraitsMax } from '../../model/vm-trait.ts';
import { process } from '../../sim/seen.ts';
import { TraitBook } from './trait-book.ts';

let nowMs = 0;
const clock = { now: () => nowMs, monotonic: () => nowMs };
const program = (name: string) => process(`/bin/${name}`, [name]);
const told = (book: TraitBook): string[] =>
  book.take().flatMap(({ vm, traits }) => traits.map(({ what }) => `${vm} ${what}`));

test('a trait is told once, and again when a day has passed', () => {
  const book = new TraitBook(clock);
  for (const vm of ['a', 'b', 'a']) book.show(vm, program('x'));
  assert.deepEqual(told(book), ['a /bin/x', 'b /bin/x']);
  book.show('a', program('x'));
  book.show('a', program('y'));
  assert.deepEqual(told(book), ['a /bin/y']);
  nowMs += 86_400_000;
  book.show('a', program('x'));
  assert.deepEqual(told(book), ['a /bin/x']);
});

test('more than fits is refused, and what waits is told in parts', () => {
  const book = new TraitBook(clock);
  for (let at = 0; at < vmTraitsMax; at += 1) assert.ok(book.show('a', program(`p${'x'.repeat(at % 7)}${at}q`)));
  const before = told(book).length;
  assert.ok(before <= vmTraitsMax);
  for (let vm = 0; vm < 6; vm += 1)
    for (let at = 0; at < vmTraitsMax + 1; at += 1)
      book.show(`v${vm}`, {
        ...program('x'),
        image: { exe: `/bin/${words(at)}`, deleted: false, argv: [], uid: 0, euid: 0 },
      });
  assert.equal(
    book.show('v0', { ...program('x'), image: { exe: '/bin/one-more', deleted: false, argv: [], uid: 0, euid: 0 } }),
    false,
  );
  const parts = [told(book).length, told(book).length, told(book).length];
  assert.deepEqual(parts, [5000, 1000, 0]);
});

/** Letters only: numbers are generalised away. */
function words(at: number): string {
  return at.toString(26).replaceAll(/\d/g, (digit) => 'qrstuvwxyz'.charAt(Number(digit)).toUpperCase());
}
