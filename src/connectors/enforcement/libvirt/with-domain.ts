// A connection to libvirt for one action on one domain: the monitor's own serves looks, which must not wait behind a snapshot.
import { fail, type Result } from '../../../kit/result.ts';
import { type LibvirtClient, type LibvirtDomain, openLibvirt } from '../../../protocols/libvirt/libvirt-client.ts';

export async function withDomain<T>(
  socket: string,
  uuid: string,
  act: (client: LibvirtClient, domain: LibvirtDomain) => Promise<Result<T>>,
): Promise<Result<T>> {
  const client = await openLibvirt(socket);
  if (!client.ok) return client;
  try {
    const domain = await client.value.domain(uuid);
    return domain.ok ? await act(client.value, domain.value) : fail(domain.error);
  } finally {
    client.value.close();
  }
}
