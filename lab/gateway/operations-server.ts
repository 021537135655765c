// The shop's back office: takes metrics, backups and rotated logs, hands out updates and tasks, and so knows which jobs ran.
import { createReadStream } from 'node:fs';
import { createServer } from 'node:http';
import { once } from 'node:events';

export interface Operations {
  /** Hands `task` to a machine when it next asks, once; returns the offer's number. */
  offer(machine: string, task: string): number;
  publish(name: string, path: string): void;
}

/** Paths whose visit means that a job ran to its end: `/metrics/web` counts as `metrics-web`. */
const jobPath = /^\/(metrics|checked|backup|rotated|finished)\/([a-z0-9-]+)/;
const bodyLimitBytes = 1024 * 1024;

export async function serveOperations(
  address: string,
  port: number,
  onJob: (name: string) => void,
): Promise<Operations> {
  const offers = new Map<string, string>();
  const packages = new Map<string, string>();
  let serial = 0;
  const server = createServer((request, response) => {
    let received = 0;
    request.on('data', (chunk: Buffer) => {
      received += chunk.length;
      if (received > bodyLimitBytes) request.destroy();
    });
    request.on('end', () => {
      const path = request.url ?? '';
      const [, kind, name = ''] = path.split('/');
      const job = jobPath.exec(path);
      if (job !== null) {
        onJob(`${job[1]}-${job[2]}`);
        response.end('noted\n');
      } else if (kind === 'offers') {
        onJob(`ops-${name}`);
        response.end(`${offers.get(name) ?? '0 none -'}\n`);
      } else if (kind === 'packages' && packages.has(name)) {
        createReadStream(packages.get(name) ?? '').pipe(response);
      } else {
        response.writeHead(404).end('no such page\n');
      }
    });
  });
  server.listen(port, address);
  await once(server, 'listening');
  return {
    offer(machine, task) {
      serial += 1;
      offers.set(machine, `${serial} ${task}`);
      return serial;
    },
    publish: (name, path) => void packages.set(name, path),
  };
}
