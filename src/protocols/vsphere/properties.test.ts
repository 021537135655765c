// What the vCenter simulator never does: answers in pages, too many of them, and answers that are none.
import assert from 'node:assert/strict';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { after, test } from 'node:test';
import { selfSignedCertificate } from '../../../lab/self-signed-certificate.ts';
import { xml, type XmlText } from '../xml/xml-text.ts';
import { listProperties } from './properties.ts';
import { type VimClient, vimClient } from './vim-client.ts';
import { vimNamespace } from './vim-message.ts';

const certificate = selfSignedCertificate();
const part = (name: string, type: string): XmlText => xml(name, type, { type });
const content = [
  part('rootFolder', 'Folder'),
  part('propertyCollector', 'PropertyCollector'),
  part('viewManager', 'ViewManager'),
  part('sessionManager', 'SessionManager'),
];
const objectsEach = 3;
let pages = 0;
let asked: string[] = [];
let spoilt: string | null = null;

function page(number: number): readonly XmlText[] {
  const objects = Array.from({ length: objectsEach }, (_, at) =>
    xml('objects', [
      xml('obj', `vm-${number}-${at}`, { type: 'VirtualMachine' }),
      xml('propSet', [xml('name', 'name'), xml('val', `web ${number}`)]),
    ]),
  );
  return [number < pages ? xml('token', `page-${number + 1}`) : null, ...objects].filter((each) => each !== null);
}

function answerTo(method: string, body: string): readonly XmlText[] {
  switch (method) {
    case 'RetrieveServiceContent':
      return [xml('returnval', content)];
    case 'CreateContainerView':
      return [part('returnval', 'ContainerView')];
    case 'RetrievePropertiesEx':
      return [xml('returnval', page(1))];
    case 'ContinueRetrievePropertiesEx':
      return [xml('returnval', page(Number(/page-(\d+)/.exec(body)?.[1])))];
    default:
      return [];
  }
}

const server = createServer(certificate, (request, response) => {
  let body = '';
  request.on('data', (chunk: Buffer) => (body += chunk.toString()));
  request.on('end', () => {
    const method = /<soapenv:Body><(\w+) /.exec(body)?.[1] ?? '';
    asked.push(method);
    const said = xml(`${method}Response`, answerTo(method, body), { xmlns: vimNamespace });
    const whole = xml('e:Envelope', [xml('e:Body', [said])], {
      'xmlns:e': 'http://schemas.xmlsoap.org/soap/envelope/',
    });
    response.setHeader('set-cookie', 'vmware_soap_session=1; Path=/');
    response.end(method === 'RetrievePropertiesEx' && spoilt !== null ? spoilt : whole.markup);
  });
});
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
after(() => {
  server.closeAllConnections();
  server.close();
});

test('every page is read, and the view is given back', async () => {
  const listed = await list(4, 100);
  assert.ok(listed.ok, JSON.stringify(listed));
  assert.equal(listed.value.isCut, false);
  assert.equal(new Set(listed.value.objects.map(({ object }) => object.id)).size, 4 * objectsEach);
  assert.equal(listed.value.objects.at(-1)?.values.get('name')?.text, 'web 4');
  assert.ok(asked.includes('DestroyView'));
});

test('what is more than the limit is left, said so, and the rest of the pages is given up', async () => {
  const listed = await list(1_000_000, 7);
  assert.ok(listed.ok);
  assert.deepEqual([listed.value.objects.length, listed.value.isCut], [7, true]);
  assert.ok(asked.includes('CancelRetrievePropertiesEx'));
});

const spoiltAnswers: readonly (readonly [string, string])[] = [
  ['no XML', 'Bad Gateway'],
  ['another document', '<html><body>login</body></html>'],
  ['cut off', '<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body>'],
  ['a document type', '<!DOCTYPE x [<!ENTITY a "b">]><x/>'],
];

for (const [what, text] of spoiltAnswers) {
  test(`told as unreadable: ${what}`, async () => {
    spoilt = text;
    const listed = await list(1, 10);
    spoilt = null;
    assert.ok(!listed.ok && listed.error.kind === 'unreadable', JSON.stringify(listed));
  });
}

async function list(pageCount: number, most: number) {
  pages = pageCount;
  asked = [];
  const client = open();
  const listed = await listProperties(client, 'VirtualMachine', ['name'], most);
  await client.close();
  return listed;
}

function open(): VimClient {
  const { port } = server.address() as AddressInfo;
  const client = vimClient({
    url: `https://127.0.0.1:${port}`,
    user: 'u',
    password: 'p',
    fingerprint: certificate.fingerprint,
    timeoutMs: 2000,
    bodyBytesMax: 1_000_000,
    clock: { now: () => Date.now(), monotonic: () => performance.now() },
  });
  assert.ok(client.ok);
  return client.value;
}
