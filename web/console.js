// The console: what the API says, made visible. Every text that comes from a guest goes in as text, never as markup.

const settledBox = byId('settled');
const listMax = 100;
let refreshing = false;
let again = false;

/** @param {string} id */
function byId(id) {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`the page has no ${id}`);
  return element;
}

/** An element with its class and what is in it: strings become text nodes, so that nothing a guest is called can be markup. */
function make(tag, className, ...inside) {
  const element = document.createElement(tag);
  if (className !== '') element.className = className;
  element.append(...inside.filter((part) => part !== null));
  return element;
}

async function ask(path, method = 'GET', body) {
  const response = await fetch(`/api/v1${path}`, {
    method,
    headers: body === undefined ? {} : { 'content-type': 'application/json' },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const answer = await response.json();
  if (response.ok) return answer;
  throw new Error([answer.message, answer.mend].filter(Boolean).join('\n'));
}

function say(text) {
  const notice = byId('notice');
  notice.textContent = text;
  notice.hidden = text === '';
}

function shortTime(iso) {
  return new Date(iso).toLocaleString(undefined, { dateStyle: 'short', timeStyle: 'medium' });
}

function showTotals(status, held) {
  const { alarms, vms, manifests, sentinels, platforms, losses, pendingAnswers, changesOpen } = status;
  const away = sentinels.filter((sentinel) => !sentinel.attached).length;
  const unreached = platforms.filter((platform) => platform.state === 'away');
  const lost = Object.entries(losses).filter(([, count]) => count > 0);
  const totals = [
    ['open alarms', alarms.open, alarms.critical > 0],
    ['answers waiting', pendingAnswers, pendingAnswers > 0],
    ['entries waiting', held.length, held.length > 0],
    ['changes open', changesOpen, false],
    ['VMs running', vms.running, false],
    ['unreadable', vms.unreadable, vms.unreadable > 0],
    ['manifests waiting', manifests.waiting, manifests.waiting > 0],
    ['sentinels away', away, away > 0],
    ...(platforms.length === 0 ? [] : [['platforms away', unreached.length, unreached.length > 0]]),
    ['losses', lost.length, lost.length > 0],
  ];
  byId('totals').replaceChildren(
    ...totals.map(([name, count, isBad]) => {
      const pair = make('div', isBad ? 'bad' : '', make('dt', '', name), make('dd', '', String(count)));
      if (name === 'platforms away')
        pair.title = unreached.map((one) => `${one.name}: since ${shortTime(one.since)}: ${one.why}`).join('\n');
      if (name === 'losses') pair.title = lost.map(([what, count]) => `${what}: ${Math.round(count)}`).join('\n');
      return pair;
    }),
  );
}

function showScopes(scopes, vms) {
  const byVm = new Map(vms.map((vm) => [vm.id, vm]));
  const cards = scopes.map((scope) => {
    const services = scope.services.map((service) =>
      make(
        'div',
        '',
        make('h4', '', service.name),
        make(
          'ul',
          'members',
          ...service.members.map((member) => memberLine(member.name, byVm.get(member.vm))),
          ...service.awaited.map((name) => make('li', '', name, make('span', 'state waiting', 'not seen yet'))),
        ),
      ),
    );
    const heading = make('h3', '', scope.name, make('span', `mode ${scope.mode}`, scope.mode));
    return make('article', 'card scope', heading, ...services);
  });
  byId('scopes').replaceChildren(
    ...(cards.length === 0 ? [make('p', 'empty', 'None yet. Declare one with plumbline apply.')] : cards),
  );
  const unassigned = vms.filter((vm) => vm.scope === null && vm.state !== 'gone');
  byId('unassigned').replaceChildren(
    ...(unassigned.length === 0
      ? [make('li', 'empty', 'Every VM has its place.')]
      : unassigned.map((vm) => memberLine(vm.name, vm))),
  );
}

function memberLine(name, vm) {
  if (vm === undefined) return make('li', '', name, make('span', 'state waiting', 'unknown'));
  const waits = vm.delivery !== null && vm.delivery.state === 'waiting';
  const state = [
    vm.state,
    vm.platform === undefined ? null : `unwatched, on ${vm.platform}`,
    vm.delivery === null ? null : waits ? 'manifest on its way' : `manifest ${vm.delivery.generation}`,
    vm.trace === undefined ? null : vm.trace.state === 'tracing' ? 'traced' : `trace ${vm.trace.state}`,
    vm.openAlarms > 0 ? `${vm.openAlarms} open` : null,
  ];
  const shown = make('span', `state ${vm.state}${waits ? ' waiting' : ''}`, state.filter(Boolean).join(', '));
  shown.title = vm.why ?? vm.delivery?.why ?? vm.trace?.why ?? '';
  return make('li', '', name, shown, vm.held === undefined ? null : heldLine(vm));
}

/** The VM stands still because of this, until somebody answers. */
function heldLine({ id, name, held }) {
  const bar = make(
    'div',
    'actions',
    make('span', 'state executing', `held until ${shortTime(held.until)}: ${held.what}`),
  );
  for (const answer of ['allow', 'block', 'kill'])
    bar.append(
      button(
        answer,
        async () => {
          if (window.confirm(`${answer} on ${name}: ${held.what}?`))
            await ask(`/vms/${encodeURIComponent(id)}/release`, 'POST', { answer });
        },
        answer === 'block',
      ),
    );
  return bar;
}

/** Entries that stand in no manifest until somebody decides; the page shows the most dangerous. */
const heldMax = 50;

function showHeld(held) {
  byId('held-heading').hidden = held.length === 0;
  byId('held').replaceChildren(
    ...held.slice(0, heldMax).map((entry) =>
      make(
        'li',
        '',
        make('code', '', `${entry.scope}/${entry.service}`),
        ` ${sayBehaviour(entry.behaviour)}`,
        make('div', 'state waiting', entry.why),
        make(
          'div',
          'actions',
          button('accept', () => decide(entry, 'accepted'), false),
          button('reject', () => decide(entry, 'rejected'), false),
        ),
      ),
    ),
  );
}

function sayBehaviour({ kind, exe, argv, proto, peer, port }) {
  if (kind === 'process') return `${exe}: ${argv.join(' ')}`;
  return [exe, kind, proto, peer, `port ${port}`].filter(Boolean).join(' ');
}

async function decide({ id, scope, service, behaviour }, verdict) {
  const path = `/scopes/${encodeURIComponent(scope)}/services/${encodeURIComponent(service)}/held-entries`;
  if (window.confirm(`${verdict} for ${scope}/${service}: ${sayBehaviour(behaviour)}?`))
    await ask(path, 'POST', { entries: [id], verdict });
}

function showAlarms(details) {
  byId('alarms').replaceChildren(
    ...(details.length === 0
      ? [make('li', 'empty', 'Nothing is out of true.')]
      : details.map((detail) => make('li', '', alarmCard(detail)))),
  );
  lookAtNamed();
}

/** A link that somebody was sent names one alarm; it is brought into view once. */
let named = location.hash.slice(1);
function lookAtNamed() {
  const card = named === '' ? null : byId(named);
  card?.scrollIntoView();
  if (card !== null) named = '';
}

function alarmCard({ alarm, remediations, pending, settled }) {
  const where = alarm.scope === null ? 'unassigned' : `${alarm.scope}/${alarm.service}`;
  const card = make(
    'article',
    `card ${alarm.severity}`,
    make(
      'header',
      '',
      make('span', 'word', alarm.kind === 'guard' ? `${alarm.severity}, Plumbline itself` : alarm.severity),
      make('span', '', `${alarm.vmName} (${where})`),
      make('span', '', `${shortTime(alarm.lastAt)}, ${alarm.count === 1 ? 'once' : `${alarm.count} times`}`),
      make('code', '', alarm.id),
    ),
    make('h3', '', alarm.title),
    ...explanation(alarm.finding),
    answers(remediations, pending, settled, alarm.status),
    alarm.status === 'open' ? actions(alarm, pending) : null,
  );
  card.id = `alarm=${alarm.id}`;
  if (alarm.status !== 'open') card.dataset.settled = alarm.status;
  return card;
}

function explanation(finding) {
  if (finding === null) return [];
  const { nearest } = finding.deviation;
  const differs =
    nearest === null
      ? ['Nothing of this kind is allowed.']
      : nearest.differences.map(({ field, allowed, seen }) => `${field}: allowed ${allowed}, seen ${seen}`);
  return [
    make('ul', 'differs', ...differs.map((text) => make('li', '', text))),
    make('ul', 'why', ...finding.reasons.map(({ points, text }) => make('li', '', `+${points} ${text}`))),
  ];
}

function answers(remediations, pending, settled, status) {
  const lines = [
    ...remediations.map((remediation) => {
      const { step, state, by, evidence } = remediation;
      return make(
        'li',
        '',
        `${step.call === undefined ? step.action : `${step.action} ${step.call}`} by ${by}: `,
        make('span', state, state),
        evidence === '' ? '' : ` (${evidence})`,
      );
    }),
    ...waitingPlans(pending).map(planLine),
    ...(settled === null ? [] : [make('li', '', `${status} by ${settled.by}, ${shortTime(settled.at)}`)]),
  ];
  return make('ul', 'answers', ...lines);
}

/** Steps of one plan are agreed to together: its id, and what it would do in which order. */
function waitingPlans(pending) {
  const waiting = new Map();
  for (const { plan, action, answeredBy } of pending)
    if (answeredBy === null) waiting.set(plan, [...(waiting.get(plan) ?? []), action]);
  return [...waiting];
}

function planLine([plan, steps]) {
  return make(
    'li',
    'executing',
    `a rule proposes: ${steps.join(', then ')} `,
    button('approve', () => ask(`/plans/${plan}/approve`, 'POST'), true),
    button('deny', () => ask(`/plans/${plan}/deny`, 'POST'), false),
  );
}

function actions(alarm, pending) {
  const proposed = new Set(pending.filter((answer) => answer.answeredBy === null).map((answer) => answer.action));
  const bar = make('div', 'actions');
  if (alarm.kind === 'deviation') bar.append(button('allow', () => allow(alarm), false));
  for (const action of [
    'suspend',
    'resume',
    'snapshot',
    'memory-dump',
    'cut-link',
    'restore-link',
    'revert',
    're-image',
    'undo-re-image',
    'save',
    'undo-save',
    'power-off',
  ])
    bar.append(button(action, () => respond(alarm, action), proposed.has(action)));
  bar.append(button('close', () => ask(`/alarms/${alarm.id}/close`, 'POST'), false));
  return bar;
}

function button(text, act, isWanted) {
  const element = make('button', isWanted ? 'wanted' : '', text);
  element.type = 'button';
  element.addEventListener('click', async () => {
    element.disabled = true;
    try {
      await act();
      say('');
    } catch (thrown) {
      say(thrown.message);
    }
    element.disabled = false;
    void refresh();
  });
  return element;
}

async function allow(alarm) {
  const path = `/alarms/${alarm.id}/allow`;
  const preview = await ask(path, 'POST', { preview: true });
  const entries = preview.entries.map((entry) => `  ${entry.admits}`).join('\n');
  const members = preview.members.map((member) => member.name).join(', ');
  const question = `Allow on ${members}:\n\n${entries}\n\n${preview.notes.join('\n')}`;
  if (window.confirm(question)) await ask(path, 'POST', {});
}

async function respond(alarm, action) {
  const path = `/alarms/${alarm.id}/respond`;
  if (action === 'revert') {
    const snapshot = window.prompt(`Which snapshot is ${alarm.vmName} to go back to? What happened since is lost.`, '');
    if (snapshot) await ask(path, 'POST', { action, snapshot });
  } else if (window.confirm(`${action} ${alarm.vmName}?`)) await ask(path, 'POST', { action });
}

/** One refresh at a time; what happens meanwhile asks for one more. */
async function refresh() {
  again = true;
  if (refreshing) return;
  refreshing = true;
  while (again) {
    again = false;
    try {
      const filter = settledBox.checked ? '' : '&status=open';
      const [status, scopes, vms, held, alarms] = await Promise.all([
        ask('/status'),
        ask('/scopes'),
        ask('/vms'),
        ask('/held-entries'),
        ask(`/alarms?limit=${listMax}${filter}`),
      ]);
      const details = await Promise.all(alarms.items.map(detailOf));
      showTotals(status, held);
      showHeld(held);
      showScopes(scopes, vms);
      showAlarms(details);
    } catch (thrown) {
      say(thrown.message);
    }
    // A flood of events becomes a few refreshes.
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
  refreshing = false;
}

/** An alarm whose answers are unknown to this page yet is asked for; details of an unchanged one are kept. */
const known = new Map();
async function detailOf(alarm) {
  const state = JSON.stringify([alarm.status, alarm.count, alarm.remediations]);
  const kept = known.get(alarm.id);
  if (kept !== undefined && kept.state === state && !kept.isStale) return kept.detail;
  const detail = await ask(`/alarms/${alarm.id}`);
  if (known.size > 1000) known.clear();
  known.set(alarm.id, { state, detail, isStale: false });
  return detail;
}

function listen() {
  const line = byId('line');
  const events = new EventSource('/api/v1/events');
  events.addEventListener('open', () => {
    line.dataset.state = 'live';
    line.textContent = 'live';
    known.clear();
    void refresh();
  });
  events.addEventListener('error', () => {
    line.dataset.state = 'broken';
    line.textContent = 'no connection to the manager, trying again';
  });
  events.addEventListener('message', ({ data }) => {
    const announcement = JSON.parse(data);
    const alarm = announcement.alarm?.id ?? announcement.remediation?.alarm;
    const kept = known.get(alarm);
    if (kept !== undefined) kept.isStale = true;
    void refresh();
  });
}

settledBox.addEventListener('change', () => void refresh());
listen();
