/** Every setting, away from its default, comes through flags, manifests, the page's command, plans and jobs as it was. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { parse } from '../../cli/command-line.js';
import { kebabCase } from '../../src/case.js';
import {
  describeHost,
  type Manifest,
  type RecordedCommand,
  readManifest,
  writeManifest,
} from '../../src/formats/manifest.js';
import { jobSchema } from '../../src/queue/job.js';
import { repeatCommand } from '../../src/report/repeat-command.js';
import { type ShardSettings, sentSettings, shardJobs, shardRequest } from '../../src/score/shard-job.js';
import { commandWords } from '../../src/settings/command-line.js';
import { COMMANDS, type Command, type Given, tableOf } from '../../src/settings/commands.js';
import { complete, recorded, settingsOf } from '../../src/settings/complete.js';
import { subjectSettings } from '../../src/settings/run-settings.js';
import { defaultOf, type Setting } from '../../src/settings/table.js';
import { expandPlan } from '../../src/sweep/expand.js';
import { parsePlan } from '../../src/sweep/plan.js';
import { runJobs, runSettingsOf } from '../../src/sweep/run-job.js';
import { TASKS } from '../../src/tasks/tasks.js';
import { arbitraryOf } from '../support/arbitrary.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();
process.env.ORTHOSCOPE_CACHE = join(folder, 'cache');

const RECORDED = ['run', 'train', 'evaluate', 'score'] as const satisfies readonly RecordedCommand[];
const WHOLE = [...RECORDED, 'decompose'] as const;
type Whole = (typeof WHOLE)[number];

/** A value that is not the default. */
const away = (setting: Setting) =>
  arbitraryOf(setting.schema).filter(
    (value) => JSON.stringify(value) !== JSON.stringify(setting.default ?? null),
  );

/** All settings of a command, each away from its default. */
const allAway = <Of extends Command>(command: Of) =>
  fc.record(
    Object.fromEntries(Object.entries(tableOf(command)).map(([key, setting]) => [key, away(setting)])),
  ) as unknown as fc.Arbitrary<Given<Of>>;

/** One setting of a command away from its default, and what must be given. */
const oneAway = <Of extends Command>(command: Of) => {
  const entries = Object.entries(tableOf(command));
  const needed = entries.filter(([, setting]) => defaultOf(setting) === undefined);
  return fc
    .constantFrom(...entries)
    .chain(([key, setting]) =>
      fc.record(
        Object.fromEntries([...needed, [key, setting] as const].map(([name, entry]) => [name, away(entry)])),
      ),
    ) as unknown as fc.Arbitrary<Given<Of>>;
};

/** The words that a POSIX shell makes of a command, without the program's name. */
function wordsOf(command: string): string[] {
  const printed = execFileSync('sh', ['-c', `printf '%s\\0' ${command}`], { encoding: 'utf8' });
  return printed.split('\0').slice(1, -1);
}

async function fromWords<Of extends Whole>(command: Of, words: string[]) {
  const asked = await parse(words);
  expect(asked!.command).toBe(command);
  return complete(command, asked!.settings as Given<Of>);
}

const manifestOf = (
  command: RecordedCommand,
  settings: Manifest['settings'],
  model: string,
  workers: number | null,
): Manifest => ({
  schema_version: 1,
  command,
  status: 'complete',
  settings,
  seeds: {},
  model: { id: 'm', path: model, revision: null, hash: 'a1'.repeat(32) },
  data: {},
  weight_form: 'reference',
  engine: 'wasm',
  ...(workers !== null && { workers }),
  versions: {},
  host: describeHost(),
  started_at: '2025-01-02T03:04:05.678Z',
  seconds: {},
});

describe.each(WHOLE)('settings of %s', (command) => {
  it.each([
    ['each by itself', oneAway(command), 60],
    ['all at once', allAway(command), 12],
  ] as const)('are the same again as flags, %s', async (_, settings, numRuns) => {
    await fc.assert(
      fc.asyncProperty(settings, async (given) => {
        const values = complete(command, given as Given<Whole>);
        const [, ...words] = commandWords(command, values);
        // A preset stands for other settings: the command names whichever leaves the fewest of them to name.
        const again = {
          ...(await fromWords(command, words)),
          ...('preset' in values && { preset: values.preset }),
        };
        expect(again).toEqual(values);
      }),
      { numRuns },
    );
  });
});

describe.each(RECORDED)('settings of %s', (command) => {
  it.each([
    ['each by itself', oneAway(command), 25],
    ['all at once', allAway(command), 6],
  ] as const)('are the same again by way of a manifest and its page, %s', async (_, settings, numRuns) => {
    const path = join(folder, `${command}.json`);
    await fc.assert(
      fc.asyncProperty(settings, async (given) => {
        const values: Record<string, unknown> = complete(command, given as Given<Whole>);
        const model = String(values.run ?? values.model);
        const workers = values.workers as number | null;
        await writeManifest(path, manifestOf(command, recorded(command, values), model, workers));
        const read = await readManifest(path);
        const again: Record<string, unknown> = await fromWords(command, wordsOf(repeatCommand(read)));
        expect(recorded(command, again)).toEqual(recorded(command, values));
        expect(again.run ?? again.model).toBe(model);
        expect(again.workers ?? 1).toBe(workers ?? 1);
      }),
      { numRuns },
    );
  });
});

