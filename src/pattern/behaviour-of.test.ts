// What is kept of an activity, and what is not because it was chance.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Activity } from '../model/observation.ts';
import { imageOf, outbound, process } from '../sim/seen.ts';
import { behaviourOf } from './behaviour-of.ts';

const cases: readonly (readonly [string, Activity, Record<string, string>])[] = [
  [
    'who asks a resolver is chance',
    outbound('/usr/bin/wget', '10.0.0.1', 53),
    { exe: '?', peer: '10.0.0.1', port: '53' },
  ],
  ['who talks to a server is not', outbound('/usr/bin/wget', '10.0.0.1', 80), { exe: '/usr/bin/wget', port: '80' }],
  [
    'who looks for services on the link is chance, and so is the group it asks',
    { ...outbound('c:\\x.exe', '224.0.0.251', 5353), proto: 'udp' },
    { exe: '?', peer: '224.0.0.0/4', port: '5353' },
  ],
  [
    'who asks one machine on such a port is not',
    { ...outbound('c:\\x.exe', '10.0.0.251', 5353), proto: 'udp' },
    { exe: 'c:\\x.exe', peer: '10.0.0.251' },
  ],
  [
    'a start that was seen shows its user',
    process('/usr/sbin/chronyd', ['chronyd'], '/sbin/init', {
      image: imageOf('/usr/sbin/chronyd', ['chronyd'], 101),
    }),
    { user: '101' },
  ],
  [
    'a daemon found running may have dropped its rights',
    process('/usr/sbin/chronyd', ['chronyd'], '/sbin/init', {
      image: imageOf('/usr/sbin/chronyd', ['chronyd'], 101),
      alreadyRunning: true,
    }),
    { user: 'any' },
  ],
  [
    'one found running as root began as root',
    process('/usr/sbin/sshd', ['sshd'], '/sbin/init', { alreadyRunning: true }),
    { user: '0' },
  ],
];

test('what was chance is left out of a behaviour', () => {
  for (const [title, activity, expected] of cases) {
    const behaviour: Record<string, unknown> = { ...behaviourOf(activity) };
    for (const [field, value] of Object.entries(expected)) assert.equal(behaviour[field], value, title);
  }
});
