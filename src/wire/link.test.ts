// The contract of a line between sentinel and manager; whatever carries it has to pass.
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { problem } from '../kit/problem.ts';
import { fail, ok, type Result } from '../kit/result.ts';
import type { SealedManifest } from '../model/manifest.ts';
import type { Step, Remediation } from '../model/remediation.ts';
import { inProcessLink } from './in-process-link.ts';
import type { ManagerEnd, SentinelEnd } from './link.ts';
import type { SentinelBatch } from './messages.ts';

/** A line just laid: both near ends, how to connect the far manager, how to cut it. */
interface Line {
  readonly manager: ManagerEnd;
  readonly sentinel: SentinelEnd;
  readonly connect: () => void;
  readonly cut: () => void;
}

type Lay = (farManager: ManagerEnd, farSentinel: SentinelEnd) => Line;

const lines: readonly (readonly [string, Lay])[] = [
  [
    'in one process',
    (farManager, farSentinel) => {
      const link = inProcessLink();
      return {
        manager: link.manager,
        sentinel: link.sentinel(farSentinel),
        connect: () => link.connectManager(farManager),
        cut: () => link.cut(),
      };
    },
  ],
];

const envelope: SealedManifest = { payloadType: 't', payload: 'AAAA', signatures: [{ keyid: 'k', sig: 's' }] };
const batch: SentinelBatch = {
  sentinel: 'host',
  seq: 7,
  sentAt: '2026-01-01T00:00:00.000Z',
  observed: [],
  coverage: [],
  findings: [],
  guard: [],
  remediations: [],
};
const step: Step = { id: 'p', vm: 'name:x', action: 'suspend', why: 'w', expect: 'paused', undo: 'resume' };
const able = { action: 'suspend', available: true, why: null } as const;
const chunk = { item: 'a'.repeat(32), offset: 0, sizeBytes: 3, data: 'AAAA' };
const remediation: Remediation = {
  id: 'p',
  step,
  origin: 'person',
  by: 'ann',
  alarm: null,
  group: null,
  state: 'done',
  evidence: 'paused',
  startedAt: '2026-01-01T00:00:00.000Z',
  endedAt: null,
};

for (const [title, lay] of lines)
  suite(`a line ${title}`, () => {
    function line(answer: Result<Remediation> = ok(remediation)) {
      const received: unknown[] = [];
      const hear = <T>(value: unknown, answer: Result<T>): Promise<Result<T>> => {
        received.push(value);
        return Promise.resolve(answer);
      };
      const laid = lay(
        { deliver: (it) => hear(it, ok({ seq: it.seq })) },
        {
          sentinel: 'host',
          install: (it) => hear(it, ok(3)),
          order: (it) => hear(it, answer),
          abilities: (it) => hear(it, ok([able])),
          evidence: (it) => hear(it, ok(chunk)),
          retain: (it) => hear(it, ok(2)),
        },
      );
      return { ...laid, received };
    }

    test('carries a batch and its acknowledgement', async () => {
      const { manager, connect, received } = line();
      connect();
      assert.deepEqual(await manager.deliver(batch), ok({ seq: 7 }));
      assert.deepEqual(received, [batch]);
    });

    test('carries manifests, orders and questions, and what became of them', async () => {
      const { sentinel, connect, received } = line();
      connect();
      assert.equal(sentinel.sentinel, 'host');
      assert.deepEqual(await sentinel.install(envelope), ok(3));
      assert.deepEqual(await sentinel.order(envelope), ok(remediation));
      assert.deepEqual(await sentinel.abilities('name:x'), ok([able]));
      assert.deepEqual(await sentinel.evidence(envelope), ok(chunk));
      assert.deepEqual(await sentinel.retain(envelope), ok(2));
      assert.deepEqual(received, [envelope, envelope, 'name:x', envelope, envelope]);
    });

    test('carries a refusal as it is', async () => {
      const refusal = fail(problem('refused', 'No.', 'Ask nicely.'));
      const { sentinel, connect } = line(refusal);
      connect();
      assert.deepEqual(await sentinel.order(envelope), refusal);
    });

    test('lends neither side an object of the other', async () => {
      const { manager, connect, received } = line();
      connect();
      await manager.deliver(batch);
      assert.notEqual(received[0], batch);
      assert.notEqual((received[0] as SentinelBatch).findings, batch.findings);
    });

    test('is a problem, not an exception, before there is a manager and after it was cut', async () => {
      const { manager, sentinel, connect, cut, received } = line();
      assert.equal((await manager.deliver(batch)).ok, false);
      connect();
      assert.equal((await manager.deliver(batch)).ok, true);
      cut();
      assert.equal((await manager.deliver(batch)).ok, false);
      assert.equal((await sentinel.install(envelope)).ok, false);
      assert.equal(received.length, 1);
    });
  });
