// Tells alarms and remediations to a syslog receiver: RFC 5424 messages over UDP, or over TCP with octet counting (RFC 6587).
import { createSocket } from 'node:dgram';
import { connect, type Socket } from 'node:net';
import { problem } from '../../../kit/problem.ts';
import { fail, ok, type Result } from '../../../kit/result.ts';
import { formatSyslog, frameByOctetCount } from '../../../protocols/syslog/rfc5424.ts';
import type { SiemConnector } from '../notice.ts';
import { messageOf } from './message.ts';

export interface SyslogSettings {
  readonly host: string;
  readonly port: number;
  readonly transport: 'udp' | 'tcp';
  readonly facility: number;
  /** The name this machine goes by in the messages. */
  readonly hostname: string;
}

const connectMsMax = 5000;

export function makeSyslog(settings: SyslogSettings): SiemConnector {
  const place = `${settings.transport}://${settings.host}:${settings.port}`;
  const line = settings.transport === 'udp' ? udpLine(settings, place) : tcpLine(settings, place);
  return {
    place,
    send: async (notice) => await line.send(formatSyslog(messageOf(notice, settings))),
    close: () => line.close(),
  };
}

interface Line {
  send(message: Buffer): Promise<Result<null>>;
  close(): void;
}

/** UDP says nothing of arrival; only a name that does not resolve, or a message too long, is noticed. */
function udpLine({ host, port }: SyslogSettings, place: string): Line {
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4').unref();
  // An ICMP refusal of an earlier message; nobody is left to tell.
  socket.on('error', () => undefined);
  return {
    send: async (message) =>
      await new Promise((resolve) =>
        socket.send(message, port, host, (error) => resolve(error === null ? ok(null) : fail(unreachable(place)))),
      ),
    close: () => socket.close(),
  };
}

/** One connection, made when it is needed and again after it broke. */
function tcpLine({ host, port }: SyslogSettings, place: string): Line {
  let socket: Socket | null = null;

  async function open(): Promise<Result<Socket>> {
    if (socket !== null && socket.writable) return ok(socket);
    return await new Promise((resolve) => {
      const opened = connect({ host, port, timeout: connectMsMax });
      const giveUp = () => {
        opened.destroy();
        resolve(fail(unreachable(place)));
      };
      opened.once('timeout', giveUp);
      opened.on('error', giveUp);
      opened.once('connect', () => {
        opened.setTimeout(0);
        opened.setKeepAlive(true);
        opened.unref();
        // Receivers send nothing; what comes is read so that a closed connection is noticed.
        opened.resume();
        socket = opened;
        resolve(ok(opened));
      });
    });
  }

  return {
    async send(message) {
      const opened = await open();
      if (!opened.ok) return opened;
      return await new Promise((resolve) =>
        opened.value.write(frameByOctetCount(message), (error) =>
          resolve(error === null || error === undefined ? ok(null) : fail(unreachable(place))),
        ),
      );
    },
    close: () => socket?.destroy(),
  };
}

function unreachable(place: string) {
  return problem('failed', `${place} cannot be reached.`, 'Check that the syslog receiver runs and listens there.');
}
