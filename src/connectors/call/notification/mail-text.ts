// The words as a mail (RFC 5322, MIME). What was written in a guest stands in it as base64 only, in the subject (RFC 2047) and
// in the body, so that it can neither end a header nor the message.
import type { Words } from './words.ts';

export interface Envelope {
  readonly from: string;
  readonly to: readonly string[];
  /** Unique among all mails, the same for every attempt at one; printable ASCII without angle brackets. */
  readonly id: string;
  readonly atMs: number;
}

/** Lines end with CRLF, none is longer than 76 characters but for those that hold an address. */
export function mailText({ title, lines, link }: Words, { from, to, id, atMs }: Envelope): string {
  const body = [title, '', ...lines, ...(link === null ? [] : ['', link])].join('\r\n');
  return [
    `From: ${from}`,
    `To: ${to.join(',\r\n ')}`,
    `Subject: ${encodedWords(`Plumbline: ${title}`)}`,
    `Date: ${dateOf(atMs)}`,
    `Message-ID: <${id}>`,
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=utf-8',
    'Content-Transfer-Encoding: base64',
    // Nobody answers a machine's holiday note (RFC 3834).
    'Auto-Submitted: auto-generated',
    '',
    Buffer.from(body)
      .toString('base64')
      .replaceAll(/.{76}(?=.)/g, '$&\r\n'),
  ].join('\r\n');
}

/** Whole characters in each word, and no line beyond 76 characters, the first with the header's name before it. */
function encodedWords(text: string): string {
  const bytesMax = 39;
  const words: string[] = [''];
  for (const character of text) {
    const longer = `${words.at(-1)}${character}`;
    if (Buffer.byteLength(longer) > bytesMax) words.push(character);
    else words[words.length - 1] = longer;
  }
  return words.map((word) => `=?utf-8?B?${Buffer.from(word).toString('base64')}?=`).join('\r\n ');
}

/** `Sun, 22 Nov 2026 08:00:00 +0000`. */
function dateOf(atMs: number): string {
  return new Date(atMs).toUTCString().replace('GMT', '+0000');
}
