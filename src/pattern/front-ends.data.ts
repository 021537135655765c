// Programs that do their work through other programs, by their own documentation: what they start says no more than that they were
// started, which is judged by itself. Only helpers with one task are listed; a shell or a script is never one.

export interface FrontEnd {
  readonly names: readonly string[];
  readonly helpers: readonly string[];
  /** What the arguments of a helper must match that could do something else as well. */
  readonly argumentsOf?: Readonly<Record<string, RegExp>>;
  readonly source: string;
}

export const frontEnds: readonly FrontEnd[] = [
  {
    names: ['dpkg'],
    helpers: ['dpkg-deb', 'dpkg-split', 'dpkg-query', 'rm'],
    argumentsOf: { rm: /^rm -rf -- \/var\/lib\/dpkg\/tmp\.ci$/ },
    source: 'dpkg(1), EXTERNAL PROGRAMS; lib/dpkg and src/main/unpack.c of dpkg',
  },
  {
    names: ['dpkg-deb'],
    helpers: ['tar', 'gzip', 'xz'],
    argumentsOf: { tar: /^tar (-x|-xf|-x -f) -( --warning=no-timestamp)?$/ },
    source: 'dpkg-deb(1), EXTERNAL PROGRAMS',
  },
  {
    names: ['adduser', 'addgroup', 'deluser', 'delgroup'],
    helpers: ['groupadd', 'useradd', 'usermod', 'gpasswd', 'passwd', 'chfn', 'chage', 'userdel', 'groupdel'],
    source: 'adduser(8), deluser(8): friendlier front ends to these tools',
  },
  {
    names: ['logrotate'],
    helpers: ['gzip', 'bzip2', 'xz', 'zstd'],
    argumentsOf: {
      gzip: /^\S*gzip( -\d)?$/,
      bzip2: /^\S*bzip2( -\d)?$/,
      xz: /^\S*xz( -\d)?$/,
      zstd: /^\S*zstd( -\d+)?$/,
    },
    source:
      'logrotate(8), compresscmd: gzip unless configured otherwise; begins at the second rotation with delaycompress',
  },
  {
    names: ['apt', 'apt-get', 'aptitude', 'unattended-upgrade'],
    helpers: ['dpkg', 'dpkg-preconfigure', 'dpkg-deb'],
    argumentsOf: { dpkg: /--print-foreign-architectures$|--assert-\S+$/ },
    source: 'apt-get(8); apt.conf(5), Dir::Bin::dpkg and DPkg::Pre-Install-Pkgs',
  },
];

/** Package managers and the arguments by which each changes what is installed. */
export const packageManagers: readonly {
  readonly names: readonly string[];
  readonly changes: RegExp;
  readonly source: string;
}[] = [
  {
    names: ['dpkg'],
    changes: /^(-i|--install|--unpack|--configure|-r|--remove|-P|--purge|--triggers-only)$/,
    source: 'dpkg(1), ACTIONS',
  },
  {
    names: ['apt', 'apt-get', 'aptitude'],
    changes: /^(install|reinstall|upgrade|full-upgrade|dist-upgrade|remove|purge|autoremove)$/,
    source: 'apt-get(8)',
  },
  { names: ['rpm'], changes: /^(-[iUFe]\w*|--install|--upgrade|--freshen|--erase|--reinstall)$/, source: 'rpm(8)' },
  {
    names: ['yum', 'dnf', 'dnf5', 'microdnf', 'zypper'],
    changes: /^(install|in|reinstall|upgrade|update|up|dup|distro-sync|remove|rm|erase|autoremove)$/,
    source: 'dnf(8), zypper(8)',
  },
  { names: ['apk'], changes: /^(add|del|upgrade|fix)$/, source: 'apk(8)' },
  { names: ['pacman'], changes: /^(-[SUR]\w*|--sync|--upgrade|--remove)$/, source: 'pacman(8)' },
];
