// Takes the links of a domain's cards down through libvirt, as it runs and as it will be started next, so that a restart is no way out.
// Which are down now is read from QEMU's cards; what the next start will have, from libvirt's definition.
import { problem, sayProblem } from '../../../kit/problem.ts';
import { fail, ok, type Result } from '../../../kit/result.ts';
import { type InterfaceText, readInterfaces } from '../../../protocols/libvirt/interface-links.ts';
import type { DomainForm, LibvirtClient, LibvirtDomain } from '../../../protocols/libvirt/libvirt-client.ts';
import type { Monitor } from '../../../protocols/qmp/monitor.ts';
import { type CardLink, readCardLinks } from '../card-links.ts';
import type { LinkControl } from '../verified-links.ts';

export type WithDomain = <T>(
  act: (client: LibvirtClient, domain: LibvirtDomain) => Promise<Result<T>>,
) => Promise<Result<T>>;

export function libvirtLinks(withDomain: WithDomain, monitor: Monitor): LinkControl {
  return {
    read: () => readCardLinks(monitor),
    set: (cards, link) => withDomain((client, domain) => setLinks(client, domain, cards, link)),
    async lasting(cards, link) {
      const next = await withDomain((client, domain) => nextStart(client, domain, cards, link));
      if (!next.ok) return sayProblem(next.error);
      const other = next.value.find((card) => card.link !== link);
      return other === undefined ? null : `libvirt's definition has card ${other.mac} with its link ${other.link}`;
    },
  };
}

async function setLinks(
  client: LibvirtClient,
  domain: LibvirtDomain,
  cards: readonly CardLink[],
  link: 'up' | 'down',
): Promise<Result<void>> {
  const running = await runningCards(client, domain, cards, link);
  if (!running.ok) return running;
  const next = await nextStart(client, domain, cards, link);
  if (!next.ok) return next;
  const changes: readonly (readonly [DomainForm, readonly InterfaceText[]])[] = [
    ['live', running.value],
    ['kept', next.value],
  ];
  for (const [which, interfaces] of changes)
    for (const card of interfaces.filter((one) => one.link !== link)) {
      const changed = await client.updateDevice(domain, card.withLink(link), which);
      if (!changed.ok) return changed;
    }
  return ok(undefined);
}

/** All of them when they are cut: what a guest says of its cards' addresses changes nothing. */
async function runningCards(
  client: LibvirtClient,
  domain: LibvirtDomain,
  cards: readonly CardLink[],
  link: 'up' | 'down',
): Promise<Result<readonly InterfaceText[]>> {
  const all = await interfacesOf(client, domain, 'live');
  if (!all.ok) return all;
  const named = all.value.filter((one) => cards.some(({ name }) => name === one.alias));
  if (named.length < cards.length)
    return fail(
      problem(
        'refused',
        `libvirt knows ${named.length} of the ${cards.length} cards that QEMU has.`,
        'Suspend the VM.',
      ),
    );
  return ok(link === 'down' ? all.value : named);
}

/** The same cards as they will be at the next start; none when libvirt forgets the domain once it has stopped. */
async function nextStart(
  client: LibvirtClient,
  domain: LibvirtDomain,
  cards: readonly CardLink[],
  link: 'up' | 'down',
): Promise<Result<readonly InterfaceText[]>> {
  const persistent = await client.isPersistent(domain);
  if (!persistent.ok) return persistent;
  if (!persistent.value) return ok([]);
  const all = await interfacesOf(client, domain, 'kept');
  if (!all.ok || link === 'down') return all;
  const running = await runningCards(client, domain, cards, link);
  if (!running.ok) return running;
  return ok(all.value.filter(({ mac }) => running.value.some((one) => one.mac === mac)));
}

async function interfacesOf(
  client: LibvirtClient,
  domain: LibvirtDomain,
  which: DomainForm,
): Promise<Result<readonly InterfaceText[]>> {
  const xml = await client.describe(domain, which);
  return xml.ok ? readInterfaces(xml.value) : xml;
}
