// What Windows starts by itself, from its own directories: the services that its service hosts hold, the tasks that its scheduler
// ships with, the components that its session and its search begin. Names of programs and services, and the words they are given.
// Sources: Microsoft, "Guidance on disabling system services on Windows Server with Desktop Experience" and "Per-user services in
// Windows"; "Windows Internals" (7th edition), chapters 2 (service hosts), 3 and 10 (Task Scheduler, UBPM); `schtasks /query` and
// `sc query` of an installation. Left out on purpose: what can be told to run something else, what accessibility features run before
// anybody logged in, and services through which a machine is administered: those must be learned.

/** A program that another of Windows' own starts, by their names without ending, in small letters. */
export interface WindowsHelper {
  readonly starters: readonly string[];
  readonly helpers: readonly string[];
  /** All arguments behind the program's own name, joined with blanks. */
  readonly argumentsAre: RegExp;
}

const none = /^$/;
const embedded = /^-embedding$/i;

export const windowsHelpers: readonly WindowsHelper[] = [
  // Task Scheduler and the launcher of COM servers are both held by service hosts.
  {
    starters: ['svchost'],
    helpers: ['taskhostw', 'taskhost', 'taskhostex'],
    argumentsAre: /^(?:\$?\(?\w+\)?(?: |$))*$/,
  },
  {
    starters: ['svchost'],
    helpers: ['backgroundtaskhost', 'backgroundtransferhost'],
    argumentsAre: /^-servername:[\w.-]+$/i,
  },
  {
    starters: ['svchost'],
    helpers: [
      'runtimebroker',
      'smartscreen',
      'settingsynchost',
      'mobsync',
      'applicationframehost',
      'sppextcomobj',
      'searchprotocolhost',
      'thumbnailextractionhost',
      'dataexchangehost',
      'dllhst3g',
      'musnotification',
      'musnotificationux',
      'mousocoreworker',
      'usoclient',
      'usocoreworker',
    ],
    argumentsAre: /^(?:-embedding|\w+)?$/i,
  },
  { starters: ['svchost'], helpers: ['dllhost'], argumentsAre: /^\/processid:\{[0-9a-f-]{36}\}$/i },
  { starters: ['svchost'], helpers: ['tiworker'], argumentsAre: embedded },
  { starters: ['svchost'], helpers: ['microsoftedgecp', 'microsoftedgesh'], argumentsAre: /^-servername:[\w.-]+$/i },
  {
    starters: ['svchost'],
    helpers: ['windows.warp.jitservice'],
    argumentsAre: /^[0-9a-f-]{36} s-[\d-]+ s-[\d-]+ \d+$/i,
  },
  { starters: ['svchost'], helpers: ['audiodg'], argumentsAre: /^0x[0-9a-f]+(?: 0x[0-9a-f]+)*$/i },
  { starters: ['svchost', 'services'], helpers: ['wudfhost'], argumentsAre: /^-hostguid:\{[0-9a-f-]{36}\} /i },
  { starters: ['svchost'], helpers: ['wermgr'], argumentsAre: /^-(?:upload|queuereporting)$/i },
  { starters: ['svchost'], helpers: ['werfault'], argumentsAre: /^-u -p \d+ -s \d+$/i },
  { starters: ['svchost'], helpers: ['gpupdate'], argumentsAre: /^\/target:(?:user|computer)$/i },
  { starters: ['svchost'], helpers: ['provtool'], argumentsAre: /^\/turn \d+ \/source \w+$/i },
  { starters: ['svchost'], helpers: ['wmiadap'], argumentsAre: /^\/[a-z](?: \/[a-z])*$/i },
  { starters: ['svchost'], helpers: ['rdpclip', 'tstheme', 'tabtip', 'ctfmon', 'taskeng'], argumentsAre: none },
  { starters: ['svchost'], helpers: ['raserver'], argumentsAre: /^\/offerraupdate$/i },
  { starters: ['svchost'], helpers: ['defrag'], argumentsAre: /^(?:-[a-z]+(?: |$))+$/i },
  { starters: ['svchost'], helpers: ['cleanmgr'], argumentsAre: /^\/autoclean(?: \/d [a-z]:)?$/i },
  { starters: ['svchost'], helpers: ['srtasks'], argumentsAre: /^executescheduledsppcreation$/i },
  { starters: ['svchost'], helpers: ['waasmedicagent'], argumentsAre: /^[\w{}+/=. -]*$/ },
  {
    starters: ['svchost'],
    helpers: [
      'sihclient',
      'disksnapshot',
      'dstokenclean',
      'lpremove',
      'tzsync',
      'bthudtask',
      'dxgiadaptercache',
      'appidpolicyconverter',
      'speechmodeldownload',
      'speechruntime',
      'upfc',
      'sppsvc',
      'slui',
      'wsqmcons',
      'edpnotify',
      'locationnotificationwindows',
    ],
    argumentsAre: /^(?:[-/]?\w+(?: |$))*$/,
  },
  {
    starters: ['svchost', 'compattelrunner'],
    helpers: ['compattelrunner'],
    argumentsAre:
      /^(?:-m:(?:aeinv|aemarebackup|appraiser|devinv|generaltel|invagent)\.dll -f:\w+(?: -\w+| [\w+/=.]+)*|-maintenance)?$/i,
  },
  { starters: ['svchost', 'devicecensus'], helpers: ['devicecensus'], argumentsAre: /^\w*$/ },
  {
    // The console of a program that Windows starts without one.
    starters: [
      'gpupdate',
      'devicecensus',
      'compattelrunner',
      'waasmedicagent',
      'defrag',
      'srtasks',
      'disksnapshot',
      'wermgr',
    ],
    helpers: ['conhost'],
    argumentsAre: /^0x[0-9a-f]+ -forcev1$/i,
  },
  { starters: ['musnotification'], helpers: ['musnotificationux'], argumentsAre: /^\w*$/ },
  { starters: ['searchindexer'], helpers: ['searchfilterhost'], argumentsAre: /^\d+(?: \d+)*$/ },
  { starters: ['winlogon'], helpers: ['logonui'], argumentsAre: /^\/flags:0x[0-9a-f]+(?: \/state\d:0x[0-9a-f]+)*$/i },
  { starters: ['winlogon'], helpers: ['dwm', 'fontdrvhost'], argumentsAre: /^(?:"[\w-]+"|[\w-]+)?$/ },
  { starters: ['winlogon'], helpers: ['wlrmdr'], argumentsAre: /^-s \d+ -f \d+ -t \w+ -m \w+ -a \d+ -u \w+$/i },
  {
    starters: ['services'],
    helpers: ['searchindexer', 'sppsvc', 'spoolsv', 'vssvc', 'msdtc'],
    argumentsAre: /^(?:\/embedding)?$/i,
  },
  {
    starters: ['services'],
    helpers: ['trustedinstaller', 'wmiapsrv', 'alg', 'locator', 'snmptrap'],
    argumentsAre: none,
  },
  { starters: ['explorer'], helpers: ['securityhealthsystray', 'ctfmon'], argumentsAre: none },
  { starters: ['runtimebroker', 'sihost'], helpers: ['runtimebroker'], argumentsAre: embedded },
];

