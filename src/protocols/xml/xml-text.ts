// Writing XML: text and attributes are escaped on the way in, and nothing else gets in, so that no name can become markup.

/** Markup that was made here. */
export class XmlText {
  readonly markup: string;

  /** Only this file makes one. */
  constructor(made: symbol, markup: string) {
    if (made !== key) throw new Error('XML is written by xml()');
    this.markup = markup;
  }
}

const key = Symbol('xml');
const nameOf = /^[A-Za-z_][\w.-]*(:[A-Za-z_][\w.-]*)?$/;

/** One element. A string is its text; what XML 1.0 cannot carry (most control characters, half surrogates) becomes U+FFFD. */
export function xml(
  name: string,
  content: string | readonly (XmlText | null)[] = '',
  attributes: Readonly<Record<string, string>> = {},
): XmlText {
  if (!nameOf.test(name)) throw new Error('an element has a name that is none');
  const within = typeof content === 'string' ? escaped(content) : content.map((child) => child?.markup ?? '').join('');
  const given = Object.entries(attributes).map(([attribute, value]) => {
    if (!nameOf.test(attribute)) throw new Error('an attribute has a name that is none');
    return ` ${attribute}="${escaped(value)}"`;
  });
  return new XmlText(key, `<${name}${given.join('')}>${within}</${name}>`);
}

const replacements: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
  // A reader would turn these into a space or a line feed.
  '\r': '&#13;',
  '\n': '&#10;',
  '\t': '&#9;',
};

function escaped(text: string): string {
  return text
    .toWellFormed()
    .replace(/[^\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/gu, '\u{fffd}')
    .replace(/[&<>"'\r\n\t]/g, (character) => replacements[character] ?? '');
}
