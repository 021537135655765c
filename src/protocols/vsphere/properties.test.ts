// What the vCenter simulator never does: answers in pages, too many of them, and answers that are none.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { type ScriptedAnswer, scriptedVcenter } from '../../../lab/scripted-vcenter.ts';
import { xml, type XmlText } from '../xml/xml-text.ts';
import { listProperties } from './properties.ts';

const objectsEach = 3;
let pages = 0;
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

function answerTo(method: string, body: string): ScriptedAnswer | undefined {
  switch (method) {
    case 'RetrievePropertiesEx':
      return spoilt ?? [xml('returnval', page(1))];
    case 'ContinueRetrievePropertiesEx':
      return [xml('returnval', page(Number(/page-(\d+)/.exec(body)?.[1])))];
    default:
      return undefined;
  }
}

const vcenter = await scriptedVcenter(answerTo);
after(() => vcenter.stop());

test('every page is read, and the view is given back', async () => {
  const listed = await list(4, 100);
  assert.ok(listed.ok, JSON.stringify(listed));
  assert.equal(listed.value.isCut, false);
  assert.equal(new Set(listed.value.objects.map(({ object }) => object.id)).size, 4 * objectsEach);
  assert.equal(listed.value.objects.at(-1)?.values.get('name')?.text, 'web 4');
  assert.ok(vcenter.asked.includes('DestroyView'));
});

test('what is more than the limit is left, said so, and the rest of the pages is given up', async () => {
  const listed = await list(1_000_000, 7);
  assert.ok(listed.ok);
  assert.deepEqual([listed.value.objects.length, listed.value.isCut], [7, true]);
  assert.ok(vcenter.asked.includes('CancelRetrievePropertiesEx'));
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
  vcenter.asked.length = 0;
  const client = vcenter.open();
  const listed = await listProperties(client, 'VirtualMachine', ['name'], most);
  await client.close();
  return listed;
}
