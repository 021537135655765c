// Programs whose arguments say what is done rather than to which data: shells, interpreters, and tools that run, fetch or
// permit what their arguments name. Their meaning-bearing arguments are never generalised.
// Sources: GTFOBins (https://gtfobins.github.io/) and LOLBAS (https://lolbas-project.github.io/) for tools that execute a command given as an argument; each program's own
// manual for its options; MITRE ATT&CK T1059, T1105, T1222 for the roles.

/** What a program is to somebody who judges it. */
export type ProgramRole =
  | 'shell'
  | 'interpreter'
  | 'downloader'
  | 'remote'
  | 'permission'
  /** Changes what starts, what is kept, logged or let in: T1543, T1053, T1112, T1136, T1562. */
  | 'configuration'
  /** Says who and what is there, which services know without asking: T1033, T1082, T1087, T1482. */
  | 'discovery'
  | 'tool';

/**
 * Which arguments are code. `all` = every one; `values` = none, but their numbers mean something. Otherwise what follows (or is glued to) one of `options`, and, where `script`
 * is true, everything up to and including the first operand, which names the program text.
 */
export type CodeArguments = 'all' | 'values' | { readonly options: readonly string[]; readonly script: boolean };

export interface Program {
  readonly names: readonly string[];
  readonly role: ProgramRole;
  readonly code: CodeArguments;
}

