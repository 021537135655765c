// Answers the manager about evidence: some bytes of an item, on a signed question that names it by the id this sentinel gave it, and a
// signed word about what to keep and what to remove. No path is ever taken from outside.
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import type { Clock } from '../../kit/clock.ts';
import { causeOf, problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import type { SealedManifest } from '../../model/manifest.ts';
import type { TrustedKeys } from '../../protocols/dsse/keys.ts';
import type { EvidenceChunk, EvidenceQuestion, EvidenceRetention } from '../../wire/messages.ts';
import { openInstruction } from '../vault/sealed-instruction.ts';
import type { EvidenceKeeper } from './evidence-keeper.ts';
import type { HeldFile } from './evidence-memory.ts';

export interface EvidenceDeskOptions {
  readonly sentinel: string;
  readonly trusted: TrustedKeys;
  readonly clock: Clock;
  readonly keeper: EvidenceKeeper;
}

/** So many chunks are read at a time; each is a megabyte. */
const readsMax = 8;

export class EvidenceDesk {
  readonly #options: EvidenceDeskOptions;
  #reading = 0;

  constructor(options: EvidenceDeskOptions) {
    this.#options = options;
  }

  async answer(envelope: SealedManifest): Promise<Result<EvidenceChunk>> {
    const { trusted, sentinel, clock, keeper } = this.#options;
    const opened = openInstruction(envelope, trusted);
    if (!opened.ok) return opened;
    if (opened.value.kind !== 'evidence-question') return fail(misplaced(opened.value.kind, 'a question'));
    const { question } = opened.value;
    if (question.sentinel !== sentinel) return fail(notForUs(question));
    if (clock.now() >= Date.parse(question.expiresAt))
      return fail(problem('refused', `The question about evidence expired at ${question.expiresAt}.`, 'Ask again.'));
    const found = keeper.memory.get(question.item);
    if (!found.ok) return found;
    if (found.value === null) return fail(problem('not-found', `Nothing was collected here as ${question.item}.`));
    if (found.value.removed) return fail(problem('not-found', `Evidence ${question.item} was removed.`));
    if (this.#reading >= readsMax)
      return fail(problem('interrupted', `${readsMax} chunks of evidence are being read.`, 'Ask again later.'));
    this.#reading += 1;
    try {
      return await read(keeper.pathOf(found.value), found.value, question);
    } finally {
      this.#reading -= 1;
    }
  }

  retain(envelope: SealedManifest): Result<number> {
    const { trusted, sentinel, keeper } = this.#options;
    const opened = openInstruction(envelope, trusted);
    if (!opened.ok) return opened;
    if (opened.value.kind !== 'evidence-retention') return fail(misplaced(opened.value.kind, 'a word about retention'));
    const { retention } = opened.value;
    if (retention.sentinel !== sentinel) return fail(notForUs(retention));
    const taken = keeper.memory.takeWord({ issuedMs: Date.parse(retention.issuedAt), keep: retention.keep });
    if (!taken.ok) return taken;
    // Played again, it could have removed what is held by now.
    if (!taken.value)
      return fail(problem('refused', `A word about evidence of ${retention.issuedAt} is older than the last one.`));
    const keep = new Set(retention.keep);
    for (const { item, by } of retention.remove) if (!keep.has(item)) keeper.remove(item, by);
    return ok(keeper.health().files);
  }
}

async function read(path: string, file: HeldFile, question: EvidenceQuestion): Promise<Result<EvidenceChunk>> {
  const { item, offset } = question;
  try {
    const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
    try {
      const stat = await handle.stat();
      if (!stat.isFile() || stat.size !== file.sizeBytes)
        return fail(
          problem(
            'unreadable',
            `Evidence ${item} has ${stat.size} bytes now, and had ${file.sizeBytes} when it was made.`,
          ),
        );
      const buffer = Buffer.alloc(Math.min(question.bytes, Math.max(0, stat.size - offset)));
      let filled = 0;
      while (filled < buffer.length) {
        const { bytesRead } = await handle.read(buffer, filled, buffer.length - filled, offset + filled);
        if (bytesRead === 0) return fail(problem('unreadable', `Evidence ${item} became shorter while it was read.`));
        filled += bytesRead;
      }
      return ok({ item, offset, sizeBytes: stat.size, data: buffer.toString('base64') });
    } finally {
      await handle.close();
    }
  } catch (thrown) {
    const isGone = (thrown as NodeJS.ErrnoException).code === 'ENOENT';
    return fail(
      isGone
        ? problem('not-found', `The file of evidence ${item} is gone, and nobody here removed it.`)
        : problem('unreadable', `The file of evidence ${item} cannot be read: ${causeOf(thrown)}.`),
    );
  }
}

function misplaced(kind: string, where: string) {
  return problem('refused', `A signed ${kind} was handed over as ${where} about evidence.`, 'Send it as what it is.');
}

function notForUs({ sentinel }: EvidenceQuestion | EvidenceRetention) {
  return problem('refused', `A signed word about evidence is meant for sentinel ${sentinel}.`);
}
