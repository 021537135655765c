// Paths of Windows programs in one spelling. Windows does not tell capitals from small letters, and its sensors name the same
// file by drive letter, by device or as the object manager does.

const driveStart = /^(?:\\\\\?\\|\\\?\?\\)?([a-z]:\\.*)$/s;
/** The volume's letter is not in the event; what lies in these folders of a volume lies on the system's drive. */
const systemFolder =
  /^\\device\\harddiskvolume\d+\\((?:windows|windowsazure|users|programdata|program files|program files \(x86\))\\.*)$/s;

/** Null for a path that is not one of Windows'. */
export function windowsPath(path: string): string | null {
  if (!path.includes('\\')) return null;
  const small = path.toLowerCase();
  const [, fromDrive] = driveStart.exec(small) ?? [];
  if (fromDrive !== undefined) return fromDrive;
  const [, fromVolume] = systemFolder.exec(small) ?? [];
  if (fromVolume !== undefined) return `c:\\${fromVolume}`;
  return small.startsWith('\\device\\') || small.startsWith('\\systemroot\\') ? small : null;
}

/**
 * A Windows command line whose first word names the executable, with that word spelled as the executable is: whoever starts a
 * program writes it as he likes, with or without its place and ending. A word that names something else stays.
 */
export function withOwnName(exe: string, argv: readonly string[]): readonly string[] {
  const [first, ...others] = argv;
  if (first === undefined || !exe.includes('\\') || fileName(first) !== fileName(exe)) return argv;
  return [exe, ...others];
}

function fileName(path: string): string {
  return path
    .slice(path.lastIndexOf('\\') + 1)
    .toLowerCase()
    .replace(/\.(?:exe|com|scr)$/, '');
}
