/** Dependencies flow downwards only, and each outside library has one owner (docs/tour.md). */

/** From the bottom up. A layer may import from itself and from layers below it. */
const LAYERS = [
  '^src/[^/]+[.]ts$',
  '^src/(formats|kernels)/',
  '^src/(statistics|tasks)/',
  '^src/settings/',
  '^src/pool/',
  '^src/models/',
  '^src/(decompose|engine)/',
  '^src/(forward|planted)/',
  '^src/pairs/',
  '^src/masks/',
  '^src/evaluate/',
  '^src/evidence/',
  '^src/report/',
  '^src/run/',
  '^src/queue/',
  '^src/(score|sweep)/',
  '^src/interpret/',
  '^src/edges/',
  '^src/explorer/',
  '^src/commands/',
  '^src/library/',
  '^cli/',
];

/** Outside library → the only places that may import it. */
const OWNERS = {
  '@tensorflow/': '^(src/(engine|forward|pairs|masks|score|interpret|edges|library)|models|bench)/',
  piscina: '^src/pool/',
  'tokenizers/': '^src/formats/tokenizer-process[.]ts$',
  '@huggingface/hub': '^src/formats/hub[.]ts$',
  'csv-parse': '^src/formats/',
  tinyglobby: '^src/formats/data-files[.]ts$',
  hyparquet: '^src/formats/parquet-[a-z]+[.]ts$',
  'pure-rand': '^src/random[.]ts$',
  'cli-progress': '^cli/',
  yargs: '^cli/',
  yaml: '^src/settings/yaml[.]ts$',
  bullmq: '^src/queue/',
  ioredis: '^src/queue/',
  preact: '^src/explorer/page/',
  '@observablehq/plot': '^src/explorer/page/',
  '@tanstack/virtual-core': '^src/explorer/page/',
};

module.exports = {
  forbidden: [
    {
      name: 'no-circles',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    { name: 'resolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
    {
      name: 'help-comes-at-once',
      comment:
        'What `orthoscope --help` needs is a few files; the rest is loaded by import() when it is needed.',
      severity: 'error',
      from: { path: '^cli/(main|command-line|index|overview|streams)[.]ts$' },
      to: {
        pathNot: '^(cli/(command-line|index|overview|streams)|src/[^/]+)[.]ts$',
        dependencyTypesNot: ['type-only', 'dynamic-import'],
      },
    },
    ...LAYERS.flatMap((layer, level) =>
      LAYERS.slice(level + 1).map((above) => ({
        name: `${layer} below ${above}`,
        severity: 'error',
        // src/index.ts is the public surface: it looks down on everything.
        from: { path: layer, pathNot: '^src/index[.]ts$' },
        to: { path: above },
      })),
    ),
    ...Object.entries(OWNERS).map(([library, owner]) => ({
      name: `${library} has one owner`,
      severity: 'error',
      from: { pathNot: owner },
      to: { path: `node_modules/${library}` },
    })),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'types'],
      extensions: ['.ts', '.tsx', '.js', '.d.ts'],
    },
    exclude: { path: '^(dist|tests)/' },
  },
};
