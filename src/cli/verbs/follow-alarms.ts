// `alarms --follow`: those there are, the oldest first, then each one that is new or changes, until somebody stops it.
import { ok, type Result } from '../../kit/result.ts';
import type { Alarm } from '../../model/alarm.ts';
import type { Client } from '../../client/connect.ts';
import { printAlarmLine } from '../print/alarms.ts';
import type { Run } from '../run.ts';
import { concerns, type AlarmFilter } from './alarm-filter.ts';
import { collect } from './paging.ts';

export async function followAlarms(
  run: Run,
  manager: Client,
  filter: AlarmFilter,
  limit: number,
): Promise<Result<null>> {
  const stream = manager.events(run.shell.stop);
  // Asked for before the list, so that nothing falls between the two.
  let coming = stream.next();
  const known = await collect(limit, async (page) => await manager.listAlarms({ ...filter, ...page }));
  if (!known.ok) return known;
  const vm = filter.vm === undefined ? ok(null) : await manager.getVm({ vm: filter.vm });
  if (!vm.ok) return vm;
  for (const alarm of known.value.items.toReversed()) tell(run, alarm);
  for (;;) {
    const event = await coming;
    if (event.done === true) return ok(null);
    if (!event.value.ok) return event.value;
    const told = event.value.value;
    if (told.kind === 'alarm' && concerns(filter, vm.value?.id ?? null, told.alarm)) tell(run, told.alarm);
    coming = stream.next();
  }
}

function tell(run: Run, alarm: Alarm): void {
  run.say({ value: alarm, text: (page) => printAlarmLine(alarm, page) });
}
