// What a call is told: the alarm with its reasons, the VM, and the plan it is a step of. The same for every kind of call; a
// receiver outside reads it, so that a field is never taken away or given another meaning within a version.
import { Type, type Static } from 'typebox';
import { AlarmKind } from './alarm.ts';
import { Severity } from './finding.ts';
import { IsoTime } from './name.ts';
import { planStates, StepState } from './plan.ts';

export const callFactsVersion = 1;

const orNull = <T extends Parameters<typeof Type.Union>[0][number]>(type: T) => Type.Union([type, Type.Null()]);
const Text = (maxLength: number, description?: string) =>
  Type.String({ maxLength, ...(description === undefined ? {} : { description }) });

/** What stands in names, arguments and titles was written inside a guest, by whoever holds it. */
export const CallFacts = Type.Object(
  {
    version: Type.Literal(callFactsVersion),
    id: Text(64, 'the same for every attempt at this call: what came twice is known by it'),
    call: Text(64, 'name of the call in the configuration of the manager'),
    at: IsoTime,
    vm: Type.Object({
      id: Text(256),
      name: Text(256),
      scope: orNull(Text(64)),
      service: orNull(Text(64)),
    }),
    alarm: orNull(
      Type.Object({
        id: Text(64),
        kind: AlarmKind,
        title: Text(1000),
        severity: Severity,
        risk: Type.Number(),
        firstAt: IsoTime,
        lastAt: IsoTime,
        count: Type.Integer({ minimum: 1 }),
        reasons: Type.Array(Text(500), { maxItems: 20, description: 'the heaviest first' }),
        activity: orNull(
          Type.Object({
            kind: Type.Enum(['process', 'outbound', 'inbound', 'listen']),
            executable: orNull(Text(1024)),
            arguments: Type.Array(Text(1024), { maxItems: 32 }),
            peer: orNull(Text(64, 'address of the other side')),
            port: orNull(Type.Integer()),
            protocol: orNull(Text(8)),
          }),
        ),
      }),
    ),
    plan: Type.Object({
      id: Text(64),
      by: Text(256, 'the person who asked for it, or rules'),
      why: Text(1000),
      state: Type.Enum([...planStates]),
      steps: Type.Array(
        Type.Object({
          action: Text(32, 'suspend, quarantine, call and the like; more may come within a version'),
          call: orNull(Text(64)),
          state: StepState,
        }),
        { maxItems: 16 },
      ),
    }),
    console: orNull(Text(2000, 'where the alarm is looked at')),
  },
  { additionalProperties: false },
);
export type CallFacts = Static<typeof CallFacts>;
