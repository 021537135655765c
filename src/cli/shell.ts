// All that the command line touches of the world, handed in so that a test can watch it.
import type { Result } from '../kit/result.ts';
import type { Client } from '../client/connect.ts';
import type { ConnectOptions } from './connect-manager.ts';
import type { Programs } from './programs.ts';

export interface Output {
  write(text: string): void;
  readonly isTerminal: boolean;
  /** Columns of the terminal; null when there is none. */
  readonly width: number | null;
}

export interface Shell {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly user: { readonly name: string; readonly uid: number; readonly home: string };
  readonly out: Output;
  readonly err: Output;
  /** Aborted when the user, or whoever started us, wants an end. */
  readonly stop: AbortSignal;
  readonly programs: Programs;
  /** The manager whose state directory this is. */
  connect(stateDir: string, options: ConnectOptions): Promise<Result<Client>>;
  /** The link that opens its console. Whoever has it may do everything. */
  consoleLink(stateDir: string): Promise<Result<string>>;
  /** The text of a file; `-` = what is piped in. */
  readText(path: string): Promise<Result<string>>;
}
