// A guest's physical memory, as bytes. Knows nothing of pages tables, kernels or where the bytes come from, so a
// recorded set of pages can stand in for a running machine.

/**
 * A guest-physical address in bytes. x86-64 has at most 52 physical bits, so a plain Number holds every one exactly.
 * Never use `&`, `|` or `>>` on one: they truncate to 32 bits. `x - (x % pageBytes)` finds the page.
 */
export type PhysicalAddress = number;

export const pageBytes = 4096;

export interface GuestMemory {
  /** One past the highest byte of RAM; another when memory is plugged in or out. */
  readonly end: PhysicalAddress;
  /**
   * Fills `length` bytes of `into` from `offset` with what lies at `address`.
   * False when not all of it is backed by memory or it cannot be read any more; `into` is then undefined.
   * Never throws, whatever the address.
   */
  read(address: PhysicalAddress, into: Uint8Array, offset: number, length: number): boolean;
  close(): void;
}

/** Memory opened for refusing what a guest attempts; everything else looks only. */
export interface WritableGuestMemory extends GuestMemory {
  /** False when not all of it is in one stretch of memory or it cannot be written; some of it may then be. Never throws. */
  write(address: PhysicalAddress, bytes: Uint8Array): boolean;
}
