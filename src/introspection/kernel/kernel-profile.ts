// What must be known of one kernel build to read its memory: where its symbols lie and how its structures are laid out.
// A small value, the same for every guest that runs the build, so it is worth keeping by build id.
import * as integrity from './wanted-by-integrity.ts';
import * as processes from './wanted-by-processes.ts';
import * as refusal from './wanted-by-refusal.ts';
import * as sweeps from './wanted-by-sweeps.ts';
import * as trace from './wanted-by-trace.ts';

const optionalFields = {
  ...sweeps.optionalFields,
  ...trace.optionalFields,
  ...integrity.optionalFields,
  ...processes.optionalFields,
  ...refusal.optionalFields,
};
const optionalBits = {
  ...sweeps.optionalBits,
  ...trace.optionalBits,
  ...integrity.optionalBits,
  ...processes.optionalBits,
};
const optionalSymbols = [
  ...sweeps.optionalSymbols,
  ...trace.optionalSymbols,
  ...integrity.optionalSymbols,
  ...processes.optionalSymbols,
  ...refusal.optionalSymbols,
] as const;
const structSizes = [
  ...sweeps.structSizes,
  ...trace.structSizes,
  ...integrity.structSizes,
  ...processes.structSizes,
] as const;
const { requiredFields, requiredSymbols } = sweeps;
const { functions } = trace;

export type FieldName = keyof typeof requiredFields;
export type OptionalFieldName = keyof typeof optionalFields;
export type OptionalBitName = keyof typeof optionalBits;
export type SymbolName = (typeof requiredSymbols)[number];
export type OptionalSymbolName = (typeof optionalSymbols)[number];
export type FunctionName = (typeof functions)[number];
export type StructName = (typeof structSizes)[number];

export interface KernelProfile {
  /** Hexadecimal GNU build id. */
  readonly buildId: string;
  /** Bytes from `_text` to where the build id lies: reading it there proves that a profile fits. */
  readonly buildIdOffset: number;
  /** `Linux version ...`, the newline left out. */
  readonly banner: string;
  /** Bytes from `_text`. */
  readonly symbols: Readonly<Record<SymbolName, number>> &
    Readonly<Partial<Record<OptionalSymbolName | FunctionName, number>>>;
  /** Bytes from `_text` to the first symbol after a function. */
  readonly functionEnds: Readonly<Partial<Record<FunctionName, number>>>;
  /** Optional symbols that lie in each CPU's own data: bytes from its start. Kernels from 6.15 on have them among `symbols`. */
  readonly perCpu: Readonly<Partial<Record<OptionalSymbolName, number>>>;
  /** Bytes from the start of the structure. */
  readonly fields: Readonly<Record<FieldName, number>> & Readonly<Partial<Record<OptionalFieldName, number>>>;
  readonly bits: Readonly<Partial<Record<OptionalBitName, number>>>;
  /** Bytes. */
  readonly sizes: Readonly<Partial<Record<StructName, number>>>;
}

/** What a profile is made of, for whoever builds or checks one. */
export const wanted = {
  requiredFields,
  optionalFields,
  optionalBits,
  requiredSymbols,
  optionalSymbols,
  functions,
  structSizes,
} as const;
