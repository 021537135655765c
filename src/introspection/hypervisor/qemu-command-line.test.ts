// Command lines as people, scripts and libvirt write them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseQemuCommandLine } from './qemu-command-line.ts';
import type { QemuCommandLine } from './qemu-command-line.ts';

const nothing: QemuCommandLine = {
  name: null,
  uuid: null,
  accelerator: 'tcg',
  memoryMiB: null,
  qmpSockets: [],
  monitorByDescriptor: false,
  confidential: null,
  ownDirectory: null,
};

const cases: readonly (readonly [string, readonly string[], Partial<QemuCommandLine>])[] = [
  ['nothing said', [], {}],
  ['plain name', ['-name', 'web'], { name: 'web' }],
  ['name with a process name', ['-name', 'web,process=qemu-web'], { name: 'web' }],
  ['keyed name', ['-name', 'guest=web 1,debug-threads=on'], { name: 'web 1' }],
  ['comma in a name', ['-name', 'guest=a,,b'], { name: 'a,b' }],
  [
    'two dashes',
    ['--name', 'web', '--uuid', '00112233-4455-6677-8899-AABBCCDDEEFF'],
    { name: 'web', uuid: '00112233-4455-6677-8899-aabbccddeeff' },
  ],
  ['enable-kvm', ['-enable-kvm', '-m', '4G'], { accelerator: 'kvm', memoryMiB: 4096 }],
  ['accel', ['-accel', 'tcg,thread=multi', '-m', '512'], { accelerator: 'tcg', memoryMiB: 512 }],
  [
    'machine accel',
    ['-machine', 'q35,accel=kvm:tcg', '-m', 'size=2048M,slots=2,maxmem=8G'],
    { accelerator: 'kvm', memoryMiB: 2048 },
  ],
  ['memory in kilobytes as libvirt writes it', ['-m', 'size=2097152k'], { memoryMiB: 2048 }],
  ['qmp', ['-qmp', 'unix:/run/a.qmp,server=on,wait=off'], { qmpSockets: ['/run/a.qmp'] }],
  ['qmp, old style', ['-qmp', 'unix:./a.qmp,server,nowait'], { qmpSockets: ['./a.qmp'] }],
  ['qmp, keyed', ['-qmp', 'unix:path=/run/a.qmp,server=on'], { qmpSockets: ['/run/a.qmp'] }],
  ['qmp over tcp is none', ['-qmp', 'tcp:localhost:4444,server'], {}],
  ['two', ['-qmp', 'unix:/a', '-qmp', 'unix:/b'], { qmpSockets: ['/a', '/b'] }],
  [
    'chardev',
    ['-chardev', 'socket,id=c,path=/run/c.qmp,server=on', '-mon', 'chardev=c,mode=control,pretty=off'],
    { qmpSockets: ['/run/c.qmp'] },
  ],
  [
    'chardev of a human monitor is none',
    ['-chardev', 'socket,id=c,path=/run/c', '-mon', 'chardev=c,mode=readline'],
    {},
  ],
  [
    'libvirt',
    [
      '-name',
      'guest=db,debug-threads=on',
      '-S',
      '-object',
      '{"qom-type":"secret","id":"masterKey0","format":"raw","file":"/var/lib/libvirt/qemu/domain-7-db/master-key.aes"}',
      '-machine',
      'pc-q35-7.2,usb=off,dump-guest-core=off,memory-backend=pc.ram',
      '-accel',
      'kvm',
      '-m',
      '1024',
      '-uuid',
      '22a3096e-a74e-4cb6-a077-b32ca065f7b7',
      '-no-user-config',
      '-chardev',
      'socket,id=charmonitor,fd=22,server=on,wait=off',
      '-mon',
      'chardev=charmonitor,id=monitor,mode=control',
    ],
    {
      name: 'db',
      uuid: '22a3096e-a74e-4cb6-a077-b32ca065f7b7',
      accelerator: 'kvm',
      memoryMiB: 1024,
      monitorByDescriptor: true,
      ownDirectory: '/var/lib/libvirt/qemu/domain-7-db',
    },
  ],
  ['encrypted', ['-object', 'sev-snp-guest,id=sev0,cbitpos=51'], { confidential: 'sev-snp' }],
  ['encrypted, as JSON', ['-object', '{"qom-type":"tdx-guest","id":"tdx0"}'], { confidential: 'tdx' }],
  ['garbage', ['-name', '-qmp', '-m', 'lots', '-object', '{oops', '-mon', 'chardev=nobody,mode=control', '-uuid'], {}],
];

for (const [title, argv, expected] of cases) {
  test(title, () => assert.deepEqual(parseQemuCommandLine(argv), { ...nothing, ...expected }));
}
