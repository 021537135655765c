// What a person is told: one title, some lines, where to look. Plain text; how it is written for a mail or a chat is theirs.
import type { CallFacts } from '../../../model/call-facts.ts';
import { plainText } from '../plain-text.ts';

export interface Words {
  readonly title: string;
  readonly lines: readonly string[];
  /** From the configuration, with an id of ours: nothing of it was written in a guest. */
  readonly link: string | null;
}

const titleLengthMax = 200;
const lineLengthMax = 500;
const reasonsMax = 8;

export function wordsFor({ alarm, vm, plan, console: link }: CallFacts): Words {
  const place = vm.scope === null ? '' : ` of ${vm.scope}/${vm.service ?? ''}`;
  const title = alarm === null ? plan.why : `${alarm.severity}: ${alarm.title}`;
  const steps = plan.steps.filter(({ call }) => call === null).map(({ action, state }) => `${action} ${state}`);
  const lines = [
    `VM ${vm.name} (${vm.id})${place}`,
    ...(alarm === null
      ? []
      : [
          `risk ${alarm.risk}, seen ${alarm.count} times, first ${alarm.firstAt}, last ${alarm.lastAt}`,
          ...alarm.reasons.slice(0, reasonsMax).map((reason) => `because ${reason}`),
          ...(alarm.reasons.length > reasonsMax ? [`and ${alarm.reasons.length - reasonsMax} more reasons`] : []),
        ]),
    ...(steps.length === 0 ? [] : [`answered by ${steps.join(', ')}`]),
    `plan ${plan.id} of ${plan.by}${alarm === null ? '' : `, alarm ${alarm.id}`}`,
  ];
  return {
    title: plainText(`${title} (${vm.name})`, titleLengthMax),
    lines: lines.map((line) => plainText(line, lineLengthMax)),
    link,
  };
}
