// What a call is told, for tests that care where it comes out and not what it was made from.
import { type CallFacts, callFactsVersion } from '../model/call-facts.ts';
import { at, vmId } from './simulated-activity.ts';

/** `text` stands wherever somebody in a guest could have put it. */
export function factsWith(text: string): CallFacts {
  return {
    version: callFactsVersion,
    id: 'step1',
    call: 'test',
    at: at(0),
    vm: { id: vmId(1), name: text.slice(0, 256), scope: 'shop', service: 'web' },
    alarm: {
      id: 'a1',
      kind: 'deviation',
      title: text.slice(0, 1000),
      severity: 'critical',
      risk: 91,
      firstAt: at(0),
      lastAt: at(1),
      count: 2,
      reasons: [text.slice(0, 500), 'a shell was started by a server'],
      activity: {
        kind: 'process',
        executable: text.slice(0, 1024),
        arguments: [text.slice(0, 1024)],
        peer: null,
        port: null,
        protocol: null,
      },
    },
    plan: {
      id: 'p1',
      by: 'rules',
      why: text.slice(0, 1000),
      state: 'executing',
      steps: [
        { action: 'quarantine', call: null, state: 'done' },
        { action: 'call', call: 'test', state: 'begun' },
      ],
    },
    console: 'https://plumbline.example/#alarm=a1',
  };
}

/** What whoever holds a guest may write into a name or an argument. */
export const hostileTexts: readonly string[] = [
  '"; rm -rf / #',
  "' $(touch /tmp/owned) `id` ${HOME} %s",
  'line\r\nBcc: victim@example.com\r\n\r\n.\r\nMAIL FROM:<x>',
  '../../etc/passwd\u0000',
  '<!channel> <!here> <@U123> <http://evil.example|click>',
  '@here @channel @all [click](http://evil.example) ![x](http://evil.example/x.png) **bold** `code` ~~~',
  '{{key}} {{secret}} {key} "},"project":{"key":"ROOT"}',
  '\u202egnp.exe\u2066 \u001b[2J\u0007',
  'x'.repeat(4096),
  '\ud800 half a character',
  'https://evil.example/ www.evil.example mailto:a@b.example',
];
