// What a VM shows that tells what it is for: the programs it runs, what it listens on, whom it serves and whom it calls, without
// how often, when and with which arguments.
import { Type, type Static } from 'typebox';
import { VmId } from './name.ts';

export const VmTrait = Type.Object({
  kind: Type.Enum(['program', 'listen', 'inbound', 'outbound']),
  what: Type.String({ maxLength: 400 }),
});
export type VmTrait = Static<typeof VmTrait>;

export const vmTraitsMax = 1000;

export const ShownTraits = Type.Object({ vm: VmId, traits: Type.Array(VmTrait, { maxItems: vmTraitsMax }) });
export type ShownTraits = Static<typeof ShownTraits>;

export function traitKey({ kind, what }: VmTrait): string {
  return `${kind} ${what}`;
}
