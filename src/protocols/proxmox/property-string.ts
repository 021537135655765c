// Proxmox VE's `key=value,key=value` strings, in which network cards and identities of VMs are written (parse_property_string in
// pve-common's JSONSchema.pm). What is not changed is written back as it was read; what cannot be told apart is not read at all.

export interface Property {
  /** Null for the one value that may stand without a key. */
  readonly key: string | null;
  readonly value: string;
}

const lengthMax = 4096;
const propertiesMax = 64;
// oxlint-disable-next-line no-control-regex
const control = /[\u0000-\u001f\u007f]/;

/** Null for what the platform itself would not take: a key twice, a value without its key, text over more than one line. */
export function parsePropertyString(text: string): readonly Property[] | null {
  if (text.length > lengthMax || control.test(text)) return null;
  const properties: Property[] = [];
  for (const part of text.split(',')) {
    if (part.trim() === '') continue;
    const at = part.indexOf('=');
    if (at === 0 || at === part.length - 1 || properties.length >= propertiesMax) return null;
    const property = at < 0 ? { key: null, value: part } : { key: part.slice(0, at), value: part.slice(at + 1) };
    if (properties.some(({ key }) => key === property.key)) return null;
    properties.push(property);
  }
  return properties;
}

export function printPropertyString(properties: readonly Property[]): string {
  return properties.map(({ key, value }) => (key === null ? value : `${key}=${value}`)).join(',');
}

export function valueOf(properties: readonly Property[], key: string): string | null {
  return properties.find((property) => property.key === key)?.value ?? null;
}

/** In its old place where there was one; null takes it out. Neither key nor value may hold a comma, and the key no `=`. */
export function withProperty(properties: readonly Property[], key: string, value: string | null): readonly Property[] {
  if (value === null) return properties.filter((property) => property.key !== key);
  const isThere = properties.some((property) => property.key === key);
  if (!isThere) return [...properties, { key, value }];
  return properties.map((property) => (property.key === key ? { key, value } : property));
}

/** As the platform reads a boolean. */
export function isTrue(value: string | null): boolean {
  return value !== null && /^(1|on|yes|true)$/i.test(value);
}
