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
