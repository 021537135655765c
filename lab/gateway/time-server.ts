// A time server telling the host's clock, so that guests have the periodic UDP traffic that real ones have.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';

const secondsFrom1900 = 2_208_988_800;
const packetBytes = 48;

export async function serveTime(address: string, onRequest: () => void): Promise<void> {
  const socket = createSocket('udp4');
  socket.on('message', (request, from) => {
    const reply = answerTime(request, Date.now());
    if (reply === undefined) return;
    onRequest();
    socket.send(reply, from.port, from.address);
  });
  socket.bind(123, address);
  await once(socket, 'listening');
}

/** A server's reply (RFC 5905, mode 4, stratum 1) to a client's request, or undefined when it is not one. */
export function answerTime(request: Uint8Array, nowMs: number): Buffer | undefined {
  const bytes = Buffer.from(request);
  if (bytes.length < packetBytes || ((bytes[0] ?? 0) & 7) !== 3) return undefined;
  const version = (bytes[0] ?? 0) & 0x38;
  const reply = Buffer.alloc(packetBytes);
  const [leapNone, modeServer, stratum, poll, precisionLog2] = [0, 4, 1, 4, -10];
  reply[0] = leapNone | version | modeServer;
  reply[1] = stratum;
  reply[2] = poll;
  reply.writeInt8(precisionLog2, 3);
  reply.writeUInt32BE(0x100, 8);
  reply.write('LAB\0', 12, 'latin1');
  writeTimestamp(reply, 16, nowMs);
  bytes.copy(reply, 24, 40, 48);
  writeTimestamp(reply, 32, nowMs);
  writeTimestamp(reply, 40, nowMs);
  return reply;
}

function writeTimestamp(packet: Buffer, offset: number, epochMs: number): void {
  packet.writeUInt32BE((Math.floor(epochMs / 1000) + secondsFrom1900) % 2 ** 32, offset);
  packet.writeUInt32BE(Math.floor(((epochMs % 1000) / 1000) * 2 ** 32), offset + 4);
}
