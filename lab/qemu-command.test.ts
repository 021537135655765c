// The product finds guests by their command line, so the command line is a contract.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultHardware } from './guest.ts';
import { guestFiles, qemuArguments, stableUuid, type GuestMachine } from './qemu-command.ts';

const machine: GuestMachine = {
  name: 'web',
  uuid: stableUuid('web'),
  directory: '/run/lab/web',
  vmlinuz: '/k/vmlinuz',
  initramfs: '/k/initramfs.gz',
  rootOnDisk: true,
  hardware: defaultHardware,
  append: ['pti=on'],
};

function valuesOf(argv: readonly string[], option: string): readonly string[] {
  return argv.flatMap((word, index) => (word === option ? [argv[index + 1] ?? ''] : []));
}

test('the first QMP socket is the product’s, the second the lab’s', () => {
  const files = guestFiles(machine.directory);
  const sockets = valuesOf(qemuArguments(machine), '-qmp').map((value) => value.split(',')[0]);
  assert.deepEqual(sockets, [`unix:${files.productQmp}`, `unix:${files.labQmp}`]);
});

test('a name always gives the same well-formed UUID', () => {
  assert.equal(stableUuid('web'), stableUuid('web'));
  assert.notEqual(stableUuid('web'), stableUuid('app'));
  assert.match(stableUuid('web'), /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});

test('memory is anonymous unless asked for otherwise', () => {
  assert.deepEqual(valuesOf(qemuArguments(machine), '-object'), []);
  for (const memory of ['memfd', 'file'] as const) {
    const argv = qemuArguments({ ...machine, hardware: { ...defaultHardware, memory } });
    assert.match(
      valuesOf(argv, '-object')[0] ?? '',
      new RegExp(`^memory-backend-${memory},id=ram0,size=192M,share=on`),
    );
    assert.match(valuesOf(argv, '-machine')[0] ?? '', /^pc,memory-backend=ram0$/);
  }
});

test('kernel parameters, network and snapshot appear when given', () => {
  const network = { tap: 'plbweb', mac: '52:54:00:77:00:11', address: '10.77.0.11/24', gateway: '10.77.0.1' };
  const argv = qemuArguments({ ...machine, network }, 'clean');
  assert.match(
    valuesOf(argv, '-append')[0] ?? '',
    /lab\.root=\/dev\/vda lab\.address=10\.77\.0\.11\/24 lab\.gateway=10\.77\.0\.1 pti=on$/,
  );
  assert.match(valuesOf(argv, '-netdev')[0] ?? '', /ifname=plbweb,script=no/);
  assert.deepEqual(valuesOf(argv, '-loadvm'), ['clean']);
  assert.deepEqual(valuesOf(qemuArguments(machine), '-loadvm'), []);
});