/** Groups into which service hosts are told to gather services (`svchost -k GROUP`). */
export const serviceGroups: ReadonlySet<string> = new Set(
  `aarsvcgroup appmodel appreadiness apphost autotimesvc axinstsvgroup bcastdvruserservice bthappgroup camera clipboardsvcgroup
  cloudidservicegroup dcomlaunch defragsvc devicesflow diagnostics graphicsperfsvcgroup icservice imgsvc localservice
  localserviceandnoimpersonation localservicenetworkrestricted localservicenonetwork localservicenonetworkfirewall
  localservicepeernet localsystemnetworkrestricted netsvcs networkservice networkserviceandnoimpersonation
  networkservicenetworkrestricted osprivacy peerdist print printworkflow rpcss sdrsvc smbsvcs smphost swprv tapisrv
  unistacksvcgroup utcsvc wbiosvcgroup webthreatdefense wephostsvcgroup wersvcgroup wsappx wusvcs`.split(/\s+/),
);

/** Services that Windows itself keeps in service hosts, and begins and ends as it needs them. */
export const hostedServices: ReadonlySet<string> = new Set(
  `aarsvc aelookupsvc ajrouter alg appidsvc appinfo appmgmt appreadiness appxsvc audioendpointbuilder audiosrv autotimesvc axinstsv
  bcastdvruserservice bdesvc bfe bits bluetoothuserservice brokerinfrastructure btagservice bthavctpsvc bthserv camsvc
  captureservice cbdhsvc cdpsvc cdpusersvc certpropsvc clipsvc cloudidsvc consentuxusersvc coremessagingregistrar cryptsvc
  cscservice dcomlaunch dcsvc defragsvc deviceassociationbrokersvc deviceassociationservice deviceinstall devicepickerusersvc
  devicesflowusersvc devquerybroker dhcp diagsvc diagtrack dialogblockingservice dispbrokerdesktopsvc displayenhancementservice
  dmenrollmentsvc dmwappushservice dnscache dosvc dot3svc dps dsmsvc dssvc dusmsvc eaphost efs embeddedmode entappsvc eventlog
  eventsystem fdphost fdrespub fhsvc fontcache frameserver frameservermonitor gpsvc graphicsperfsvc hidserv hvhost icssvc iphlpsvc
  ipxlatcfgsvc keyiso kpssvc ktmrm lanmanserver lanmanworkstation lfsvc licensemanager lltdsvc lmhosts lsm lxpsvc mapsbroker
  messagingservice mixedrealityopenxrsvc mpssvc msdtc msiscsi mskeyboardfilter naturalauthentication ncasvc ncbservice ncdautosetup
  netman netprofm netsetupsvc nettcpportsharing ngcctnrsvc ngcsvc nlasvc nsi onesyncsvc p2pimsvc p2psvc pcasvc peerdistsvc
  perceptionsimulation perfhost phonesvc pimindexmaintenancesvc pla plugplay pnrpautoreg pnrpsvc policyagent power printnotify
  printworkflowusersvc profsvc pushtoinstall qwave rasauto rasman retaildemo rmsvc rpceptmapper rpcss samss scardsvr scdeviceenum
  schedule scpolicysvc sdrsvc semgrsvc sens sensordataservice sensorservice sensrsvc sessionenv sharedaccess sharedrealitysvc
  shellhwdetection shpamsvc smphost smsrouter ssdpsrv sstpsvc staterepository stisvc storsvc svsvc swprv sysmain systemeventsbroker
  tabletinputservice tapisrv textinputmanagementservice themes tieringengineservice timebrokersvc tokenbroker trkwks
  troubleshootingsvc ualsvc udkusersvc umrdpservice unistoresvc upnphost userdatasvc usermanager usosvc vacsvc vaultsvc
  vmicguestinterface vmicheartbeat vmickvpexchange vmicrdv vmicshutdown vmictimesync vmicvmsession vmicvss w32time waasmedicsvc
  walletservice warpjitsvc wbiosrvc wcmsvc wcncsvc wdiservicehost wdisystemhost webclient wecsvc wephostsvc wercplsupport wersvc
  wfdsconmgrsvc wiarpc winhttpautoproxysvc winmgmt wisvc wlansvc wlidsvc wlpasvc wmansvc workfolderssvc wpcmonsvc wpdbusenum wpnservice
  wpnuserservice wscsvc wuauserv wudfsvc wwansvc xblauthmanager xblgamesave xboxgipsvc xboxnetapisvc`.split(/\s+/),
);
