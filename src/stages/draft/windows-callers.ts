// Components of Windows that call whoever is there because that is their work. Browsers, and what fetches, checks or shows for the
// user, call the internet at large: which site says nothing of the machine. Only components with that one task: hosts of other
// people's code (service hosts, task hosts, script engines) must be learned. And every Windows looks for services on its link.
import type { Behaviour } from '../../model/behaviour.ts';
import type { ProfileEntry } from '../../model/profile.ts';
import { discoveryGroups, discoveryPorts } from '../../pattern/behaviour-of.ts';
import type { Implied } from './directory-services.ts';

/** Microsoft, "Manage connection endpoints for Windows 10/11 Enterprise": the components that call, by their places. */
const components = [
  'c:\\program files (x86)\\microsoft\\edge\\application\\msedge.exe',
  'c:\\windows\\systemapps\\microsoft.microsoftedge_8wekyb3d8bbwe\\microsoftedge.exe',
  'c:\\windows\\system32\\microsoftedgecp.exe',
  'c:\\windows\\system32\\browser_broker.exe',
  'c:\\windows\\system32\\smartscreen.exe',
  'c:\\windows\\system32\\backgroundtransferhost.exe',
  'c:\\windows\\system32\\sihclient.exe',
  'c:\\windows\\systemapps\\microsoft.windows.cortana_cw5n1h2txyewy\\searchui.exe',
  'c:\\windows\\systemapps\\microsoft.windows.search_cw5n1h2txyewy\\searchapp.exe',
] as const;
const webPorts = [
  { proto: 'tcp', port: '80' },
  { proto: 'tcp', port: '443' },
  { proto: 'udp', port: '443' },
] as const;

const onTheLink = discoveryPorts.flatMap((port) =>
  discoveryGroups.flatMap((peer) =>
    (['outbound', 'inbound'] as const).map((kind): Behaviour => ({
      kind,
      exe: '?',
      proto: 'udp',
      peer,
      port: String(port),
    })),
  ),
);

/** Nothing where no program of Windows was seen. */
export function windowsCallers(entries: readonly ProfileEntry[]): readonly Implied[] {
  const since = entries.flatMap(({ behaviour, firstAt }) => (behaviour.exe.startsWith('c:\\windows\\') ? firstAt : []));
  const [first, ...others] = since;
  if (first === undefined) return [];
  const at = others.reduce((earliest, each) => (each < earliest ? each : earliest), first);
  const calls = components.flatMap((exe) =>
    webPorts.map(({ proto, port }): Behaviour => ({ kind: 'outbound', exe, proto, peer: 'internet', port })),
  );
  return [...calls, ...onTheLink].map((behaviour) => ({ behaviour, at }));
}
