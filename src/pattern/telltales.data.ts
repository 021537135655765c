// Texts in arguments that an application's own work rarely needs and an intruder's often does.
// Sources: MITRE ATT&CK for Linux, technique ids beside each.

export interface Telltale {
  readonly text: RegExp;
  readonly says: string;
  readonly source: string;
}

/** Each expression is free of nested repetition: arguments are hostile and long. */
export const telltales: readonly Telltale[] = [
  { text: /\/dev\/(tcp|udp)\//, says: 'opens a connection from inside a shell', source: 'T1059.004' },
  { text: /\bpty\.spawn\b|\bsubprocess\.call\(\["\/bin/, says: 'turns a pipe into a terminal', source: 'T1059' },
  { text: /base64 +(-d|--decode)\b|\bb64decode\b/, says: 'decodes hidden text', source: 'T1140' },
  {
    text: /\/etc\/(passwd|shadow|gshadow|sudoers)\b/,
    says: 'names the files of users, passwords or privileges',
    source: 'T1003.008',
  },
  { text: /\bauthorized_keys\b/, says: 'touches the keys that may log in', source: 'T1098.004' },
  { text: /\/etc\/ld\.so\.preload\b|\bLD_PRELOAD=/, says: 'injects a library', source: 'T1574.006' },
  {
    text: /\bchmod +(-\w+ +)?(\+s|u\+s|[2467]\d{3})\b/,
    says: 'makes a file run with its owner rights',
    source: 'T1548.001',
  },
  { text: /\b(nc|ncat|netcat)\b.{0,80} -\w*[ec]\b/, says: 'ties a shell to a connection', source: 'T1059.004' },
  { text: /\b(curl|wget)\b.{0,500}\| *(ba|da|z)?sh\b/, says: 'runs what it downloads', source: 'T1105' },
  {
    text: /\bhistory +-c\b|\bHISTFILE=\/dev\/null|\bunset +HISTFILE\b/,
    says: 'hides what was typed',
    source: 'T1070.003',
  },
  { text: /\b(xmrig|stratum\+tcp)\b/, says: 'mines coins', source: 'T1496' },
  {
    text: /\biptables +(-F|--flush)\b|\bufw +disable\b|\bsetenforce +0\b/,
    says: 'switches a defence off',
    source: 'T1562',
  },
  {
    text: /\bpowershell\b.{0,200} -e(nc|ncodedcommand)? +[A-Za-z0-9+/=]{20}/i,
    says: 'runs encoded text',
    source: 'T1059.001, T1027',
  },
  {
    text: /\b(iex|invoke-expression)\b|downloadstring\(|frombase64string\(/i,
    says: 'runs text that it fetches or decodes',
    source: 'T1059.001',
  },
  {
    text: /\b(mimikatz|sekurlsa|lsadump|invoke-mimikatz)\b|\bcomsvcs(\.dll)?,? *#?-?(24|minidump)/i,
    says: 'reads credentials out of memory',
    source: 'T1003.001',
  },
  {
    text: /\breg\b.{0,40} save +hklm\\(sam|security|system)\b/i,
    says: 'copies the store of credentials',
    source: 'T1003.002',
  },
  {
    text: /[\\/]config[\\/](sam|security|system)\b|\bntds\.dit\b/i,
    says: 'names the store of credentials',
    source: 'T1003.002, T1003.003',
  },
  {
    text: /\bsc\b.{0,60} (create|config) .{0,200}binpath=/i,
    says: 'says what a service runs',
    source: 'T1543.003',
  },
  { text: /\bschtasks\b.{0,40} \/(create|change)\b/i, says: 'installs a job', source: 'T1053.005' },
  { text: /\bnet1?\b.{0,20} (user|localgroup|group) .{0,120}\/add\b/i, says: 'makes a user', source: 'T1136' },
  {
    text: /\breg\b.{0,20} add .{0,200}(\\currentversion\\run|userinitmprlogonscript|image file execution options|\\winlogon|fdenytsconnections|\\currentcontrolset\\services\\)/i,
    says: 'changes what starts or who is let in',
    source: 'T1547.001, T1037.001, T1546.012, T1021.001',
  },
  {
    text: /\bwmic\b.{0,200} (process call create|\/node:)/i,
    says: 'runs or asks something elsewhere',
    source: 'T1047',
  },
  { text: /\bvssadmin\b.{0,40} (delete|create) +shadow/i, says: 'handles shadow copies', source: 'T1490, T1003.003' },
  { text: /\bwevtutil\b.{0,20} cl\b|\bclear-eventlog\b/i, says: 'clears a log', source: 'T1070.001' },
  { text: /\bcrontab +-( |$)|\/etc\/cron\.d\//, says: 'installs a job', source: 'T1053.003' },
];
