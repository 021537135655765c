// What tracing and refusing need to know of a kernel, beside what sweeps want. All optional: a kernel that lacks something can still be swept, and
// whoever needs the missing thing says so.

export const optionalFields = {} as const satisfies Record<string, readonly string[]>;

export const optionalBits = {} as const satisfies Record<string, readonly string[]>;

export const optionalSymbols = [] as const satisfies readonly string[];

export const structSizes = [] as const satisfies readonly string[];
