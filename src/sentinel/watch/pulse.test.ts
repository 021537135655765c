// One timer for all that are polled.
import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { Pulse } from './pulse.ts';

test('all that joined hear every beat, until they leave', () => {
  mock.timers.enable({ apis: ['setInterval'] });
  try {
    const pulse = new Pulse(10);
    const heard = { one: 0, other: 0 };
    const leave = pulse.join(() => (heard.one += 1));
    mock.timers.tick(30);
    const leaveToo = pulse.join(() => (heard.other += 1));
    mock.timers.tick(20);
    leave();
    mock.timers.tick(10);
    leaveToo();
    mock.timers.tick(50);
    assert.deepEqual(heard, { one: 5, other: 3 });
    pulse.join(() => (heard.one += 1));
    mock.timers.tick(10);
    assert.equal(heard.one, 6);
  } finally {
    mock.timers.reset();
  }
});
