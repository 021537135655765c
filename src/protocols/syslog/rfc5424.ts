// RFC 5424 syslog messages and RFC 6587 octet counting. Bytes only: whatever stands in a field, one message stays one message.

export interface SyslogMessage {
  /** 0 to 23; 13 = log audit, 10 = security. */
  readonly facility: number;
  /** 0 (emergency) to 7 (debug). */
  readonly severity: number;
  readonly at: string;
  readonly hostname: string;
  readonly app: string;
  readonly procid: string;
  readonly msgid: string;
  /** SD-ID with its parameters; the ID is NAME@PRIVATE-ENTERPRISE-NUMBER (RFC 5424 section 7.2.2). */
  readonly data: { readonly id: string; readonly params: Readonly<Record<string, string>> };
  readonly text: string;
}

/** Receivers must take 2048 octets and should take 8192 (RFC 5424 section 6.1); what is longer is cut at the end of its text. */
export const messageBytesMax = 8192;
const paramBytesMax = 512;

export function formatSyslog(message: SyslogMessage): Buffer {
  const priority = message.facility * 8 + message.severity;
  const header = [
    `<${priority}>1`,
    message.at,
    headerField(message.hostname, 255),
    headerField(message.app, 48),
    headerField(message.procid, 128),
    headerField(message.msgid, 32),
  ].join(' ');
  const params = Object.entries(message.data.params)
    .map(([name, value]) => ` ${name}="${paramValue(value)}"`)
    .join('');
  // The text is UTF-8 and says so with a byte order mark (RFC 5424 section 6.4).
  const whole = `${header} [${message.data.id}${params}] \uFEFF${oneLine(message.text)}`;
  return cutUtf8(whole, messageBytesMax);
}

/** RFC 6587 section 3.4.1: the length in octets, a space, the message. */
export function frameByOctetCount(message: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(`${message.length} `), message]);
}

/** PRINTUSASCII without spaces, or `-`. */
function headerField(text: string, lengthMax: number): string {
  const clean = text.replace(/[^\x21-\x7e]/g, '_').slice(0, lengthMax);
  return clean === '' ? '-' : clean;
}

/** `"`, `\` and `]` are escaped (RFC 5424 section 6.3.3); control characters never go out. */
function paramValue(text: string): string {
  return cutUtf8(oneLine(text), paramBytesMax)
    .toString('utf8')
    .replace(/["\\\]]/g, (character) => `\\${character}`);
}

function oneLine(text: string): string {
  // eslint-disable-next-line no-control-regex -- control characters are exactly what must not pass
  return text.toWellFormed().replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, ' ');
}

/** Cuts between characters, never inside one. */
function cutUtf8(text: string, bytesMax: number): Buffer {
  const bytes = Buffer.from(text, 'utf8');
  if (bytes.length <= bytesMax) return bytes;
  let end = bytesMax;
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return bytes.subarray(0, end);
}
