// Messages of the vSphere Web Services API (namespace urn:vim25): SOAP 1.1 envelopes, calls, answers, faults. Bytes only.
// Source: vSphere Web Services SDK; what vCenter's simulator answers was read from it.
import { problem, type Problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import { attributeOf, childOf, parseXml, textAt, type XmlElement } from '../xml/xml-element.ts';
import { xml, type XmlText } from '../xml/xml-text.ts';

const envelopeNamespace = 'http://schemas.xmlsoap.org/soap/envelope/';
const schemaInstance = 'http://www.w3.org/2001/XMLSchema-instance';
export const vimNamespace = 'urn:vim25';

/** Names an object in a vCenter: its type and an id such as `vm-42`. */
export interface ManagedObject {
  readonly type: string;
  readonly id: string;
}

/** `fault`: the API's own name for it (`InvalidLogin`, `InvalidPowerState`); null = the answer was no fault of the API. */
export interface VimProblem extends Problem {
  readonly fault: string | null;
}

export type VimResult<T> = Result<T, VimProblem>;

export function callText(method: string, on: ManagedObject, args: readonly (XmlText | null)[]): string {
  const call = xml(method, [reference('_this', on), ...args], { xmlns: vimNamespace });
  const envelope = xml('soapenv:Envelope', [xml('soapenv:Body', [call])], {
    'xmlns:soapenv': envelopeNamespace,
    'xmlns:xsi': schemaInstance,
    'xmlns:xsd': 'http://www.w3.org/2001/XMLSchema',
  });
  return `<?xml version="1.0" encoding="UTF-8"?>\n${envelope.markup}`;
}

export function reference(name: string, { type, id }: ManagedObject): XmlText {
  return xml(name, id, { type });
}

/** Null for what is no reference. */
export function readReference(element: XmlElement | null): ManagedObject | null {
  const type = element === null ? null : attributeOf(element, 'type');
  return element === null || type === null || element.text === '' ? null : { type, id: element.text };
}

/** What `xsi:type` says an element is, without prefix; empty where it says nothing. */
export function typeOf(element: XmlElement): string {
  return attributeOf(element, 'type', schemaInstance)?.replace(/^.*:/, '') ?? '';
}

/** The `METHODResponse` element of an answer; `place` and `method` are named in problems only. */
export function readAnswer(place: string, method: string, status: number, text: string): VimResult<XmlElement> {
  const read = parseXml(text);
  if (!read.ok) {
    const why = `${place} answered ${method} with HTTP ${status} and no readable XML.`;
    return fail({ ...problem('unreadable', why, 'Check that it is a vCenter or an ESXi host.'), fault: null });
  }
  const body = childOf(read.value, 'Body');
  const fault = childOf(body, 'Fault');
  if (fault !== null) return fail(vimProblem(place, method, fault));
  const answer = childOf(body, `${method}Response`);
  if (answer !== null) return ok(answer);
  return fail({ ...problem('unreadable', `${place} answered ${method} with something else.`), fault: null });
}

function vimProblem(place: string, method: string, soapFault: XmlElement): VimProblem {
  const detail = childOf(soapFault, 'detail')?.children[0] ?? null;
  const fault = detail === null ? 'unknown' : typeOf(detail) || detail.name.replace(/Fault$/, '');
  return faultProblem(place, method, fault, textAt(soapFault, 'faultstring') ?? '');
}

/** The fault of a SOAP answer or of a task, in words. What the other side said of it is quoted, cut and without line breaks. */
export function faultProblem(place: string, method: string, fault: string, said: string): VimProblem {
  const name = fault.replaceAll(/[^A-Za-z0-9]/g, '').slice(0, 64) || 'unknown';
  const quote = said
    .replaceAll(/\p{C}+/gu, ' ')
    .trim()
    .slice(0, 200);
  const what = `${place} refused ${method}: ${name}${quote === '' ? '' : ` (${quote})`}.`;
  switch (name) {
    case 'InvalidLogin':
      return { ...problem('refused', `${place} does not accept user and password.`, 'Check both.'), fault: name };
    case 'NoPermission':
    case 'NotAuthenticated':
      return {
        ...problem(
          'refused',
          what,
          'Give the account the privileges that connectors/enforcement/vsphere/README.md lists.',
        ),
        fault: name,
      };
    case 'ManagedObjectNotFound':
      return { ...problem('not-found', what, 'It was removed in the meantime; ask for the list again.'), fault: name };
    default:
      return { ...problem('failed', what), fault: name };
  }
}

/** An element read from the other side, to be sent back with some of its children replaced; null takes a child away. */
export function rewritten(
  element: XmlElement,
  name: string,
  changes: Readonly<Record<string, XmlText | null>> = {},
): XmlText {
  const type = typeOf(element);
  const reference = attributeOf(element, 'type');
  const attributes = {
    ...(reference === null ? {} : { type: reference }),
    // Types of the API begin with a capital, those of XML Schema do not; the envelope binds the prefix.
    ...(type === '' ? {} : { 'xsi:type': /^[a-z]/.test(type) ? `xsd:${type}` : type }),
  };
  if (element.children.length === 0) return xml(name, element.text, attributes);
  const children = element.children.map((child) => {
    const changed = changes[child.name];
    return changed === undefined ? rewritten(child, child.name) : changed;
  });
  return xml(name, children, attributes);
}
