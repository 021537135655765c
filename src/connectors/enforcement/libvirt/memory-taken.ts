// Whether the QEMU that runs a domain now began with memory that was saved before, as QEMU says itself.
import { asObject, asText } from '../../../kit/json-object.ts';
import { sayProblem } from '../../../kit/problem.ts';
import { openLibvirtMonitor } from '../../../protocols/libvirt/libvirt-monitor.ts';

/** Null = it has taken all of it in (`query-migrate`, qapi/migration.json); otherwise what it says instead. */
export async function memoryNotTaken(socket: string, uuid: string): Promise<string | null> {
  const monitor = await openLibvirtMonitor(socket, uuid);
  if (!monitor.ok) return sayProblem(monitor.error);
  const said = await monitor.value.execute('query-migrate');
  monitor.value.close();
  if (!said.ok) return sayProblem(said.error);
  const status = asText(asObject(said.value)?.['status']) ?? 'nothing';
  return status === 'completed' ? null : `QEMU says of the memory it was to take in: ${status}`;
}
