// Which kernel modules need which, from the modules themselves: a package's modules.dep only exists after installation.

/** `drivers/net/virtio-net.ko.xz` -> `virtio_net`; the kernel takes `-` and `_` as the same letter. */
export function moduleName(path: string): string {
  return path
    .replace(/^.*\//, '')
    .replace(/\.ko(\.xz|\.zst)?$/, '')
    .replaceAll('-', '_');
}

/** The `depends=` line of an uncompressed module's .modinfo section. */
export function moduleDependencies(module: Uint8Array): readonly string[] {
  const bytes = Buffer.from(module.buffer, module.byteOffset, module.byteLength);
  const start = bytes.indexOf('\0depends=');
  if (start < 0) return [];
  const value = bytes.toString('latin1', start + '\0depends='.length, bytes.indexOf(0, start + 1));
  return value === '' ? [] : value.split(',').map(moduleName);
}

/** `wanted` and all they need, each after what it needs. Names without an entry in `needs` are built into the kernel. */
export function orderModules(
  wanted: readonly string[],
  needs: ReadonlyMap<string, readonly string[]>,
): readonly string[] {
  const ordered = new Set<string>();
  const visiting = new Set<string>();
  const visit = (name: string): void => {
    if (visiting.has(name) || !needs.has(name)) return;
    visiting.add(name);
    for (const needed of needs.get(name) ?? []) visit(needed);
    ordered.add(name);
  };
  for (const name of wanted) visit(name);
  return [...ordered];
}
