// Which known program an executable is, and which of its arguments carry meaning that must not be generalised away.
import { type CodeArguments, type Program, multiCallBinaries, programs } from './programs.data.ts';

const byName: ReadonlyMap<string, Program> = new Map(
  programs.flatMap((program) => program.names.map((name) => [name, program] as const)),
);

/** Windows writes its separators the other way round, and names what can be run. */
function baseName(path: string): string {
  if (!path.includes('\\')) return path.slice(path.lastIndexOf('/') + 1);
  return path
    .slice(path.lastIndexOf('\\') + 1)
    .toLowerCase()
    .replace(/\.(exe|com|scr)$/, '');
}

/** `python3.11`, `perl5.36-x86_64-linux-gnu`, `nc.openbsd`, `vim.basic` and `-bash` without what only tells builds apart. */
function plainName(path: string): string {
  const name = baseName(path).replace(/^-/, '');
  if (byName.has(name) || !/[0-9.]/.test(name)) return name;
  if (/^ld-(linux|musl)/.test(name)) return name.startsWith('ld-musl') ? 'ld-musl' : 'ld-linux';
  return name.replace(/\.(openbsd|traditional|basic|tiny|gtk3|nox)$/, '').replace(/-?[0-9][0-9._]*(-[\w-]+)?$/, '');
}

/** The program's name; for a multi-call binary the applet's. Null exe falls back to what the process calls itself. */
export function programName(exe: string | null, argv: readonly string[]): string {
  const own = exe === null ? '' : plainName(exe);
  if (own !== '' && !multiCallBinaries.includes(own)) return own;
  const called = plainName(argv[0] ?? '');
  const applet = multiCallBinaries.includes(called) ? plainName(argv[1] ?? '') : called;
  return applet === '' ? own : applet;
}

export function knownProgram(exe: string | null, argv: readonly string[]): Program | null {
  return byName.get(programName(exe, argv)) ?? null;
}

/** Their code says how text is to be changed, and scripts are full of it. */
const textFilters: ReadonlySet<string> = new Set(['awk', 'gawk', 'mawk', 'nawk', 'sed']);

/** A shell or an interpreter that is given its program on the command line, as `sh -c`, `perl -e` and `rundll32` are. */
export function runsInlineCode(exe: string | null, argv: readonly string[]): boolean {
  const program = knownProgram(exe, argv);
  if (program === null || (program.role !== 'shell' && program.role !== 'interpreter')) return false;
  if (textFilters.has(programName(exe, argv)) || program.code === 'values') return false;
  if (program.code === 'all') return argv.length > 1;
  const { options } = program.code;
  return argv.slice(1).some((argument) => options.some((option) => gives(argument, option)));
}

/**
 * How freely an argument may be generalised. `code` = not at all. `values` = only what is random by nature may change: a mode,
 * a uid or a port says what is done. `data` = freely.
 */
export type ArgumentRole = 'data' | 'values' | 'code';

/**
 * The role of each argument. A known program named inside the arguments of another (`timeout 5 sh -c ...`,
 * `env X=1 perl -e ...`) makes its own arguments code as well.
 */
export function argumentRoles(exe: string | null, argv: readonly string[]): readonly ArgumentRole[] {
  const roles: ArgumentRole[] = argv.map(() => 'data');
  const own = knownProgram(exe, argv);
  if (own !== null) mark(roles, argv, 0, own.code);
  for (let at = 1; at < argv.length; at += 1) {
    const named = byName.get(plainName(argv[at] ?? ''));
    if (named !== undefined) mark(roles, argv, at, named.code);
  }
  return roles;
}

function mark(roles: ArgumentRole[], argv: readonly string[], start: number, code: CodeArguments): void {
  if (code === 'all') return void roles.fill('code', start);
  if (code === 'values') {
    for (let at = start; at < roles.length; at += 1) if (roles[at] === 'data') roles[at] = 'values';
    return;
  }
  const args = argv.slice(start + 1);
  const coded = args.findIndex((arg) => code.options.some((option) => gives(arg, option)));
  if (!code.script) {
    // `-exec rm {} ;` runs to its end, which only the program knows: everything behind it stays.
    if (coded !== -1) roles.fill('code', start + 1 + coded);
    return;
  }
  const operand = scriptOperand(args);
  const codeComesFirst = coded !== -1 && (operand === -1 || coded <= operand);
  roles.fill('code', start, codeComesFirst || operand === -1 ? undefined : start + 2 + operand);
}

/** `-c`, `--eval`, `--eval=...`, glued `-e'...'` and clusters such as `-lc`. */
function gives(arg: string, option: string): boolean {
  if (arg === option) return true;
  if (option.startsWith('--')) return arg.startsWith(`${option}=`);
  if (option.length > 2) return arg.startsWith(option);
  return /^-[^-]/.test(arg) && arg.includes(option.slice(1));
}

/** Options may take a value we know nothing of, so after any option the second operand is the safe guess. */
function scriptOperand(args: readonly string[]): number {
  const first = args.findIndex((arg) => !isOption(arg));
  if (first <= 0) return first;
  const second = args.findIndex((arg, at) => at > first && !isOption(arg));
  return second === -1 ? args.length - 1 : second;
}

function isOption(arg: string): boolean {
  return arg.startsWith('-') && arg !== '-';
}
