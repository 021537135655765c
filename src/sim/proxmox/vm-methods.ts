// The methods of the made-up Proxmox VE on VMs, after qemu-server's API2/Qemu.pm and pve-guest-common's AbstractConfig.pm.
import type { Json } from '../../kit/canonical-json.ts';
import {
  anyText,
  type ApiMethod,
  type Asked,
  atMost,
  digestText,
  flag,
  ofVm,
  oneOf,
  Refusal,
  snapshotName,
} from './api-method.ts';
import { configDigest, type FakeVm, isLinkDown, netOf, startProcess } from './cluster.ts';

const audit = { path: '/vms/{vmid}', privileges: ['VM.Audit'] };
const power = { path: '/vms/{vmid}', privileges: ['VM.PowerMgmt'] };
const snapshots = { path: '/vms/{vmid}', privileges: ['VM.Snapshot'] };

export const vmMethods: readonly ApiMethod[] = [
  { verb: 'GET', path: 'cluster/resources', optional: { type: oneOf('vm', 'node', 'storage') }, run: resources },
  { verb: 'GET', path: 'nodes/{node}/qemu', optional: { full: flag }, run: vmsOfNode },
  {
    verb: 'GET',
    path: `${ofVm}/config`,
    needs: audit,
    optional: { current: flag, snapshot: snapshotName },
    run: ({ vm, given }) => configOf(vm, given['current'] === '1'),
  },
  {
    verb: 'GET',
    path: `${ofVm}/pending`,
    needs: audit,
    run: ({ vm }) => [
      ...[...vm.settings].map(([key, value]) => ({
        key,
        value,
        ...(vm.pending.has(key) ? { pending: vm.pending.get(key) ?? '' } : {}),
      })),
      { key: 'digest', value: configDigest(vm) },
    ],
  },
  {
    verb: 'PUT',
    path: `${ofVm}/config`,
    optional: { description: atMost(8192), name: anyText, tags: anyText, digest: digestText, delete: anyText },
    others: (name) =>
      /^net([0-9]|[12][0-9]|3[01])$/.test(name) ? (value) => (netOf(value) === null ? 'invalid format' : null) : null,
    run: setConfig,
  },
  { verb: 'GET', path: `${ofVm}/status/current`, needs: audit, run: ({ vm }) => statusOf(vm, true) },
  {
    verb: 'POST',
    path: `${ofVm}/status/suspend`,
    needs: power,
    optional: { todisk: flag, skiplock: flag, statestorage: anyText },
    run: (asked) => {
      noSkippedLock(asked);
      if (!asked.vm.isRunning) throw new Refusal(500, `VM ${asked.vm.number} not running`);
      return asked.task('qmpause', () => {
        if (asked.vm.lock !== 'backup') checkLock(asked.vm);
        asked.vm.qemu = 'paused';
      });
    },
  },
  {
    verb: 'POST',
    path: `${ofVm}/status/resume`,
    needs: power,
    optional: { skiplock: flag, nocheck: flag },
    run: (asked) => {
      const { vm, cluster } = asked;
      noSkippedLock(asked);
      if (!vm.isRunning && vm.lock !== 'suspended') throw new Refusal(500, `VM ${vm.number} not running`);
      return asked.task('qmresume', () => {
        if (vm.lock === 'suspended') {
          vm.lock = null;
          startProcess(cluster, vm);
        } else if (vm.lock !== 'backup') checkLock(vm);
        vm.qemu = 'running';
      });
    },
  },
  {
    verb: 'POST',
    path: `${ofVm}/status/stop`,
    needs: power,
    optional: { timeout: anyText, skiplock: flag, keepActive: flag, 'overrule-shutdown': flag },
    run: (asked) => {
      noSkippedLock(asked);
      // High availability ends the VM in a later round; the task says only that it was told.
      const work = (): void => {
        checkLock(asked.vm);
        asked.vm.isRunning = false;
        asked.vm.qemu = 'stopped';
      };
      if (asked.vm.isHighlyAvailable) return asked.task('hastop', () => void asked.task('qmstop', work));
      return asked.task('qmstop', work);
    },
  },
  {
    verb: 'GET',
    path: `${ofVm}/feature`,
    needs: audit,
    required: { feature: oneOf('snapshot', 'clone', 'copy') },
    run: ({ vm, given }) => ({ hasFeature: given['feature'] === 'snapshot' && vm.canSnapshot ? 1 : 0, nodes: [] }),
  },
  { verb: 'GET', path: `${ofVm}/snapshot`, needs: audit, run: ({ vm }) => listSnapshots(vm) },
  {
    verb: 'POST',
    path: `${ofVm}/snapshot`,
    needs: snapshots,
    required: { snapname: snapshotName },
    optional: { vmstate: flag, description: anyText },
    run: takeSnapshot,
  },
  {
    verb: 'POST',
    path: `${ofVm}/snapshot/{snapname}/rollback`,
    needs: snapshots,
    optional: { start: flag },
    run: rollback,
  },
  {
    verb: 'GET',
    path: `${ofVm}/agent/network-get-interfaces`,
    needs: { path: '/vms/{vmid}', privileges: ['VM.GuestAgent.Audit'] },
    run: ({ vm }) => {
      if (vm.agentAddresses === null) throw new Refusal(500, 'QEMU guest agent is not running');
      const addresses = vm.agentAddresses.map((address) => ({ 'ip-address': address, 'ip-address-type': 'ipv4' }));
      return { result: [{ name: 'eth0', 'ip-addresses': addresses }] };
    },
  },
];

