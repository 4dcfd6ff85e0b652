/**
 * The package as somebody has it who installed it: its examples run, TypeScript takes its declarations, and docs/api.md
 * is what they say.
 */
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { packageFile } from '../../src/package-file.js';
import { settingsPage } from '../../src/settings/page.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();
const installed = join(folder, 'node_modules/orthoscope');
const environment = { ...process.env, ORTHOSCOPE_CACHE: join(folder, 'cache'), NO_COLOR: '1' };

const execute = promisify(execFile);

/** @returns what it wrote to standard output. @throws with its standard error if it fails */
async function command(file: string, ...args: string[]): Promise<string> {
  const { stdout } = await execute(file, args, { cwd: folder, env: environment, maxBuffer: 2 ** 26 });
  return stdout;
}

const node = (...args: string[]) => command(process.execPath, ...args);
const page = readFileSync(packageFile('docs/api.md'), 'utf8');

beforeAll(async () => {
  await node(packageFile('scripts/bundle-types.mjs'));
  await pack();
  installDependencies();
  writeInputs();
  const sizes = [
    '--train-pairs=32',
    '--validation-pairs=16',
    '--test-pairs=16',
    '--steps=6',
    '--rounding-steps=2',
  ];
  const run = ['run', 'embedded', '--task=ioi', ...sizes, '--control-seeds=1', '--out=runs/ioi', '--quiet'];
  const main = join(installed, 'dist/cli/main.js');
  await Promise.all([
    node(main, ...run),
    node(
      main,
      'score',
      'embedded',
      '--directions=L1H0.ov',
      '--data=prompts.jsonl',
      '--out=scores',
      '--quiet',
    ),
  ]);
});

/** As `npm publish` would have it, without building again what Vitest has built. */
async function pack(): Promise<void> {
  const args = ['pack', packageFile('.'), '--ignore-scripts', '--silent', `--pack-destination=${folder}`];
  const name = (await command('npm', ...args)).trim();
  mkdirSync(dirname(installed), { recursive: true });
  await command('tar', '-xzf', name);
  cpSync(join(folder, 'package'), installed, { recursive: true });
}

/** Nothing but what package.json says that it depends on. */
function installDependencies(): void {
  const { dependencies, optionalDependencies } = JSON.parse(
    readFileSync(packageFile('package.json'), 'utf8'),
  );
  for (const name of Object.keys({ ...dependencies, ...optionalDependencies })) {
    mkdirSync(dirname(join(folder, 'node_modules', name)), { recursive: true });
    symlinkSync(packageFile(`node_modules/${name}`), join(folder, 'node_modules', name));
  }
}

function writeInputs(): void {
  const [a, b] = ['When Mary and John went to the store,', 'When Anna and Paul went to the store,'];
  const pairs = [
    {
      clean: `${a} John gave a drink to`,
      corrupted: `${b} Tom gave a drink to`,
      answer: ' Mary',
      distractor: ' John',
    },
    {
      clean: `${a} Mary gave a drink to`,
      corrupted: `${b} Tom gave a drink to`,
      answer: ' John',
      distractor: ' Mary',
    },
  ];
  const lines = pairs.map((pair) => `${JSON.stringify(pair)}\n`).join('');
  for (const file of ['pairs.jsonl', 'prompts.jsonl']) writeFileSync(join(folder, file), lines);
}

it('holds no tests, no benchmarks and no maps', () => {
  const files = readdirSync(installed, { recursive: true }) as string[];
  expect(files).toContain(join('models', 'embedded', 'model.safetensors'));
  expect(files).toContain(join('examples', 'first-circuit.mjs'));
  expect(files).toContain(join('docs', 'operations.md'));
  expect(files).toContain(join('docs', 'licences.md'));
  expect(files.filter((file) => /^dist.(bench|tests|models)|[.]map$|[.]ts$/.test(file))).toEqual([
    'dist/index.d.ts',
  ]);
});

