// What the place of an executable says: whether anybody could have put it there, and whether it ever was a file.

/** Directories in which every user may make files: an executable there was installed by nobody. */
const worldWritable = ['/tmp/', '/var/tmp/', '/dev/shm/', '/run/shm/', '/dev/mqueue/'] as const;

/** On Windows, where a user or a download puts files; programs are installed elsewhere, in ProgramData in directories of their own. */
const windowsDroppings =
  /^[a-z]:\\(?:(?:te?mp|windows\\(?:temp|tasks|tracing)|perflogs|\$recycle\.bin|users\\public|users\\[^\\]+\\(?:desktop|downloads|documents|appdata\\local\\temp))\\|programdata\\[^\\]+$)/i;

export function isWorldWritable(path: string): boolean {
  return worldWritable.some((place) => path.startsWith(place)) || windowsDroppings.test(path);
}

/** memfd_create(2): the kernel names the file as if it lay in the root directory. */
export function isInMemoryOnly(path: string): boolean {
  return path.startsWith('/memfd:');
}