it('of a manifest, only those of a table are read', () => {
  // A run's `data` may be null, a scoring's may not; that is no reason not to score a run's model.
  const manifest = manifestOf('run', recorded('run', { form: 'folded', bos: 'never', data: null }), 'm', 1);
  expect(settingsOf(subjectSettings, manifest)).toEqual({ form: 'folded', bos: 'never' });
  expect(() => settingsOf(COMMANDS.score, manifest)).toThrow(/data null: has no value/);
});

describe('a manifest of before', () => {
  it('has its settings read as those of today', async () => {
    const path = join(folder, 'before.json');
    const data = { task: 'ioi', counts: { train: 64, test: 20 }, aligned: true, seed: 3 };
    const settings = { stopKl: 0.1, components: ['qk'], positions: 'all', seed: 3, threshold: 0.25, data };
    writeFileSync(path, JSON.stringify(manifestOf('run', settings, 'embedded', 1)));
    expect(repeatCommand(await readManifest(path))).toBe(
      'orthoscope run embedded --task ioi --train-pairs 64 --test-pairs 20 --seed 3 --components qk ' +
        '--positions all --stop-kl 0.1 --threshold 0.25',
    );
  });
});

describe('a plan', () => {
  const pairs = join(folder, 'pairs.jsonl');
  beforeAll(() => writeFileSync(pairs, '{"clean": "So Sarah is", "corrupted": "So John is"}\n'));

  /** Prompts that there are. */
  const prompts = fc.oneof(
    fc.constantFrom(...TASKS).chain(({ name, corruptions, templates }) =>
      fc.record({
        task: fc.constant(name),
        corruption: fc.constantFrom(...corruptions.map(({ id }) => id)),
        templates: fc.subarray(
          templates.map(({ id }) => id),
          { minLength: 1 },
        ),
        trainPairs: away(COMMANDS.run.trainPairs),
        validationPairs: away(COMMANDS.run.validationPairs),
        testPairs: away(COMMANDS.run.testPairs),
      }),
    ),
    fc.record({ data: fc.constant(pairs), validation: fc.constant(pairs), test: fc.constant(pairs) }),
  );
  const components = fc.subarray(['qk', 'ov', 'mlp_in', 'mlp_out'] as const, { minLength: 1, maxLength: 3 });
  const others = Object.entries(COMMANDS.run).filter(
    ([key, { determines, group }]) =>
      determines && group !== 'Prompts' && key !== 'model' && key !== 'components',
  );

  it('gives every setting to its job, and the job to its run', async () => {
    const settings = fc.record({
      ...Object.fromEntries(others.map(([key, setting]) => [key, away(setting)])),
      components,
      seed: away(COMMANDS.run.seed),
    });
    await fc.assert(
      fc.asyncProperty(settings, prompts, async (own, of) => {
        const given = { ...own, ...of } as Given<'run'>;
        // `null` is written as its word.
        const plan = Object.entries(given).map(([key, value]) => [
          kebabCase(key),
          value === null ? tableOf('run')[key]!.none : value,
        ]);
        const [planned] = await expandPlan(parsePlan(stringify(Object.fromEntries(plan)), 'plan.yaml'));
        const job = jobSchema(runJobs).parse(JSON.parse(JSON.stringify(planned!.job)));
        const place = { model: 'm', store: null, cores: 1 };
        const { data, validation, test, out, resume, ...run } = complete('run', runSettingsOf(job, place));
        const expected = complete('run', { ...given, model: 'm' });
        expect({ ...run, preset: expected.preset }).toEqual({
          ...Object.fromEntries(Object.keys(run).map((key) => [key, expected[key as keyof typeof expected]])),
        });
        for (const path of [data, validation, test])
          expect(path).toEqual(given.data === undefined ? null : expect.stringMatching(/-pairs.jsonl$/));
      }),
      { numRuns: 25 },
    );
  });
});

describe('a scoring', () => {
  it('gives every setting that its result follows from to its shards', async () => {
    await fc.assert(
      fc.asyncProperty(allAway('score'), async (given) => {
        const { run: _, model: _model, ...request } = complete('score', given);
        const file = { name: 'ioi.jsonl', hash: 'a1'.repeat(32) };
        const sent: ShardSettings = {
          ...sentSettings({ ...request, model: 'm' }),
          data: [{ name: 'ioi', file }],
          masks: file,
          shard: { index: 2, of: 3 },
        };
        const arrived = shardJobs.settings.parse(JSON.parse(JSON.stringify(sent)));
        const again = shardRequest(arrived, { model: 'm', store: null, cores: 1 }, '/root');
        const determining = Object.entries(COMMANDS.score).filter(
          ([key, { determines }]) =>
            determines && !['run', 'model', 'data', 'masks', 'shard', 'values', 'workers'].includes(key),
        );
        for (const [key] of determining)
          expect([key, again[key as keyof typeof again]]).toEqual([
            key,
            request[key as keyof typeof request],
          ]);
      }),
      { numRuns: 20 },
    );
  });
});
