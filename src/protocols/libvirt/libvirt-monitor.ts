// A QEMU monitor by way of libvirt, which owns the real one: commands are passed on, QEMU's events are passed back.
import type { Json } from '../../kit/canonical-json.ts';
import { asText } from '../../kit/json-object.ts';
import { problem } from '../../kit/problem.ts';
import { fail, ok } from '../../kit/result.ts';
import type { Result } from '../../kit/result.ts';
import { monitorProblem } from '../qmp/monitor.ts';
import type { ExecuteOptions, Monitor, MonitorArguments, MonitorEvent, MonitorProblem } from '../qmp/monitor.ts';
import { openLibvirt } from './libvirt-client.ts';
import type { LibvirtClient, LibvirtDomain } from './libvirt-client.ts';
import { parseJson, readReply } from './qemu-reply.ts';
import type { LibvirtProblem } from './rpc-connection.ts';

const commandMsDefault = 10_000;

/** Opens the monitor of the running domain `uuid` over a connection of its own. */
export async function openLibvirtMonitor(socket: string, uuid: string): Promise<Result<Monitor, MonitorProblem>> {
  const client = await openLibvirt(socket);
  if (!client.ok) return fail(monitorProblem(client.error));
  const monitor = await monitorOf(client.value, uuid);
  if (!monitor.ok) client.value.close();
  return monitor;
}

async function monitorOf(client: LibvirtClient, uuid: string): Promise<Result<Monitor, MonitorProblem>> {
  const domain = await client.domain(uuid);
  if (!domain.ok) return fail(monitorProblem(domain.error));
  if (domain.value.id < 0) return fail(monitorProblem(problem('not-found', `${domain.value.name} does not run.`)));
  const monitor = new LibvirtMonitor(client, domain.value);
  const listening = await monitor.listen();
  return listening.ok ? ok(monitor) : fail(monitorProblem(listening.error));
}

class LibvirtMonitor implements Monitor {
  readonly closed: Promise<MonitorProblem | null>;
  readonly #client: LibvirtClient;
  readonly #domain: LibvirtDomain;
  readonly #listeners = new Set<(event: MonitorEvent) => void>();
  readonly #settleClosed: (reason: MonitorProblem | null) => void;

  constructor(client: LibvirtClient, domain: LibvirtDomain) {
    this.#client = client;
    this.#domain = domain;
    const { promise, resolve } = Promise.withResolvers<MonitorProblem | null>();
    this.closed = promise;
    this.#settleClosed = resolve;
    void client.closed.then((reason) => resolve(reason === null ? null : monitorProblem(reason)));
  }

  /** QEMU's own events; and libvirt's word that the domain has stopped, since the connection to libvirt outlives it. */
  async listen(): Promise<Result<() => void, LibvirtProblem>> {
    const events = await this.#client.onQemuEvent(this.#domain, ({ name, atMs, details }) => {
      const event = { name, data: parseJson(details ?? '') ?? {}, atMs };
      for (const listener of this.#listeners) listener(event);
    });
    if (!events.ok) return events;
    return this.#client.onLifecycle(({ domain, event }) => {
      if (event !== 'stopped' || domain.uuid !== this.#domain.uuid) return;
      const stopped = problem('not-found', `${domain.name} has stopped.`, 'Attach again once it runs.');
      this.#settleClosed(monitorProblem(stopped));
      this.#client.close();
    });
  }

  async execute(
    command: string,
    args: MonitorArguments = {},
    options: ExecuteOptions = {},
  ): Promise<Result<Json, MonitorProblem>> {
    const json = JSON.stringify({ execute: command, arguments: args });
    const answer = await this.#client.monitorCommand(this.#domain, json, options.timeoutMs ?? commandMsDefault);
    if (!answer.ok) return fail(monitorProblem(answer.error));
    return readReply(answer.value, command);
  }

  async hmp(line: string, options: ExecuteOptions = {}): Promise<Result<string, MonitorProblem>> {
    const answer = await this.execute('human-monitor-command', { 'command-line': line }, options);
    return answer.ok ? ok(asText(answer.value) ?? '') : answer;
  }

  subscribe(listener: (event: MonitorEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    this.#client.close();
    this.#listeners.clear();
  }
}
