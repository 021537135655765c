// libvirt's calls about network filters: rules that libvirt itself puts before a guest's card and keeps there over restarts.
// Source: src/remote/remote_protocol.x in libvirt; what a filter is: https://libvirt.org/formatnwfilter.html.
import { ok, type Result } from '../../kit/result.ts';
import { XdrWriter } from '../xdr/xdr.ts';
import { garbled, type LibvirtProblem, type Procedure, type RpcConnection } from './rpc-connection.ts';

export interface NetworkFilter {
  readonly name: string;
  /** As libvirt gave it, 32 hexadecimal digits. */
  readonly uuid: string;
}

const remote = 0x2000_8086;
const procedures = {
  xml: { program: remote, number: 177 },
  define: { program: remote, number: 180 },
  undefine: { program: remote, number: 181 },
  list: { program: remote, number: 286 },
  bindingOfDevice: { program: remote, number: 397 },
  bindingXml: { program: remote, number: 398 },
} as const satisfies Record<string, Procedure>;

const uuidBytes = 16;
/** REMOTE_NWFILTER_LIST_MAX. */
const filtersMax = 16_384;
/** libvirt runs a program of the host for each rule of each guest that uses the filter. */
const slowMs = 60_000;
/** virErrorNumber. */
const noSuchBinding = 101;

export class NetworkFilters {
  readonly #rpc: RpcConnection;

  constructor(rpc: RpcConnection) {
    this.#rpc = rpc;
  }

  async list(): Promise<Result<readonly NetworkFilter[], LibvirtProblem>> {
    const answer = await this.#rpc.call(procedures.list, new XdrWriter().i32(1).u32(0).bytes());
    if (!answer.ok) return answer;
    const count = answer.value.u32();
    const filters: NetworkFilter[] = [];
    for (let index = 0; index < Math.min(count, filtersMax) && !answer.value.broken; index += 1) {
      const name = answer.value.text();
      filters.push({ name, uuid: answer.value.fixed(uuidBytes).toString('hex') });
    }
    return answer.value.broken ? garbled() : ok(filters);
  }

  async describe(filter: NetworkFilter): Promise<Result<string, LibvirtProblem>> {
    const answer = await this.#rpc.call(procedures.xml, writeFilter(filter).u32(0).bytes());
    return answer.ok ? ok(answer.value.text()) : answer;
  }

  /** `xml` is a `<filter>`; one that is there already is replaced in place, for every guest that uses it, if it names its uuid. */
  async define(xml: string): Promise<Result<void, LibvirtProblem>> {
    const answer = await this.#rpc.call(procedures.define, new XdrWriter().text(xml).bytes(), slowMs);
    return answer.ok ? ok(undefined) : answer;
  }

  /** Refused while a running guest uses it. */
  async undefine(filter: NetworkFilter): Promise<Result<void, LibvirtProblem>> {
    const answer = await this.#rpc.call(procedures.undefine, writeFilter(filter).bytes());
    return answer.ok ? ok(undefined) : answer;
  }

  /** The `<filterbinding>` in force on a device of the host; null = none is. */
  async bindingOf(device: string): Promise<Result<string | null, LibvirtProblem>> {
    const found = await this.#rpc.call(procedures.bindingOfDevice, new XdrWriter().text(device).bytes());
    if (!found.ok) return found.error.code === noSuchBinding ? ok(null) : found;
    const [port, filter] = [found.value.text(), found.value.text()];
    const answer = await this.#rpc.call(procedures.bindingXml, new XdrWriter().text(port).text(filter).u32(0).bytes());
    if (!answer.ok) return answer.error.code === noSuchBinding ? ok(null) : answer;
    return ok(answer.value.text());
  }
}

function writeFilter({ name, uuid }: NetworkFilter): XdrWriter {
  return new XdrWriter().text(name).fixed(Buffer.from(uuid, 'hex'));
}