export const programs: readonly Program[] = [
  {
    names: ['sh', 'bash', 'dash', 'ash', 'ksh', 'mksh', 'zsh', 'fish', 'csh', 'tcsh', 'rbash', 'pwsh'],
    role: 'shell',
    code: { options: ['-c', '--command', '--init-file', '--rcfile'], script: true },
  },
  { names: ['perl'], role: 'interpreter', code: { options: ['-e', '-E', '-M', '-m'], script: true } },
  { names: ['python', 'pypy'], role: 'interpreter', code: { options: ['-c', '-m'], script: true } },
  { names: ['ruby', 'irb'], role: 'interpreter', code: { options: ['-e', '-r'], script: true } },
  {
    names: ['node', 'nodejs', 'deno', 'bun'],
    role: 'interpreter',
    code: { options: ['-e', '--eval', '-p', '--print', '-r', '--require', '--import'], script: true },
  },
  {
    names: ['php', 'php-cgi'],
    role: 'interpreter',
    code: { options: ['-r', '-B', '-R', '-E', '-d', '--run'], script: true },
  },
  { names: ['lua', 'luajit', 'texlua'], role: 'interpreter', code: { options: ['-e', '-l'], script: true } },
  { names: ['tclsh', 'wish', 'expect'], role: 'interpreter', code: { options: ['-c'], script: true } },
  { names: ['java', 'jshell', 'jrunscript'], role: 'interpreter', code: { options: ['-e', '-jar'], script: true } },
  {
    names: ['awk', 'gawk', 'mawk', 'nawk'],
    role: 'interpreter',
    code: { options: ['-e', '-f', '--source', '--file'], script: true },
  },
  { names: ['sed'], role: 'interpreter', code: { options: ['-e', '-f', '--expression', '--file'], script: true } },
  { names: ['jq', 'yq'], role: 'tool', code: { options: ['-f', '--from-file'], script: true } },
  { names: ['guile', 'octave', 'Rscript', 'gdb', 'julia'], role: 'interpreter', code: 'all' },
  { names: ['ld-linux', 'ld-musl', 'ld.so'], role: 'interpreter', code: { options: ['--preload'], script: true } },

  // From where and to which file is kept as every other text is, and hosts always are; numbers in a path are ids.
  {
    names: ['curl', 'wget', 'aria2c'],
    role: 'downloader',
    code: { options: ['-K', '--config', '--execute', '--use-askpass'], script: false },
  },
  { names: ['lwp-download', 'ftp', 'tftp', 'lftp'], role: 'downloader', code: 'all' },
  {
    names: ['nc', 'ncat', 'netcat', 'socat', 'telnet', 'ssh', 'scp', 'sftp', 'sshpass', 'autossh', 'cryptcat'],
    role: 'remote',
    code: 'all',
  },
  { names: ['nsenter', 'unshare', 'chroot', 'capsh', 'proot'], role: 'tool', code: 'all' },
  {
    names: ['chmod', 'chown', 'chgrp', 'chattr', 'setcap', 'setfacl', 'useradd', 'usermod', 'adduser', 'groupadd'],
    role: 'permission',
    code: 'values',
  },
  { names: ['passwd', 'chpasswd', 'visudo', 'gpasswd', 'crontab', 'at', 'batch'], role: 'permission', code: 'values' },
  { names: ['insmod', 'modprobe', 'kmod', 'rmmod', 'sysctl', 'mount', 'umount'], role: 'permission', code: 'values' },
  { names: ['iptables', 'ip6tables', 'nft', 'ufw', 'ip', 'ebtables', 'tc'], role: 'permission', code: 'values' },
  { names: ['openssl', 'gpg', 'strace', 'ltrace', 'bpftrace', 'systemd-run'], role: 'tool', code: 'all' },

  {
    names: ['find'],
    role: 'tool',
    code: { options: ['-exec', '-execdir', '-ok', '-okdir', '-fprintf', '-fprint', '-fls'], script: false },
  },
  {
    names: ['tar', 'bsdtar'],
    role: 'tool',
    code: {
      options: [
        '--checkpoint-action',
        '--to-command',
        '--use-compress-program',
        '--rsh-command',
        '--info-script',
        '--new-volume-script',
        '-I',
        '-F',
      ],
      script: false,
    },
  },
  { names: ['rsync'], role: 'remote', code: { options: ['-e', '--rsh', '--rsync-path'], script: false } },
  {
    names: ['git'],
    role: 'tool',
    code: { options: ['-c', '--config', '--upload-pack', '--exec', '--receive-pack'], script: false },
  },
  { names: ['su', 'runuser', 'script', 'flock'], role: 'tool', code: { options: ['-c', '--command'], script: false } },
  { names: ['env', 'xargs'], role: 'tool', code: { options: ['-S', '--split-string', '-I'], script: false } },
  {
    names: ['mysql', 'mariadb', 'psql', 'sqlite', 'mongosh', 'redis-cli'],
    role: 'tool',
    code: { options: ['-e', '--execute', '-c', '--command', '--eval', '--cmd', '-cmd'], script: false },
  },
  {
    names: ['vi', 'vim', 'nvim', 'ex', 'view', 'ed', 'emacs', 'nano', 'less', 'more', 'man'],
    role: 'tool',
    code: { options: ['-c', '--cmd', '-S', '--eval', '-P'], script: false },
  },
  // Windows; https://lolbas-project.github.io/ lists what each can be made to run, fetch or load.
  { names: ['cmd'], role: 'shell', code: { options: ['/c', '/k', '/C', '/K'], script: true } },
  {
    names: ['powershell', 'powershell_ise'],
    role: 'shell',
    code: {
      options: [
        '-c',
        '-C',
        '-e',
        '-E',
        '-f',
        '-F',
        '/c',
        '-enc',
        '-ec',
        '-command',
        '-Command',
        '-EncodedCommand',
        '-File',
      ],
      script: true,
    },
  },
  { names: ['wscript', 'cscript', 'mshta', 'msbuild', 'installutil', 'hh'], role: 'interpreter', code: 'all' },
  {
    names: ['csc', 'vbc', 'jsc', 'ilasm', 'fsi', 'rcsi', 'microsoft.workflow.compiler'],
    role: 'interpreter',
    code: 'all',
  },
  {
    names: [
      'rundll32',
      'regsvr32',
      'regasm',
      'regsvcs',
      'odbcconf',
      'msxsl',
      'cmstp',
      'mavinject',
      'register-cimprovider',
    ],
    role: 'interpreter',
    code: 'all',
  },
  {
    names: [
      'msiexec',
      'control',
      'presentationhost',
      'ieexec',
      'infdefaultinstall',
      'xwizard',
      'extexport',
      'verclsid',
    ],
    role: 'interpreter',
    code: 'all',
  },
  {
    names: [
      'forfiles',
      'pcalua',
      'runscripthelper',
      'scriptrunner',
      'syncappvpublishingserver',
      'tttracer',
      'dfsvc',
      'wuauclt',
    ],
    role: 'interpreter',
    code: 'all',
  },
  {
    names: [
      'fodhelper',
      'computerdefaults',
      'eventvwr',
      'sdclt',
      'wsreset',
      'slui',
      'atbroker',
      'sethc',
      'utilman',
      'osk',
    ],
    role: 'interpreter',
    code: 'all',
  },
  {
    names: ['certutil', 'certreq', 'bitsadmin', 'desktopimgdownldr', 'finger', 'imewdbld', 'mpcmdrun'],
    role: 'downloader',
    code: 'all',
  },
  { names: ['psexec', 'psexec64', 'psexesvc', 'winrs', 'wmic', 'mstsc', 'plink'], role: 'remote', code: 'all' },
  { names: ['icacls', 'takeown', 'cacls', 'dsacls'], role: 'permission', code: 'values' },
  { names: ['schtasks', 'sc', 'reg', 'net', 'net1', 'netsh', 'dism', 'pnputil'], role: 'configuration', code: 'all' },
  {
    names: ['auditpol', 'wevtutil', 'bcdedit', 'vssadmin', 'fsutil', 'wbadmin', 'diskshadow', 'secedit'],
    role: 'configuration',
    code: 'all',
  },
  {
    names: ['esentutl', 'ntdsutil', 'procdump', 'procdump64', 'rdrleakdiag', 'createdump'],
    role: 'configuration',
    code: 'all',
  },
  {
    names: [
      'whoami',
      'nltest',
      'quser',
      'qwinsta',
      'systeminfo',
      'tasklist',
      'dsquery',
      'csvde',
      'ldifde',
      'cmdkey',
      'setspn',
    ],
    role: 'discovery',
    code: 'values',
  },
  { names: ['gpresult', 'ipconfig', 'nbtstat', 'adfind'], role: 'discovery', code: 'values' },

  { names: ['zip'], role: 'tool', code: { options: ['-TT', '--unzip-command'], script: false } },
];

/** One executable, many programs: the first argument says which (busybox.net, toybox, GNU coreutils --enable-single-binary). */
export const multiCallBinaries: readonly string[] = ['busybox', 'toybox', 'coreutils'];
