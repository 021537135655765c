// What a file that runs in a guest is, by its contents: the public shape. Values only; the path is the guest's word, the hash is not.

export interface ExecutableIdentity {
  /** As the guest's mount tree has it; ends in ` (deleted)` when it was unlinked, `/memfd:NAME (deleted)` when it never had a name. */
  readonly path: string;
  /** `ext4`, `tmpfs`, `overlay`...; of an overlay the file below it is what is read. */
  readonly fileSystem: string;
  readonly inode: number;
  readonly generation: number;
  /** Milliseconds since the epoch, as the guest has it. */
  readonly mtimeMs: number;
  readonly sizeBytes: number;
  /** Hexadecimal, of the whole file; null when parts of it could not be had, and `why` says which. */
  readonly sha256: string | null;
  /** `page-cache`: all of it from what the guest has in memory, which is what runs. `disk`: `pagesFromDisk` of them from the VM's disk. */
  readonly from: 'page-cache' | 'disk' | null;
  /** Pages of 4096 bytes. */
  readonly pages: number;
  readonly pagesFromDisk: number;
  /** Neither in the guest's memory nor to be had from its disk. */
  readonly missingPages: number;
  /** Why there is no hash; null when there is one. */
  readonly why: string | null;
}

/** One file a process runs, maps or has open, to be hashed by `file`. */
export interface ProcessFile {
  /** `executable`, `mapped:N` in the order of the process's memory, `descriptor:N`; names the file until the process changes it. */
  readonly file: string;
  readonly path: string;
  readonly inode: number;
  readonly sizeBytes: number;
  /** Mapped as code. */
  readonly code: boolean;
}

export interface HashLimits {
  /** Default 256 MiB. */
  readonly sizeBytesMax?: number;
  /** Default 10 000. */
  readonly timeMsMax?: number;
  readonly signal?: AbortSignal;
  /** Read it again though this version of the file was hashed before: contents can be changed behind the file's own dates. */
  readonly afresh?: boolean;
}