it('finds a first circuit', async () => {
  const output = await node(join(installed, 'examples/first-circuit.mjs'));
  const [, kept, circuit, random] = /^(\d+) directions: KL ([\d.]+), random ones: ([\d.]+)$/m.exec(output)!;
  expect(Number(kept)).toBeGreaterThan(10);
  expect(Number(circuit)).toBeLessThan(0.1);
  expect(Number(random)).toBeGreaterThan(1);
});

it('reads a run of the command line', async () => {
  const output = await node(join(installed, 'examples/read-a-run.mjs'), 'runs/ioi');
  expect(output).toMatch(/^ioi: KL \S+, accuracy [\d.]+$/m);
  expect(output.match(/^without L\d\S+: +\w+ [\d.]+$/gm)).toHaveLength(5);
});

it('runs every example of its comments', async () => {
  const examples = [...page.matchAll(/^```js\n([\s\S]*?)^```$/gm)].map(([, code]) => code!);
  expect(examples.length).toBeGreaterThan(20);
  const names = examples.map((code, at) => {
    writeFileSync(join(folder, `example-${at}.mjs`), code);
    return `./example-${at}.mjs`;
  });
  // In one process: loading TensorFlow takes longer than most of them.
  writeFileSync(
    join(folder, 'examples.mjs'),
    `for (const name of ${JSON.stringify(names)}) await import(name);`,
  );
  expect((await node('examples.mjs')).split('\n').length).toBeGreaterThan(examples.length);
});

describe('its declarations', () => {
  const source = `import { InputError, keptDirections, LanguageModel, type Masks, Run, type TrainedMasks } from 'orthoscope';

export async function example(signal: AbortSignal): Promise<Masks> {
  await using model = await LanguageModel.open('embedded', { engine: 'wasm', form: 'folded' });
  const { train, validation, test } = await model.prompts({ task: 'ioi' });
  const trained: TrainedMasks = await model.train({ train, validation }, { steps: 3, l1: 'auto' }, {
    signal,
    onStep: ({ kl, phase }) => console.log(kl.toFixed(3), phase),
    onProgress: ({ stage, done, total }) => console.log(stage, done / total),
  });
  const { controls } = await model.evaluate(trained.masks, test, { level: 0.9 });
  const kl: number | null = controls!.random.kl;
  // @ts-expect-error: an engine that is none
  await LanguageModel.open('embedded', { engine: 'abacus' });
  // @ts-expect-error: a setting that is none
  await model.train({ train }, { stepz: 3 });
  const run = await Run.open('runs/ioi');
  if (run.manifest.status !== 'complete' || kl === null) throw new InputError('not evaluated');
  console.log(keptDirections(trained.masks)[0]!.name satisfies string);
  return run.masks();
}
`;
  for (const [module, moduleResolution] of [
    ['node16', 'node16'],
    ['esnext', 'bundler'],
  ])
    it(`compile under ${moduleResolution}, strictly, with those of its dependencies`, async () => {
      const project = join(folder, moduleResolution!);
      mkdirSync(project);
      writeFileSync(join(project, 'consumer.mts'), source);
      const compilerOptions = {
        module,
        moduleResolution,
        target: 'es2022',
        lib: ['es2023', 'esnext.disposable', 'dom'],
        types: [],
        skipDefaultLibCheck: true,
        strict: true,
        noEmit: true,
      };
      writeFileSync(
        join(project, 'tsconfig.json'),
        JSON.stringify({ compilerOptions, files: ['consumer.mts'] }),
      );
      await node(packageFile('node_modules/typescript/lib/tsc.js'), '-p', project);
    });
});

it('docs/api.md and docs/settings.md are what the code says; if not: npm run docs', async () => {
  const { apiPage } = await import(packageFile('scripts/api-page.mjs'));
  // In which order the compiler names choices and keys differs from one build to the next.
  const words = (text: string) => text.split(/[\s;|,]+/).sort();
  expect(words(page)).toEqual(words(apiPage()));
  expect(readFileSync(packageFile('docs/settings.md'), 'utf8')).toBe(settingsPage());
});
