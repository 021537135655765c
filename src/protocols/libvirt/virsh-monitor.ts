// A QEMU monitor by way of the `virsh` program: what is left when libvirt's own protocol cannot be spoken. A command costs a
// process (about 30 ms), and events come from one that keeps running.
import { execFile, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Json } from '../../kit/canonical-json.ts';
import { problem } from '../../kit/problem.ts';
import { fail, ok } from '../../kit/result.ts';
import type { Result } from '../../kit/result.ts';
import { monitorProblem } from '../qmp/monitor.ts';
import type { ExecuteOptions, Monitor, MonitorArguments, MonitorEvent, MonitorProblem } from '../qmp/monitor.ts';
import { parseJson, readReply } from './qemu-reply.ts';

const commandMsDefault = 10_000;
const outputBytesMax = 32 * 1024 * 1024;
/** As `virsh qemu-monitor-event` prints it. */
const eventLine = /^event (\S+) at (\d+)\.(\d{6}) for domain '.*?': (.*)$/;

/** Opens the monitor of the running domain `uuid` of the libvirt at `socket`. */
export async function openVirshMonitor(socket: string, uuid: string): Promise<Result<Monitor, MonitorProblem>> {
  const monitor = new VirshMonitor(`qemu+unix:///system?socket=${socket}`, uuid);
  const status = await monitor.execute('query-status');
  if (status.ok) return ok(monitor);
  monitor.close();
  return status;
}

class VirshMonitor implements Monitor {
  readonly closed: Promise<MonitorProblem | null>;
  readonly #uri: string;
  readonly #uuid: string;
  readonly #events: ChildProcess;
  readonly #listeners = new Set<(event: MonitorEvent) => void>();
  readonly #settleClosed: (reason: MonitorProblem | null) => void;

  constructor(uri: string, uuid: string) {
    this.#uri = uri;
    this.#uuid = uuid;
    const { promise, resolve } = Promise.withResolvers<MonitorProblem | null>();
    this.closed = promise;
    this.#settleClosed = resolve;
    const argv = ['-q', '-c', uri, 'qemu-monitor-event', '--domain', uuid, '--loop'];
    this.#events = spawn('virsh', argv, { stdio: ['ignore', 'pipe', 'ignore'] });
    this.#events.once('error', () => this.#finish(virshProblem('the program virsh could not be started')));
    this.#events.once('exit', () => this.#finish(virshProblem('virsh, which listens for events, ended')));
    if (this.#events.stdout !== null) {
      createInterface({ input: this.#events.stdout }).on('line', (line) => this.#read(line));
    }
  }

  execute(
    command: string,
    args: MonitorArguments = {},
    options: ExecuteOptions = {},
  ): Promise<Result<Json, MonitorProblem>> {
    const words = JSON.stringify({ execute: command, arguments: args });
    const argv = ['-q', '-c', this.#uri, 'qemu-monitor-command', this.#uuid, words];
    const limits = { timeout: options.timeoutMs ?? commandMsDefault, maxBuffer: outputBytesMax };
    return new Promise((resolve) => {
      execFile('virsh', argv, limits, (error, stdout, stderr) => {
        // A refusal of QEMU's is printed as its reply, whatever virsh then ends with.
        const reply = readReply(stdout, command);
        if (reply.ok || reply.error.qemuClass !== null || error === null) resolve(reply);
        else resolve(fail(virshProblem(stderr.trim().split('\n', 1)[0] || error.message)));
      });
    });
  }

  async hmp(line: string, options: ExecuteOptions = {}): Promise<Result<string, MonitorProblem>> {
    const answer = await this.execute('human-monitor-command', { 'command-line': line }, options);
    return answer.ok ? ok(typeof answer.value === 'string' ? answer.value : '') : answer;
  }

  subscribe(listener: (event: MonitorEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    this.#finish(null);
  }

  #read(line: string): void {
    const [, name, seconds, micros, details = ''] = eventLine.exec(line) ?? [];
    if (name === undefined) return;
    const atMs = Number(seconds) * 1000 + Math.floor(Number(micros) / 1000);
    for (const listener of this.#listeners) listener({ name, data: parseJson(details) ?? {}, atMs });
  }

  #finish(reason: MonitorProblem | null): void {
    this.#settleClosed(reason);
    this.#listeners.clear();
    this.#events.kill();
  }
}

function virshProblem(why: string): MonitorProblem {
  return monitorProblem(
    problem('failed', `The monitor could not be reached by virsh: ${why}.`, 'Check that libvirt runs.'),
  );
}
