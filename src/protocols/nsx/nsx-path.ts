// Paths of NSX's two APIs, with every part of them escaped: ids and cursors are other people's text.

/** Made by `policyPath` and `inventoryPath` only. */
export interface NsxPath {
  readonly text: string;
}

type Query = Readonly<Record<string, string>>;

/** What is intended: groups, security policies, and how far they are realised. */
export function policyPath(parts: readonly string[], query: Query = {}): NsxPath {
  return path('/policy/api/v1', parts, query);
}

/** What is there: VMs and their cards, as hosts report them. */
export function inventoryPath(parts: readonly string[], query: Query = {}): NsxPath {
  return path('/api/v1', parts, query);
}

export function withQuery({ text }: NsxPath, more: Query): NsxPath {
  const added = queryText(more);
  return added === '' ? { text } : { text: `${text}${text.includes('?') ? '&' : '?'}${added}` };
}

function path(root: string, parts: readonly string[], query: Query): NsxPath {
  return withQuery({ text: [root, ...parts.map(escaped)].join('/') }, query);
}

function queryText(query: Query): string {
  return Object.entries(query)
    .map(([name, value]) => `${escaped(name)}=${escaped(value)}`)
    .join('&');
}

/** A part of dots only would lead upwards. */
function escaped(part: string): string {
  const text = encodeURIComponent(part.toWellFormed());
  return /^\.+$/.test(text) ? text.replaceAll('.', '%2E') : text;
}