function noSkippedLock({ given }: Asked): void {
  if (given['skiplock'] === '1')
    throw new Refusal(400, 'Parameter verification failed.', { skiplock: 'Only root may use this option.' });
}

function checkLock({ lock }: FakeVm): void {
  if (lock !== null) throw new Refusal(500, `VM is locked (${lock})`);
}

function resources({ cluster, may }: Asked): Json {
  return [...cluster.vms.values()]
    .filter((vm) => may(`/vms/${vm.number}`, 'VM.Audit'))
    .map((vm) => ({
      id: `qemu/${vm.number}`,
      type: 'qemu',
      vmid: Number(vm.number),
      node: vm.node,
      name: vm.settings.get('name') ?? '',
      status: cluster.nodes.get(vm.node) !== true ? 'unknown' : vm.isRunning ? 'running' : 'stopped',
      template: Number(vm.settings.get('template') ?? 0),
      ...(vm.settings.has('tags') ? { tags: vm.settings.get('tags') ?? '' } : {}),
    }));
}

function vmsOfNode({ cluster, given, may }: Asked): Json {
  return [...cluster.vms.values()]
    .filter((vm) => vm.node === given['node'] && may(`/vms/${vm.number}`, 'VM.Audit'))
    .map((vm) => statusOf(vm, given['full'] === '1'));
}

function statusOf(vm: FakeVm, isFull: boolean): { readonly [key: string]: Json } {
  return {
    vmid: Number(vm.number),
    name: vm.settings.get('name') ?? '',
    status: vm.isRunning ? 'running' : 'stopped',
    ...(vm.isRunning ? { pid: vm.pid } : {}),
    ...(isFull ? { qmpstatus: vm.isRunning ? vm.qemu : 'stopped' } : {}),
    ...(vm.lock === null ? {} : { lock: vm.lock }),
  };
}

function configOf(vm: FakeVm, isCurrent: boolean): Json {
  const said = new Map([...vm.settings, ...(isCurrent ? [] : vm.pending)]);
  const notes = said.get('description');
  // Every line of the notes ends with a break when it is read from the file.
  if (notes !== undefined) said.set('description', notes.endsWith('\n') ? notes : `${notes}\n`);
  if (vm.lock !== null) said.set('lock', vm.lock);
  return { ...Object.fromEntries(said), digest: configDigest(vm) };
}

