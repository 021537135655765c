// Values to try on each hole of a pattern: some that fit, some that stand just outside. Whether they do, the matcher says.

export const examplesOfTokens: Readonly<
  Record<string, { readonly fits: readonly string[]; readonly strays: readonly string[] }>
> = {
  '<number>': { fits: ['7', '48213'], strays: ['seven', '7a', ''] },
  '<hex>': { fits: ['9f86d081884c7d65', 'deadbeef01'], strays: ['beef', 'not-a-digest'] },
  '<uuid>': {
    fits: ['3f2a9c01-5b7e-4c1d-9a55-0c8f6f1b2a34', '00000000-0000-4000-8000-000000000001'],
    strays: ['3f2a9c01', 'another'],
  },
  '<date>': { fits: ['2026-11-22', '20261122T1030'], strays: ['yesterday', '22.11.2026'] },
  '<time>': { fits: ['19:37', '07:05:59.250'], strays: ['now', '25'] },
  '<hexnumber>': { fits: ['0x1f', '0xDEADBEEF'], strays: ['31', '1f'] },
  '<version>': { fits: ['1.2.3', '24.11.0.7'], strays: ['1.2', 'latest'] },
  '<tmp>': { fits: ['tmp.5uCgKO6S70', 'tmp8x1k_2aq'], strays: ['tmp', 'payload'] },
  '<random>': { fits: ['x8Kq2Zb1', 'Qw3rTy'], strays: ['x8', 'payload.sh'] },
  '<any>': { fits: ['anything', 'a b/c'], strays: [] },
  '<rest>': { fits: [''], strays: [] },
  '*': { fits: ['name', 'another'], strays: ['deeper/name', ''] },
  '**': { fits: ['name', 'deeper/name'], strays: [] },
};
