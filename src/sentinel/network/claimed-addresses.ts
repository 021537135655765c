// By which addresses a VM in quarantine may be asked for, when all that is known of them is the VM's own word: what it claimed on the
// wire, and what its sockets have.
//
// Why its word may be taken: naming an address lets one thing happen. A switch that hands the VM nothing that is for everybody (Open
// vSwitch) hands it the questions that management and its routers ask about that address. Nothing more is let out, nothing of anybody
// else is let in, and what the VM sends is not held against the list, so that a wrong one cuts off nobody. On a Linux bridge the VM hears
// all of those questions without being named. The answer it may send unasked, since it may speak to management: whoever claims the address
// of another machine hears a question, and can do no more than before. So that it does not hear even that, whatever is known to be
// somebody else's is left out; where a neighbour claims a VM's address, that VM has to speak first, as without any claim.
import {
  type AddressBlock,
  blockText,
  contains,
  isOfOneMachine,
  parseBlock,
} from '../../connectors/enforcement/address-block.ts';
import type { Quarantine } from '../../model/network-measure.ts';

export interface Claims {
  /** What the VM was seen to use; what comes first is named first. */
  readonly own: readonly string[];
  /** What the other VMs of this host were seen to use. */
  readonly others: readonly string[];
}

/** Each is a flow for each address of management; a guest may claim hundreds. */
export const claimedMax = 16;

export function claimedAddresses({ own, others }: Claims, { management, routers = [] }: Quarantine): readonly string[] {
  const taken = parsed([...management, ...routers]);
  const foreign = new Set(parsed(others).map((block) => blockText(block)));
  const free = parsed(own).filter((block) => isOfOneMachine(block) && !taken.some((wider) => contains(wider, block)));
  const named = new Set(free.map((block) => blockText(block)).filter((address) => !foreign.has(address)));
  return [...named].slice(0, claimedMax);
}

function parsed(texts: readonly string[]): readonly AddressBlock[] {
  return texts.flatMap((text) => parseBlock(text) ?? []);
}
