// The words as each chat takes them. What was written in a guest is shown as it is and does nothing: it calls nobody, links
// nowhere, formats nothing. Where a format has a kind of text that is never interpreted, that is used.
import type { Json } from '../../../kit/canonical-json.ts';
import type { Words } from './words.ts';

export type ChatKind = 'slack' | 'teams' | 'mattermost';

/** Has no width; what stands on both sides of it is one word to the eye and two to whoever looks for a mention or a link. */
const apart = '\u200b';

export function chatBody(kind: ChatKind, words: Words): Json {
  switch (kind) {
    case 'slack':
      return slackBody(words);
    case 'teams':
      return teamsBody(words);
    case 'mattermost':
      return mattermostBody(words);
  }
}

/**
 * `plain_text` is never interpreted (https://docs.slack.dev/reference/block-kit/composition-objects/text-object); `text`, shown
 * where blocks are not, is, and &, <, > are escaped in it (https://docs.slack.dev/messaging/formatting-message-text).
 */
function slackBody({ title, lines, link }: Words): Json {
  const plain = (text: string): Json => ({ type: 'section', text: { type: 'plain_text', text, emoji: false } });
  return {
    text: slackText(title),
    unfurl_links: false,
    unfurl_media: false,
    blocks: [
      plain(title),
      // A section holds 3000 characters at most.
      plain(lines.join('\n').slice(0, 2900).toWellFormed()),
      ...(link === null
        ? []
        : [{ type: 'section', text: { type: 'mrkdwn', text: `<${link.replaceAll('&', '&amp;')}|Open the alarm>` } }]),
    ],
  };
}

export function slackText(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('@', `@${apart}`)
    .replaceAll('://', `:${apart}//`);
}

/**
 * A message with one Adaptive Card, as a workflow that waits for a webhook takes it. A `TextRun` knows no Markdown
 * (https://adaptivecards.io/explorer/TextRun.html), and nobody is mentioned who is not in `msteams.entities`.
 */
function teamsBody({ title, lines, link }: Words): Json {
  const run = (text: string, weight: string): Json => ({
    type: 'RichTextBlock',
    inlines: [{ type: 'TextRun', text: text.replaceAll('://', `:${apart}//`), weight }],
  });
  const card = {
    $schema: 'http://adaptivecards.io/schemas/adaptive-card.json',
    type: 'AdaptiveCard',
    version: '1.4',
    body: [run(title, 'bolder'), ...lines.map((line) => run(line, 'default'))],
    ...(link === null ? {} : { actions: [{ type: 'Action.OpenUrl', title: 'Open the alarm', url: link }] }),
  };
  return {
    type: 'message',
    attachments: [{ contentType: 'application/vnd.microsoft.card.adaptive', contentUrl: null, content: card }],
  };
}

/** Markdown throughout: every character that could mean something is escaped (CommonMark 2.4), mentions and links are taken apart. */
function mattermostBody({ title, lines, link }: Words): Json {
  const text = [
    `**${markdownText(title)}**`,
    ...lines.map((line) => `- ${markdownText(line)}`),
    ...(link === null ? [] : [`[Open the alarm](<${link}>)`]),
  ].join('\n');
  return { text };
}

export function markdownText(text: string): string {
  return text
    .replaceAll(/[\\`*_{}[\]()#+\-.!|~>$^=]/g, (mark) => `\\${mark}`)
    .replaceAll(/[<@:&]/g, (mark) => `${mark}${apart}`)
    .replaceAll(/\b(www)\\\./gi, `$1${apart}\\.`);
}
