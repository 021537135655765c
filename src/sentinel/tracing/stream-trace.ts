// A trace as one long answer, a JSON object a line, until whoever asked goes away. A slow reader costs a bounded amount of
// memory, and is told what it did not get.
import type { ServerResponse } from 'node:http';
import { BoundedQueue } from '../../kit/bounded-queue.ts';
import { httpStatuses } from '../../kit/problem.ts';
import { problem } from '../../kit/problem.ts';
import type { Result } from '../../kit/result.ts';
import type { TraceState } from '../../model/vm.ts';
import type { TraceLine, TraceSummary } from '../../introspection/trace/trace-event.ts';
import type { StreamedLine } from './streamed-line.ts';
import type { Follower, Following } from './tracings.ts';

const linesMax = 20_000;
const atOnceMax = 500;

export function streamTrace(response: ServerResponse, follow: (follower: Follower) => Result<Following>): void {
  const lines = new BoundedQueue<StreamedLine>(linesMax);
  let missed: { from: string; until: string; seq: number; count: number } | null = null;
  // Until it is known whether there is anything to follow.
  let isBlocked = true;
  let isOver = false;

  const push = (): void => {
    while (!isBlocked && lines.size > 0) write(lines.take(atOnceMax));
    if (isBlocked || missed === null) return;
    const { from, until, seq, count } = missed;
    missed = null;
    const reason = 'the reader was slower than the guest';
    write([{ kind: 'loss', ts: until, seq, from, until, missed: count, reason }]);
  };
  const write = (some: readonly StreamedLine[]): void => {
    isBlocked = !response.write(some.map((line) => `${JSON.stringify(line)}\n`).join(''));
  };
  const take = (line: TraceLine): void => {
    if (!lines.offer(line)) {
      missed ??= { from: line.ts, until: line.ts, seq: line.seq, count: 0 };
      missed = { ...missed, until: line.ts, seq: line.seq, count: missed.count + 1 };
    }
    push();
  };
  const end = (): void => {
    if (!isOver) response.end();
    isOver = true;
  };
  const following = follow({
    line: (line) => (isOver ? undefined : take(line)),
    progress: (summary, state) => (isOver || isBlocked ? undefined : write([costLine(summary, state)])),
    ended: (why) => {
      if (isOver) return;
      push();
      write([{ kind: 'ended', problem: problem('failed', why) }]);
      end();
    },
  });
  if (!following.ok) {
    response.writeHead(httpStatuses[following.error.kind], { 'content-type': 'application/json' });
    response.end(JSON.stringify(following.error));
    return;
  }
  response.writeHead(200, { 'content-type': 'application/x-ndjson' });
  isBlocked = false;
  write([costLine(following.value.before, following.value.state)]);
  push();
  response.on('drain', () => {
    isBlocked = false;
    push();
  });
  response.on('close', () => {
    isOver = true;
    following.value.leave();
  });
}

function costLine(summary: TraceSummary | null, state: TraceState['state']): StreamedLine {
  const { stops = 0, stolenMs = 0, refused = 0, notRefused = 0 } = summary ?? {};
  return { kind: 'progress', state, stops, stolenMs, refused, notRefused };
}
