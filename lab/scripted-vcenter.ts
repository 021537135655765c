// A vCenter that says what it is told to: for what govmomi's simulator never does (pages, pieces, silence, answers that are none).
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { type VimClient, vimClient } from '../src/protocols/vsphere/vim-client.ts';
import { vimNamespace } from '../src/protocols/vsphere/vim-message.ts';
import { xml, type XmlText } from '../src/protocols/xml/xml-text.ts';
import { must } from './platform-contract.ts';
import { selfSignedCertificate } from './self-signed-certificate.ts';

/** What stands in the answer of a method; a text is sent as it is; null = nothing is answered. */
export type ScriptedAnswer = readonly XmlText[] | string | null;

export interface ScriptedVcenter {
  /** Methods in the order in which they were asked for. */
  readonly asked: string[];
  open(timeoutMs?: number): VimClient;
  stop(): void;
}

const part = (name: string, type: string): XmlText => xml(name, type, { type });

const usual: Readonly<Record<string, readonly XmlText[]>> = {
  RetrieveServiceContent: [
    xml('returnval', [
      part('rootFolder', 'Folder'),
      part('propertyCollector', 'PropertyCollector'),
      part('viewManager', 'ViewManager'),
      part('sessionManager', 'SessionManager'),
    ]),
  ],
  CreateContainerView: [part('returnval', 'ContainerView')],
  CreatePropertyCollector: [part('returnval', 'PropertyCollector')],
  CreateFilter: [part('returnval', 'PropertyFilter')],
};

/** `answer` is asked first; where it says undefined, what every vCenter says is answered. */
export async function scriptedVcenter(
  answer: (method: string, body: string) => ScriptedAnswer | undefined,
): Promise<ScriptedVcenter> {
  const certificate = selfSignedCertificate();
  const asked: string[] = [];
  const server = createServer(certificate, (request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      const method = /<soapenv:Body><(\w+) /.exec(body)?.[1] ?? '';
      asked.push(method);
      const said = answer(method, body);
      if (said === null) return;
      response.setHeader('set-cookie', 'vmware_soap_session=1; Path=/');
      response.end(typeof said === 'string' ? said : envelope(`${method}Response`, said ?? usual[method] ?? []));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    asked,
    open: (timeoutMs = 2000) =>
      must(
        vimClient({
          url: `https://127.0.0.1:${port}`,
          user: 'u',
          password: 'p',
          fingerprint: certificate.fingerprint,
          timeoutMs,
          bodyBytesMax: 1_000_000,
          clock: { now: () => Date.now(), monotonic: () => performance.now() },
        }),
      ),
    stop() {
      server.closeAllConnections();
      server.close();
    },
  };
}

const soap = 'http://schemas.xmlsoap.org/soap/envelope/';

function envelope(name: string, within: readonly XmlText[]): string {
  const said = xml(name, within, { xmlns: vimNamespace });
  return xml('e:Envelope', [xml('e:Body', [said])], { 'xmlns:e': soap }).markup;
}

/** The fault of that name, as a server answers it. */
export function scriptedFault(fault: string): string {
  const detail = xml('detail', [xml(`${fault}Fault`, '', { xmlns: vimNamespace })]);
  const said = xml('e:Fault', [xml('faultcode', 'ServerFaultCode'), xml('faultstring', 'scripted'), detail]);
  return xml('e:Envelope', [xml('e:Body', [said])], { 'xmlns:e': soap }).markup;
}
