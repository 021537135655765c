// Reads a YAML file that a person wrote, and says where in it each fault lies.
import { LineCounter, isMap, isNode, parseDocument, type Document } from 'yaml';
import { problem } from '../kit/problem.ts';
import { fail, ok, type Result } from '../kit/result.ts';
import { sayFault, type Fault } from '../model/shape-faults.ts';

/** Aliases can make a small text a huge value; nobody writes this many by hand. */
const aliasesMax = 100;
export const documentBytesMax = 8 * 1024 * 1024;

/** `file` is only named in messages. Every fault `findFaults` names is reported with its line, the first ten of them. */
export function readYaml(
  text: string,
  file: string,
  findFaults: (value: unknown) => readonly Fault[],
): Result<unknown> {
  if (text.length > documentBytesMax)
    return fail(problem('unreadable', `${file} is larger than ${documentBytesMax / 1024 / 1024} MiB.`));
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true });
  const [broken] = document.errors;
  if (broken !== undefined) {
    const at = lines.linePos(broken.pos[0]).line;
    return fail(problem('unreadable', `${file}:${at}: ${oneLine(broken.message)}.`, 'Mend the YAML at this line.'));
  }
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: aliasesMax }) as unknown;
  } catch {
    return fail(problem('unreadable', `${file} uses more than ${aliasesMax} aliases.`, 'Write the values out.'));
  }
  const faults = findFaults(value);
  if (faults.length === 0) return ok(value);
  const shown = faults
    .slice(0, 10)
    .map((fault) => `${file}:${lineOf(document, lines, fault.path)}: ${sayFault(fault)}`);
  const more = faults.length > shown.length ? `\n... and ${faults.length - shown.length} more` : '';
  return fail(problem('usage', `${shown.join('\n')}${more}`, 'Mend the named fields.'));
}

/** The line of the key where there is one, else of the nearest thing around it. */
function lineOf(document: Document, lines: LineCounter, path: readonly (string | number)[]): number {
  for (let depth = path.length; depth >= 0; depth -= 1) {
    const at = startOf(document, path.slice(0, depth));
    if (at !== null) return lines.linePos(at).line;
  }
  return 1;
}

function startOf(document: Document, path: readonly (string | number)[]): number | null {
  const last = path.at(-1);
  const parent = path.length <= 1 ? document.contents : document.getIn(path.slice(0, -1), true);
  if (typeof last === 'string' && isMap(parent)) {
    const pair = parent.items.find((item) => isNode(item.key) && String(item.key) === last);
    if (pair !== undefined && isNode(pair.key) && pair.key.range) return pair.key.range[0];
  }
  const node = path.length === 0 ? document.contents : document.getIn(path, true);
  return isNode(node) && node.range ? node.range[0] : null;
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ').replace(/\.$/, '');
}
