// What the sentinel and its integrity thread say to each other.
import type { Problem } from '../../kit/problem.ts';
import type { IntegrityFinding } from '../../introspection/integrity/integrity-view.ts';
import type { MappedStretch } from '../../introspection/memory/qemu-memory.ts';
import type { IntegrityReport, IntegrityTarget } from './integrity-look.ts';

/** `run` names one life of one guest: another one has another baseline. */
export type ToIntegrity =
  | { readonly say: 'watch'; readonly run: string; readonly target: IntegrityTarget }
  /** What the processors' registers lead to now, and where the memory lies if that may be elsewhere. */
  | {
      readonly say: 'refresh';
      readonly run: string;
      readonly registers: string;
      readonly stretches: readonly MappedStretch[] | null;
    }
  | { readonly say: 'forget'; readonly run: string }
  /** One whole look; against the file when one is named, else against what was taken for the truth when its watch began. */
  | {
      readonly say: 'look';
      readonly id: number;
      readonly run: string;
      readonly target: IntegrityTarget;
      readonly vmlinuz: string | null;
    };

export type FromIntegrity =
  /** A round of the kernel, or a look at the processes, is complete: this is what it found, and how much it could not see. */
  | {
      readonly say: 'round';
      readonly run: string;
      readonly of: 'kernel' | 'processes';
      readonly findings: readonly IntegrityFinding[];
      readonly unseen: number;
    }
  | { readonly say: 'unwatchable'; readonly run: string; readonly problem: Problem }
  | { readonly say: 'looked'; readonly id: number; readonly report: IntegrityReport }
  | { readonly say: 'not-looked'; readonly id: number; readonly problem: Problem };
