// A behaviour in words, one line, for alarms, previews and diffs.
import type { Behaviour } from '../model/behaviour.ts';

export function describeBehaviour(behaviour: Behaviour): string {
  const exe = behaviour.exe === '?' ? 'any executable' : behaviour.exe;
  switch (behaviour.kind) {
    case 'process': {
      const parent = behaviour.parent === '?' ? 'anything' : behaviour.parent;
      const user = behaviour.user === 'any' ? 'any user' : `user ${behaviour.user}`;
      return `${parent} starts ${exe} as ${user}: ${sayArgv(behaviour.argv)}`;
    }
    case 'outbound':
      return `${exe} connects to ${sayPeer(behaviour.peer)}, ${behaviour.proto} port ${behaviour.port}`;
    case 'inbound':
      return `${exe} is reached from ${sayPeer(behaviour.peer)} on ${behaviour.proto} port ${behaviour.port}`;
    case 'listen':
      return `${exe} listens on ${behaviour.proto} port ${behaviour.port}`;
  }
}

function sayPeer(peer: string): string {
  if (peer === 'any') return 'anywhere';
  if (peer === 'internet') return 'anywhere on the internet';
  return peer === 'loopback' ? 'the machine itself' : peer;
}

/** Quoted as a shell would need it, so that where one argument ends is never in doubt. */
export function sayArgv(argv: readonly string[]): string {
  return argv.length === 0 ? '(no arguments)' : argv.map(sayArgument).join(' ');
}

function sayArgument(text: string): string {
  if (/^[A-Za-z0-9_./:=@%+,<>*-]+$/.test(text)) return text;
  const visible = Array.from(text, (char) => (isPlain(char) ? char : escapeChar(char))).join('');
  return `'${visible.replaceAll("'", String.raw`'\''`)}'`;
}

/** Control and direction-changing characters could make a line show something other than what ran. */
function isPlain(char: string): boolean {
  return /^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]$/u.test(char);
}

function escapeChar(char: string): string {
  return `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`;
}
