// The network devices of a host, or of one network namespace of it, and what they are plugged into.
import type { Json } from '../../kit/canonical-json.ts';
import { asList, asObject, asText } from '../../kit/json-object.ts';
import { ok, type Result } from '../../kit/result.ts';
import { runProgram, within } from '../host-program/run-program.ts';

export interface HostLink {
  readonly name: string;
  readonly index: number;
  /** A Linux bridge it is a port of; null when it is of none, or of something else. */
  readonly bridge: string | null;
}

const linksMax = 16_384;

/** Of the network namespace of that process; null = ours. */
export async function readLinks(namespacePid: number | null): Promise<Result<readonly HostLink[]>> {
  const said = await runProgram(within(namespacePid, ['ip', '-json', '-details', 'link', 'show']));
  return said.ok ? ok(parseLinks(said.value)) : said;
}

export function parseLinks(text: string): readonly HostLink[] {
  let links: readonly Json[] = [];
  try {
    links = asList(JSON.parse(text) as Json, linksMax);
  } catch {
    return [];
  }
  const found = links.map((link) => asObject(link)).filter((link) => link !== null);
  const kinds = new Map(
    found.map((link) => [asText(link['ifname']), asText(asObject(link['linkinfo'])?.['info_kind'])]),
  );
  return found.flatMap((link) => {
    const name = asText(link['ifname']);
    const index = link['ifindex'];
    const master = asText(link['master']);
    if (name === null || typeof index !== 'number') return [];
    return [{ name, index, bridge: master !== null && kinds.get(master) === 'bridge' ? master : null }];
  });
}
