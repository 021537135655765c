// Which VM a hardware address or a network address belongs to: hardware addresses from the hypervisor, network addresses as the
// VM itself claims them on the wire.
import { RecentMap } from '../../kit/recent-map.ts';

/** Of all VMs together; a guest that claims many pushes out claims nobody used for longest. */
const addressesMax = 16_384;
const addressesPerVmMax = 256;

export class VmDirectory {
  #byMac = new Map<string, string>();
  readonly #byAddress = new RecentMap<string, string>(addressesMax);
  readonly #claims = new Map<string, Set<string>>();
  #refused = 0;

  /** Claims of VMs that claim more addresses than one is believed to have. */
  get refused(): number {
    return this.#refused;
  }

  /** Replaces what was known of hardware addresses; what a VM that is gone has claimed is forgotten. */
  assign(macs: ReadonlyMap<string, string>): void {
    this.#byMac = new Map(macs);
    const vms = new Set(macs.values());
    for (const vm of this.#claims.keys()) {
      if (vms.has(vm)) continue;
      this.#claims.delete(vm);
    }
    for (const [address, vm] of this.#byAddress.entries()) if (!vms.has(vm)) this.#byAddress.delete(address);
  }

  vmOf(mac: string): string | null {
    return this.#byMac.get(mac) ?? null;
  }

  claim(vm: string, address: string): void {
    const claims = this.#claims.get(vm) ?? new Set();
    this.#claims.set(vm, claims);
    if (claims.size >= addressesPerVmMax && !claims.has(address)) {
      this.#refused += 1;
      return;
    }
    claims.add(address);
    this.#byAddress.set(address, vm);
  }

  /** The VM sent from this address, which may be its own or one it forwards for. */
  spoke(vm: string, address: string): void {
    this.#byAddress.set(address, vm);
  }

  vmAt(address: string): string | null {
    return this.#byAddress.get(address) ?? null;
  }

  claimsOf(vm: string): ReadonlySet<string> {
    return this.#claims.get(vm) ?? new Set();
  }
}
