// What a VM on a switched segment might send and be sent, as frames: all that a quarantine has to stop, and all that it must not.
import { arpRequest, broadcastMac, datagram, neighbourSolicitation, strangeFrame } from './frames.ts';
import { type Machine, type Place, places } from './switched-segment.ts';

export interface SegmentFrame {
  readonly by: Machine;
  readonly to: Machine;
  readonly bytes: string;
}

export interface SegmentFrames {
  /** Whatever a VM in quarantine might try, and what might try to reach it. */
  readonly forbidden: Readonly<Record<string, SegmentFrame>>;
  readonly permitted: Readonly<Record<string, SegmentFrame>>;
  readonly others: Readonly<Record<string, SegmentFrame>>;
}

const { peer, management } = places;
const six = (place: Place): { mac: string; address: string } => ({ mac: place.mac, address: place.address6 });
const at = (mac: string, address: string): { mac: string; address: string } => ({ mac, address });

/** Of the VM that is at this place; management is the segment's. */
export function segmentFrames(vm: Place): SegmentFrames {
  return { forbidden: forbiddenOf(vm), permitted: permittedOf(vm), others };
}

function forbiddenOf(vm: Place): SegmentFrames['forbidden'] {
  return {
    'to a peer': { by: 'vm', to: 'peer', bytes: datagram({ from: vm, to: peer }, [4000, 80]) },
    'to a peer, TCP': { by: 'vm', to: 'peer', bytes: datagram({ from: vm, to: peer }, [4000, 80], 'tcp') },
    'to a peer by IPv6': { by: 'vm', to: 'peer', bytes: datagram({ from: six(vm), to: six(peer) }, [4000, 80]) },
    'to a peer, tagged': { by: 'vm', to: 'peer', bytes: datagram({ from: vm, to: peer }, [4000, 80], 'udp', 5) },
    'to everybody': {
      by: 'vm',
      to: 'peer',
      bytes: datagram({ from: vm, to: at(broadcastMac, '255.255.255.255') }, [68, 67]),
    },
    'to everybody, as if to management': {
      by: 'vm',
      to: 'peer',
      bytes: datagram({ from: vm, to: at(broadcastMac, management.address) }, [4000, 80]),
    },
    'from another address to management': {
      by: 'vm',
      to: 'management',
      bytes: datagram({ from: at(vm.mac, '10.88.0.9'), to: management }, [4000, 80]),
    },
    'from another hardware address': {
      by: 'vm',
      to: 'peer',
      bytes: datagram({ from: at('52:54:00:88:00:99', vm.address), to: peer }, [4000, 80]),
    },
    'from another hardware address to management': {
      by: 'vm',
      to: 'management',
      bytes: datagram({ from: at('52:54:00:88:00:99', vm.address), to: management }, [4000, 80]),
    },
    'who has the peer': { by: 'vm', to: 'peer', bytes: arpRequest(vm, peer.address) },
    'who has the peer, IPv6': { by: 'vm', to: 'peer', bytes: neighbourSolicitation(six(vm), peer.address6) },
    'as if management asked for the VM': {
      by: 'vm',
      to: 'peer',
      bytes: arpRequest(at(vm.mac, management.address), vm.address),
    },
    'as if management asked for the VM, IPv6': {
      by: 'vm',
      to: 'peer',
      bytes: neighbourSolicitation(at(vm.mac, management.address6), vm.address6),
    },
    'of no known protocol': { by: 'vm', to: 'peer', bytes: strangeFrame(vm.mac, peer.mac) },
    'from a peer': { by: 'peer', to: 'vm', bytes: datagram({ from: peer, to: vm }, [4000, 80]) },
    'from a peer by IPv6': { by: 'peer', to: 'vm', bytes: datagram({ from: six(peer), to: six(vm) }, [4000, 80]) },
    'from a peer to everybody': {
      by: 'peer',
      to: 'vm',
      bytes: datagram({ from: peer, to: at(broadcastMac, '10.88.0.255') }, [4000, 80]),
    },
    'from a peer, of no known protocol': { by: 'peer', to: 'vm', bytes: strangeFrame(peer.mac, vm.mac) },
  };
}

function permittedOf(vm: Place): SegmentFrames['permitted'] {
  return {
    'to management': { by: 'vm', to: 'management', bytes: datagram({ from: vm, to: management }, [22, 4000], 'tcp') },
    'to management by IPv6': {
      by: 'vm',
      to: 'management',
      bytes: datagram({ from: six(vm), to: six(management) }, [22, 4000], 'tcp'),
    },
    'who has management': { by: 'vm', to: 'management', bytes: arpRequest(vm, management.address) },
    'who has management, IPv6': {
      by: 'vm',
      to: 'management',
      bytes: neighbourSolicitation(six(vm), management.address6),
    },
    'from management': { by: 'management', to: 'vm', bytes: datagram({ from: management, to: vm }, [4000, 22], 'tcp') },
    'from management by IPv6': {
      by: 'management',
      to: 'vm',
      bytes: datagram({ from: six(management), to: six(vm) }, [4000, 22], 'tcp'),
    },
    'management asks who has the VM': {
      by: 'management',
      to: 'vm',
      bytes: arpRequest(management, vm.address),
    },
  };
}

const others: SegmentFrames['others'] = {
  'between others': { by: 'peer', to: 'management', bytes: datagram({ from: peer, to: management }, [4000, 80]) },
};
