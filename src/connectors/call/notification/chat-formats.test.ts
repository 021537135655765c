// What each chat is sent: the alarm as it is, and nothing in it that a chat would act on.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assert as holds, constantFrom, oneof, property, string } from 'fast-check';
import { counted, seed } from '../../../../lab/scale.ts';
import { factsWith, hostileTexts } from '../../../sim/simulated-call.ts';
import { chatBody, markdownText, slackText } from './chat-formats.ts';
import { wordsFor } from './words.ts';

const link = 'https://plumbline.example/#alarm=a1';
const hostile = oneof(constantFrom(...hostileTexts), string({ unit: 'binary', maxLength: 200 }));
const runs = { numRuns: counted(300, 10_000), seed: seed() };

type Tree = { readonly [key: string]: unknown };

/** Every object within a value. */
function objects(value: unknown): Tree[] {
  if (typeof value !== 'object' || value === null) return [];
  const below = Object.values(value).flatMap(objects);
  return Array.isArray(value) ? below : [value as Tree, ...below];
}

test('people are told what happened, why it matters, what was done and where to look', () => {
  const { title, lines, link: to } = wordsFor(factsWith('/tmp/x started'));
  assert.equal(title, 'critical: /tmp/x started (/tmp/x started)');
  assert.deepEqual(lines, [
    'VM /tmp/x started (00000000-0000-4000-8000-000000000001) of shop/web',
    'risk 91, seen 2 times, first 2026-11-21T21:00:00.000Z, last 2026-11-21T21:00:01.000Z',
    'because /tmp/x started',
    'because a shell was started by a server',
    'answered by quarantine done',
    'plan p1 of rules, alarm a1',
  ]);
  assert.equal(to, link);
});

test('Slack interprets the link and nothing else', () => {
  holds(
    property(hostile, (text) => {
      const body = chatBody('slack', wordsFor(factsWith(text))) as { text: string };
      assert.doesNotMatch(body.text, /[<>]|@(?!\u200b)|:\/\//);
      const marked = objects(body).filter(({ type }) => type === 'mrkdwn');
      assert.deepEqual(
        marked.map(({ text: said }) => said),
        [`<${link}|Open the alarm>`],
      );
      for (const { type, text: said } of objects(body))
        if (type === 'plain_text') assert.ok(String(said).length <= 3000);
    }),
    runs,
  );
});

test('Teams shows text that knows no Markdown, and one link', () => {
  holds(
    property(hostile, (text) => {
      const body = chatBody('teams', wordsFor(factsWith(text)));
      const all = objects(body);
      assert.ok(all.every(({ type }) => type !== 'TextBlock'));
      assert.ok(all.every((one) => !('msteams' in one)));
      assert.deepEqual(
        all.flatMap(({ type, url }) => (type === 'Action.OpenUrl' ? [url] : [])),
        [link],
      );
      // A Teams webhook takes 28 KB.
      assert.ok(JSON.stringify(body).length < 28_000);
    }),
    runs,
  );
});

test('Mattermost finds no mention, link, image, emphasis or code in what a guest wrote', () => {
  holds(
    property(hostile, (text) => {
      const { text: said } = chatBody('mattermost', wordsFor(factsWith(text))) as { text: string };
      const guests = said.replace(`[Open the alarm](<${link}>)`, '').replaceAll('**', '');
      assert.doesNotMatch(guests, /@(?!\u200b)|<(?!\u200b)|:(?!\u200b)|(?<!\\)[`*_[\]()~!|$]/);
      assert.equal(said.split('\n').length, 8);
    }),
    runs,
  );
});

const written: readonly (readonly [string, string, string])[] = [
  ['<!channel>', '&lt;!channel&gt;', '<\u200b\\!channel\\>'],
  ['@here', '@\u200bhere', '@\u200bhere'],
  ['[a](http://e)', '[a](http:\u200b//e)', '\\[a\\]\\(http:\u200b//e\\)'],
  ['a & b', 'a &amp; b', 'a &\u200b b'],
];
for (const [text, slack, markdown] of written)
  test(`${text} is written so that it does nothing`, () => {
    assert.equal(slackText(text), slack);
    assert.equal(markdownText(text), markdown);
  });
