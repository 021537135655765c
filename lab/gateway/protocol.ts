// What the lab asks of its gateway process and what that answers, over Node's process channel.

export interface GatewayCalls {
  /** Makes a tap on the bridge for one guest. */
  addTap: { ask: { readonly tap: string }; answer: void };
  /** One HTTP request from the gateway's own address. */
  http: { ask: HttpAsk; answer: HttpAnswer };
  /** Starts or stops the shoppers. */
  load: { ask: { readonly running: boolean }; answer: void };
  /** What the operations server tells a machine when it next asks. */
  offer: { ask: { readonly machine: string; readonly task: string }; answer: { readonly serial: number } };
  /** Makes a file available to guests as http://ops.lab:8088/packages/NAME. */
  publish: { ask: { readonly name: string; readonly path: string }; answer: void };
  /** What the intruder's machine (the gateway's other face) serves and says to shells that connect back. */
  intrude: { ask: { readonly implant: string; readonly shellCommands: string }; answer: void };
  counts: { ask: Record<string, never>; answer: GatewayCounts };
  /** Joins a unix socket to a TCP port in the lab's network namespace, so that a host program can reach it. */
  door: { ask: { readonly socket: string; readonly port: number }; answer: void };
}

export type GatewayCall = keyof GatewayCalls;

export interface HttpAsk {
  readonly url: string;
  readonly body?: string;
  readonly timeoutMs: number;
}

export interface HttpAnswer {
  readonly status: number;
  readonly body: string;
}

export interface GatewayCounts {
  /** Runs of periodic jobs and of shoppers' requests, by name, such as `backup-db` or `order`. */
  readonly jobs: Readonly<Record<string, number>>;
  readonly failures: Readonly<Record<string, number>>;
  readonly nameLookups: number;
  readonly timeRequests: number;
  /** Peers that connected back to the intruder, `address:port`. */
  readonly callbacks: readonly string[];
}

export interface Request {
  readonly id: number;
  readonly call: GatewayCall;
  readonly ask: unknown;
}

export type Reply = { readonly id: number; readonly answer: unknown } | { readonly id: number; readonly error: string };

/** The lab's network, the same in every lab: each has a network namespace of its own. */
export const labNetwork = {
  bridge: 'plb0',
  gateway: '10.77.0.1',
  prefixLength: 24,
  machines: { web: '10.77.0.11', app: '10.77.0.12', db: '10.77.0.13' },
  servicePort: 8088,
  intruderWebPort: 8066,
  intruderShellPort: 4444,
} as const;