function setConfig({ vm, given, need }: Asked): Json {
  const { digest, delete: deleted = '', node: _node, vmid: _vmid, ...changes } = given;
  const gone = deleted.split(',').filter((name) => name !== '');
  for (const name of [...Object.keys(changes), ...gone])
    need(`/vms/${vm.number}`, [name.startsWith('net') ? 'VM.Config.Network' : 'VM.Config.Options']);
  if (Object.keys(changes).length + gone.length === 0) throw new Refusal(500, 'no options specified');
  if (digest !== undefined && digest !== '' && digest !== configDigest(vm))
    throw new Refusal(500, 'checksum mismatch (file change by other user?)');
  checkLock(vm);
  for (const name of gone) vm.settings.delete(name);
  for (const [name, value] of Object.entries(changes)) {
    if (name.startsWith('net') && vm.isRunning) changeCard(vm, name, value);
    else vm.settings.set(name, value);
  }
  return null;
}

/** qemu-server's vmconfig_update_net: a link changes at once; what changes more pulls the card, or waits for a restart. */
function changeCard(vm: FakeVm, card: string, value: string): void {
  const [old, wanted] = [netOf(vm.settings.get(card) ?? ''), netOf(value)];
  const isSame = ['model', 'macaddr', 'queues', 'mtu'].every((key) => old?.get(key) === wanted?.get(key));
  if (!isSame || old?.get('bridge') === undefined || wanted?.get('bridge') === undefined) {
    if (!(vm.settings.get('hotplug') ?? 'network,disk,usb').includes('network')) {
      vm.pending.set(card, value);
      return;
    }
    vm.replugs += 1;
  }
  vm.pending.delete(card);
  vm.settings.set(card, value);
  vm.links.set(card, !isLinkDown(vm.settings, card));
}

function listSnapshots(vm: FakeVm): Json {
  const made = [...vm.snapshots].map(([name, { parent, hasMemory, time, unfinished }]) => ({
    name,
    snaptime: time,
    vmstate: hasMemory ? 1 : 0,
    description: '',
    ...(parent === null ? {} : { parent }),
    ...(unfinished === undefined ? {} : { snapstate: unfinished }),
  }));
  const here = { name: 'current', digest: configDigest(vm), running: vm.isRunning ? 1 : 0 };
  return [...made, { ...here, ...(vm.parent === null ? {} : { parent: vm.parent }) }];
}

function takeSnapshot({ vm, given, task }: Asked): Json {
  const name = given['snapname'] ?? '';
  if (name === 'current' || name.toLowerCase() === 'pending')
    throw new Refusal(500, `unable to use snapshot name '${name}' (reserved name)`);
  const hasMemory = given['vmstate'] === '1' && vm.isRunning;
  return task('qmsnapshot', () => {
    checkLock(vm);
    if (vm.snapshots.has(name)) throw new Refusal(500, `snapshot name '${name}' already used`);
    if (!vm.canSnapshot) throw new Refusal(500, 'snapshot feature is not available');
    const settings = new Map(vm.settings);
    vm.snapshots.set(name, { settings, parent: vm.parent, hasMemory, time: vm.snapshots.size + 1 });
    vm.parent = name;
  });
}

/** The cards come back as they were, the notes stay (AbstractConfig's __snapshot_apply_config). */
function rollback({ cluster, vm, given, task }: Asked): Json {
  const name = given['snapname'] ?? '';
  return task('qmrollback', () => {
    const snapshot = vm.snapshots.get(name);
    if (snapshot === undefined) throw new Refusal(500, `snapshot '${name}' does not exist`);
    if (snapshot.unfinished !== undefined)
      throw new Refusal(500, `unable to rollback to incomplete snapshot (snapstate = ${snapshot.unfinished})`);
    checkLock(vm);
    const notes = vm.settings.get('description');
    vm.settings = new Map(snapshot.settings);
    vm.settings.delete('description');
    if (notes !== undefined) vm.settings.set('description', notes);
    vm.parent = name;
    Object.assign(vm, { isRunning: false, qemu: 'stopped' });
    if (snapshot.hasMemory || given['start'] === '1') startProcess(cluster, vm);
  });
}
