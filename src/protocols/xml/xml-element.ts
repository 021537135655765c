// XML that somebody else wrote, read into a small tree with namespaces resolved. Bounded in size, depth and number of elements;
// what declares a document type is refused, so that there are no entities to expand.
import sax, { type QualifiedTag, type SAXParser } from 'sax';
import { causeOf, problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';

export interface XmlElement {
  /** Without its prefix. */
  readonly name: string;
  readonly namespace: string;
  readonly attributes: readonly XmlAttribute[];
  readonly children: readonly XmlElement[];
  /** All character data directly within it, together. */
  readonly text: string;
}

export interface XmlAttribute {
  readonly name: string;
  /** Empty for one without a prefix. */
  readonly namespace: string;
  readonly value: string;
}

export const xmlLimits = { depth: 64, elements: 500_000, characters: 64 * 1024 * 1024 } as const;

interface Growing extends XmlElement {
  children: XmlElement[];
  text: string;
}

export function parseXml(text: string): Result<XmlElement> {
  if (text.length > xmlLimits.characters)
    return fail(problem('unreadable', `An XML document is longer than ${xmlLimits.characters} characters.`));
  const open: Growing[] = [];
  let root: XmlElement | null = null;
  let elements = 0;
  const reader = sax.parser(true, { xmlns: true });
  const addText = (piece: string): void => {
    const within = open.at(-1);
    if (within !== undefined) within.text += piece;
  };
  const handlers: Partial<SAXParser> = {
    // sax keeps an error and refuses to go on; thrown here, it ends the reading at once.
    onerror(thrown) {
      throw thrown;
    },
    ondoctype() {
      throw new Error('it declares a document type');
    },
    onopentag(tag) {
      elements += 1;
      if (elements > xmlLimits.elements) throw new Error(`it has more than ${xmlLimits.elements} elements`);
      if (open.length >= xmlLimits.depth) throw new Error(`it is nested deeper than ${xmlLimits.depth}`);
      const element = elementOf(tag as QualifiedTag);
      open.at(-1)?.children.push(element);
      root ??= element;
      open.push(element);
    },
    onclosetag() {
      open.pop();
    },
    ontext: addText,
    oncdata: addText,
  };
  Object.assign(reader, handlers);
  try {
    reader.write(text).close();
  } catch (thrown) {
    const why = causeOf(thrown).split('\n')[0]?.slice(0, 200) ?? '';
    return fail(problem('unreadable', `An XML document cannot be read: ${why}.`));
  }
  return root === null ? fail(problem('unreadable', 'An XML document is empty.')) : ok(root);
}

function elementOf({ local, uri, attributes }: QualifiedTag): Growing {
  return {
    name: local,
    namespace: uri,
    attributes: Object.values(attributes).map((each) => ({ name: each.local, namespace: each.uri, value: each.value })),
    children: [],
    text: '',
  };
}

/** The first child of that name. */
export function childOf(element: XmlElement | null | undefined, name: string): XmlElement | null {
  return element?.children.find((child) => child.name === name) ?? null;
}

export function childrenOf(element: XmlElement | null | undefined, name: string): readonly XmlElement[] {
  return element?.children.filter((child) => child.name === name) ?? [];
}

/** Text of the first child of that name; null when there is none. */
export function textAt(element: XmlElement | null | undefined, ...path: readonly string[]): string | null {
  let at = element ?? null;
  for (const name of path) at = childOf(at, name);
  return at?.text ?? null;
}

export function attributeOf(element: XmlElement, name: string, namespace = ''): string | null {
  return element.attributes.find((each) => each.name === name && each.namespace === namespace)?.value ?? null;
}
