// Keeps handing manifests and withdrawals to the sentinels until each has confirmed the newest generation. Knows no policy:
// what is to be in force stands in the store.
import { problem, sayProblem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import type { Delivery } from '../../model/delivery.ts';
import type { Desk } from '../desk.ts';
import { appendAudit } from '../store/audit.ts';
import { issueOf, listDeliveries, saveInstalled, saveNotInstalled } from '../store/issues.ts';
import { sentinelOfVm } from '../store/vms.ts';
import { isoTime } from '../../kit/clock.ts';

export interface Deliverer {
  /** Something is to be delivered, or somebody to deliver to appeared. */
  wake(): void;
  /** A sentinel started: what it held may be gone, so everything of its VMs is handed over again. */
  greet(sentinel: string): void;
  close(): Promise<void>;
}

const retryMsFirst = 500;
const retryMsMax = 30_000;

export function startDelivery(desk: Desk): Deliverer {
  let timer: NodeJS.Timeout | null = null;
  let running: Promise<void> | null = null;
  let wanted = false;
  let closed = false;
  let retryMs = retryMsFirst;
  /** By VM: the generation this process knows its sentinel to hold. Begins empty, so that a restart asks again. */
  const confirmed = new Map<string, number>();

  const stopListening = desk.announcements.listen((announcement) => {
    // A delivery that says why it waits has been tried already; its turn comes with the timer.
    const isNew =
      announcement.kind === 'delivery' &&
      announcement.delivery.attempts === 0 &&
      announcement.delivery.state === 'waiting';
    if (isNew || announcement.kind === 'inventory') wake();
  });

  function wake(): void {
    wanted = true;
    if (timer !== null) clearTimeout(timer);
    timer = null;
    if (running !== null || closed) return;
    running = run().finally(() => {
      running = null;
      if (wanted && !closed) wake();
    });
  }

  async function run(): Promise<void> {
    // A turn of the event loop, so that what one transaction announces is taken together.
    await new Promise((resolve) => setImmediate(resolve));
    wanted = false;
    const allDone = await deliverAll(desk, confirmed);
    if (allDone || closed) {
      retryMs = retryMsFirst;
      return;
    }
    timer = setTimeout(wake, retryMs).unref();
    retryMs = Math.min(retryMs * 2, retryMsMax);
  }

  return {
    wake,
    greet(sentinel) {
      void forgetConfirmed(desk, confirmed, sentinel).then(wake);
    },
    async close() {
      closed = true;
      stopListening();
      if (timer !== null) clearTimeout(timer);
      await running;
    },
  };
}

async function forgetConfirmed(desk: Desk, confirmed: Map<string, number>, sentinel: string): Promise<void> {
  const rows = await desk.store.read(
    async (db) => await db.selectFrom('vms').select('id').where('sentinel', '=', sentinel).execute(),
  );
  if (rows.ok) for (const { id } of rows.value) confirmed.delete(id);
}

/** False = something could not be delivered that may be tried again. */
async function deliverAll(desk: Desk, confirmed: Map<string, number>): Promise<boolean> {
  const deliveries = await desk.store.read(listDeliveries);
  if (!deliveries.ok) return false;
  let allDone = true;
  for (const delivery of deliveries.value) {
    if (confirmed.get(delivery.vm) === delivery.generation) continue;
    const installed = await deliverOne(desk, delivery);
    if (installed === 'unreachable') continue;
    if (installed === 'confirmed') confirmed.set(delivery.vm, delivery.generation);
    else allDone = false;
  }
  return allDone;
}

async function deliverOne(desk: Desk, delivery: Delivery): Promise<'confirmed' | 'refused' | 'unreachable'> {
  const found = await desk.store.read(async (db) => ({
    sentinel: await sentinelOfVm(db, delivery.vm),
    issue: await issueOf(db, delivery.vm, delivery.generation),
  }));
  if (!found.ok || found.value.issue === null) return 'refused';
  const end = found.value.sentinel === null ? null : desk.sentinels.find(found.value.sentinel);
  if (end === null) {
    const why =
      found.value.sentinel === null ? 'no host runs this VM' : `sentinel ${found.value.sentinel} is not connected`;
    if (delivery.why !== why) await noteRefusal(desk, delivery, why);
    return 'unreachable';
  }
  const installed = await end.install(found.value.issue.envelope).catch(() => answerless(end.sentinel));
  const outcome = judge(installed, delivery);
  if (outcome.ok) {
    await noteInstalled(desk, delivery, end.sentinel);
    return 'confirmed';
  }
  await noteRefusal(desk, delivery, sayProblem(outcome.error));
  return 'refused';
}

function answerless(sentinel: string): Result<number> {
  return fail(problem('failed', `Sentinel ${sentinel} broke off.`));
}

function judge(installed: Result<number>, delivery: Delivery): Result<null> {
  if (!installed.ok) return installed;
  if (installed.value === delivery.generation) return ok(null);
  return fail(
    problem(
      'refused',
      `The sentinel holds generation ${installed.value} where ${delivery.generation} was sent.`,
      'Was the manager put back to an older state? Change the scope once to issue a higher generation.',
    ),
  );
}

async function noteInstalled(desk: Desk, delivery: Delivery, sentinel: string): Promise<void> {
  // Confirming what was confirmed already (after a restart) is no news.
  if (delivery.state === 'installed') return;
  const saved = await desk.store.write(async (db) => {
    await appendAudit(db, {
      at: isoTime(desk.clock.now()),
      by: `sentinel ${sentinel}`,
      verb: `${delivery.kind}.install`,
      subject: delivery.vm,
      outcome: 'done',
      detail: `generation ${delivery.generation}`,
    });
    return ok(await saveInstalled(db, delivery.vm, delivery.generation));
  });
  if (saved.ok && saved.value !== null) tell(desk, saved.value);
}

async function noteRefusal(desk: Desk, delivery: Delivery, why: string): Promise<void> {
  const saved = await desk.store.write(async (db) => ok(await saveNotInstalled(db, delivery.vm, why)));
  if (saved.ok && saved.value !== null && delivery.why !== why) tell(desk, saved.value);
}

function tell(desk: Desk, delivery: Delivery): void {
  desk.announcements.publish({ kind: 'delivery', delivery });
}
