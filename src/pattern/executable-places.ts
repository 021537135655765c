// What the place of an executable says: whether anybody could have put it there, and whether it ever was a file.

/** Directories in which every user may make files: an executable there was installed by nobody. */
const worldWritable = ['/tmp/', '/var/tmp/', '/dev/shm/', '/run/shm/', '/dev/mqueue/'] as const;

export function isWorldWritable(path: string): boolean {
  return worldWritable.some((place) => path.startsWith(place));
}

/** memfd_create(2): the kernel names the file as if it lay in the root directory. */
export function isInMemoryOnly(path: string): boolean {
  return path.startsWith('/memfd:');
}
