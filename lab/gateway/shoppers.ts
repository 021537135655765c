// The shop's visitors: a steady, small load in a fixed order, so that a short while shows all of what the shop does.

export interface Shoppers {
  start(): void;
  stop(): void;
}

export interface Visit {
  readonly name: string;
  readonly everyMs: number;
  /** Asked for in turn. */
  readonly requests: readonly { readonly path: string; readonly body?: string }[];
  /** The answer holds this when all tiers did their part. */
  readonly expect: string;
}

const items = ['chair', 'table', 'lamp'];

export const visits: readonly Visit[] = [
  { name: 'page', everyMs: 3000, requests: [{ path: '/' }], expect: 'Shop' },
  {
    name: 'order',
    everyMs: 2000,
    requests: items.map((item) => ({ path: `/cgi-bin/order?item=${item}` })),
    expect: '"orders"',
  },
  {
    name: 'invoice',
    everyMs: 5000,
    requests: items.map((item) => ({ path: `/cgi-bin/invoice?item=${item}` })),
    expect: 'invoice',
  },
  {
    name: 'lookup',
    everyMs: 4000,
    requests: ['app.lab', 'db.lab'].map((body) => ({ path: '/cgi-bin/lookup', body })),
    expect: '10.77.0.1',
  },
];

/** `visit` makes one request and says whether it got what it came for. A visitor never starts before its last visit is over. */
export function planShoppers(
  visit: (path: string, body: string | undefined, expect: string) => Promise<boolean>,
  onVisit: (name: string, good: boolean) => void,
): Shoppers {
  let timers: NodeJS.Timeout[] = [];
  const follow = ({ name, everyMs, requests, expect }: Visit): NodeJS.Timeout => {
    let turn = 0;
    let busy = false;
    return setInterval(() => {
      const request = requests[turn % requests.length];
      if (busy || request === undefined) return;
      busy = true;
      turn += 1;
      void visit(request.path, request.body, expect).then((good) => {
        busy = false;
        onVisit(name, good);
      });
    }, everyMs);
  };
  const stop = (): void => {
    for (const timer of timers) clearInterval(timer);
    timers = [];
  };
  return {
    start() {
      stop();
      timers = visits.map(follow);
    },
    stop,
  };
}
