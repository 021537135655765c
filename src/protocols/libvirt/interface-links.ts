// The network cards in a domain's definition as libvirt wrote it, each as the piece of text that libvirt takes back when only its link
// is to change: everything else in it must stay as it was. Nothing is put together from values, so that nothing needs escaping.
// Source: https://libvirt.org/formatdomain.html#modifying-virtual-link-state
import sax, { type QualifiedTag, type SAXParser } from 'sax';
import { causeOf, problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import { xmlLimits } from '../xml/xml-element.ts';

export interface InterfaceText {
  /** Lower case with colons; empty when it has none. */
  readonly mac: string;
  /** What QEMU calls it while it runs; empty in a definition. */
  readonly alias: string;
  readonly link: 'up' | 'down';
  /** The `<interface>` with its link in the other state, or in this one again. */
  readonly withLink: (link: 'up' | 'down') => string;
}

interface Growing {
  readonly start: number;
  mac: string;
  alias: string;
  link: 'up' | 'down';
  readonly links: { readonly start: number; end: number }[];
}

export function readInterfaces(domainXml: string): Result<readonly InterfaceText[]> {
  if (domainXml.length > xmlLimits.characters) return unreadable('it is too long');
  const path: string[] = [];
  const found: InterfaceText[] = [];
  let current: Growing | null = null;
  let isDomain = false;
  const reader = sax.parser(true, { xmlns: true });
  const handlers: Partial<SAXParser> = {
    onerror(thrown) {
      throw thrown;
    },
    ondoctype() {
      throw new Error('it declares a document type');
    },
    onopentag(tag) {
      const { name, attributes } = tag as QualifiedTag;
      path.push(name);
      isDomain ||= path.length === 1 && name === 'domain';
      const at = path.join('/');
      // sax counts from the character after the bracket.
      const start = reader.startTagPosition - 1;
      if (at === 'domain/devices/interface') current = { start, mac: '', alias: '', link: 'up', links: [] };
      if (current === null) return;
      if (at === 'domain/devices/interface/mac') current.mac = attributes['address']?.value.toLowerCase() ?? '';
      if (at === 'domain/devices/interface/alias') current.alias = attributes['name']?.value ?? '';
      if (at !== 'domain/devices/interface/link') return;
      current.link = attributes['state']?.value === 'down' ? 'down' : 'up';
      current.links.push({ start, end: start });
    },
    onclosetag() {
      const at = path.join('/');
      path.pop();
      const last = current?.links.at(-1);
      if (at === 'domain/devices/interface/link' && last !== undefined) last.end = reader.position;
      if (at !== 'domain/devices/interface' || current === null) return;
      found.push(textOf(domainXml, current, reader.position));
      current = null;
    },
  };
  Object.assign(reader, handlers);
  try {
    reader.write(domainXml).close();
  } catch (thrown) {
    return unreadable(causeOf(thrown).split('\n')[0]?.slice(0, 200) ?? '');
  }
  return isDomain ? ok(found) : unreadable('it is no domain');
}

function textOf(domainXml: string, { start, mac, alias, link, links }: Growing, end: number): InterfaceText {
  let without = '';
  let from = start;
  for (const piece of links) {
    without += domainXml.slice(from, piece.start);
    from = piece.end;
  }
  without += domainXml.slice(from, end);
  const closing = without.lastIndexOf('</');
  if (closing < 0) throw new Error('an interface has nothing in it');
  const withLink = (wanted: 'up' | 'down'): string =>
    `${without.slice(0, closing)}<link state='${wanted}'/>${without.slice(closing)}`;
  return { mac, alias, link, withLink };
}

function unreadable(why: string): Result<never> {
  return fail(problem('unreadable', `libvirt's definition of the domain cannot be read: ${why}.`));
}
