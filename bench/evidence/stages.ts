/** The stages of a study of evidence, each by the command's own function; what is complete is not done again. */
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { kebabCase } from '../../src/case.js';
import { compare } from '../../src/commands/compare.js';
import { families } from '../../src/commands/families.js';
import { type HeadsOutcome, heads } from '../../src/commands/heads.js';
import { run } from '../../src/commands/run.js';
import { stability } from '../../src/commands/stability.js';
import { sweep } from '../../src/commands/sweep.js';
import { writeTaskFiles } from '../../src/commands/task.js';
import { verdict } from '../../src/commands/verdict.js';
import { type Metrics, readMetrics } from '../../src/evaluate/metrics-file.js';
import type { Comparison } from '../../src/evidence/compare-file.js';
import { type Families, readFamilies } from '../../src/evidence/families-file.js';
import { readStability, type Stability } from '../../src/evidence/stability-file.js';
import { readVerdict, type Verdict } from '../../src/evidence/verdict-file.js';
import { writeJson } from '../../src/formats/atomic-file.js';
import type { Manifest } from '../../src/formats/manifest.js';
import { readPromptPairs, writePromptPairs } from '../../src/formats/prompt-pairs.js';
import { openRun } from '../../src/formats/run-folder.js';
import { COMMANDS, type Given, type Settings } from '../../src/settings/commands.js';
import { priceOf } from '../../src/settings/train-settings.js';
import { SPLITS } from '../../src/tasks/splits.js';
import { PER_DIRECTION, type StudyPlan, TASKS, type TaskName } from './plan.js';

export interface RunResult {
  folder: string;
  manifest: Manifest;
  metrics: Metrics;
}

/** Does the stages of a plan, in its folder. */
export class Stages {
  constructor(
    readonly plan: StudyPlan,
    private readonly out: string,
    private readonly say: (line: string) => void,
  ) {}

  private file(...parts: string[]): string {
    return join(this.out, ...parts);
  }

  private get machine() {
    return { engine: this.plan.engine, store: this.file('store') };
  }

  /** @param done whether its result is there already */
  private async stage<Result>(
    name: string,
    done: boolean,
    work: () => Promise<unknown>,
    read: () => Promise<Result>,
  ): Promise<Result> {
    if (!done) {
      const started = performance.now();
      this.say(`${name} …`);
      await work();
      this.say(`${name}: ${((performance.now() - started) / 1000).toFixed(0)} s`);
    }
    return read();
  }

  private async run(name: string, given: Partial<Given<'run'>>): Promise<RunResult> {
    const folder = this.file(name);
    const resume = existsSync(join(folder, 'manifest.json'));
    return this.stage(
      name,
      isComplete(folder) && existsSync(join(folder, 'metrics.json')),
      () => run({ model: this.plan.model, ...given, ...this.machine, out: folder, resume }),
      async () => ({
        folder,
        manifest: (await openRun(folder)).manifest,
        metrics: await readMetrics(join(folder, 'metrics.json')),
      }),
    );
  }

  /** A run of a task in a basis: the one of singular directions is the circuit that is studied. */
  basisRun(
    task: TaskName,
    basis: Settings<'run'>['basis'],
    preset: Settings<'run'>['preset'],
  ): Promise<RunResult> {
    const schedule = preset === 'default' ? {} : { preset };
    return this.run(`${task}-${basis}-${preset}`, { ...this.plan.runs[task], basis, ...schedule });
  }

  circuit(task: TaskName): Promise<RunResult> {
    return this.basisRun(task, 'svd', 'default');
  }

  private compared(name: string, source: string, given: Partial<Given<'compare'>>): Promise<Comparison> {
    const out = this.file(name);
    return this.stage(
      name,
      isComplete(out) && existsSync(join(out, 'compare.json')),
      async () => {
        await rm(out, { recursive: true, force: true });
        await compare({ run: source, ...given, ...this.machine, out });
      },
      async () => JSON.parse(readFileSync(join(out, 'compare.json'), 'utf8')) as Comparison,
    );
  }

  async methods(task: TaskName): Promise<Comparison> {
    const { compare, model, perDirection } = this.plan;
    const methods = compare.methods.filter((id) => task === perDirection || !PER_DIRECTION.includes(id));
    return this.compared(`${task}-methods`, (await this.circuit(task)).folder, {
      ...compare,
      methods,
      model,
    });
  }

  /** Over QK directions alone, everything else running whole. */
  methodsOnQk(task: TaskName): Promise<Comparison> {
    const { model, runs, compareQk } = this.plan;
    const given = Object.entries(runs[task]).filter(([key]) => Object.hasOwn(COMMANDS.compare, key));
    return this.compared(`${task}-methods-qk`, model, {
      ...Object.fromEntries(given),
      ...compareQk,
      components: ['qk'],
    });
  }

  async methodsInBasis(
    task: TaskName,
    basis: Settings<'run'>['basis'],
    preset: Settings<'run'>['preset'],
  ): Promise<Comparison> {
    const { folder } = await this.basisRun(task, basis, preset);
    const methods = ['learned', 'attribution', 'difference'] as const;
    const given = { ...this.plan.compareBases, model: this.plan.model, methods: [...methods] };
    return this.compared(`${task}-${basis}-${preset}-methods`, folder, given);
  }

  /** Further seeds, and halves of the templates. */
  async sweep(task: TaskName): Promise<string> {
    const folder = this.file(`${task}-sweep`);
    const { seeds, templates, runs } = this.plan;
    const { task: name, ...given } = runs[task];
    const plan = {
      model: this.plan.model,
      task: name,
      engine: this.plan.engine,
      ...forPlan(given),
      matrix: { seed: seeds },
      ...(templates[task] && { include: templates[task].map((half) => ({ templates: half })) }),
    };
    const file = this.file(`${task}-sweep.yaml`);
    const asked = seeds.length + (templates[task]?.length ?? 0);
    return this.stage(
      `${task}-sweep`,
      existsSync(join(folder, 'study-done')),
      async () => {
        // JSON is YAML.
        await writeFile(file, JSON.stringify(plan, null, 2));
        const options = { plan: file, out: folder, local: true, jobs: 1, store: this.file('store') };
        const { outcome } = await sweep(options, { onNote: this.say });
        if (outcome.failures.length > 0)
          throw new Error(`${folder}: ${outcome.failures.length} of ${asked} runs failed; see failed/ there`);
        await writeFile(join(folder, 'study-done'), '');
      },
      async () => folder,
    );
  }

  async verdict(task: TaskName): Promise<Verdict> {
    const { folder } = await this.circuit(task);
    const other = (await this.circuit(TASKS.find((one) => one !== task)!)).folder;
    const sweep = await this.sweep(task);
    const groups = this.plan.groups?.[task] ?? null;
    const file = join(folder, 'verdict.json');
    return this.stage(
      `${task}-verdict`,
      existsSync(file),
      () => {
        const given = { run: folder, model: this.plan.model, other, sweep, groups, ...this.plan.verdict };
        return verdict({ ...given, ...this.machine });
      },
      () => readVerdict(file),
    );
  }

  async heads(): Promise<HeadsOutcome> {
    const file = this.file('heads.json');
    return this.stage(
      'heads',
      existsSync(file),
      async () => writeJson(file, await heads({ run: this.plan.model, ...this.machine })),
      async () => JSON.parse(readFileSync(file, 'utf8')) as HeadsOutcome,
    );
  }

  private stable(name: string, runs: string[]): Promise<Stability> {
    const out = this.file(name);
    const file = join(out, 'stability.json');
    return this.stage(
      name,
      existsSync(file),
      () => stability({ runs, model: this.plan.model, ...this.plan.sets, ...this.machine, out }),
      () => readStability(file),
    );
  }

  /** The circuits of the bases, whose spaces are held against each other. */
  async spaces(task: TaskName): Promise<Stability> {
    const runs: string[] = [];
    for (const basis of this.plan.bases) runs.push((await this.basisRun(task, basis, 'default')).folder);
    return this.stable(`${task}-spaces`, runs);
  }

  /** By what runs differ: seeds and prompts, templates, price. */
  async stability(task: TaskName): Promise<Record<'seeds' | 'templates' | 'prices', Stability>> {
    const { folder, manifest } = await this.circuit(task);
    const inSweep = join(await this.sweep(task), 'runs');
    const { templates, seeds, prices } = this.plan;
    const byTemplates: string[] = [];
    const bySeeds: string[] = [];
    for (const id of (await readdir(inSweep)).sort()) {
      const { settings } = (await openRun(join(inSweep, id))).manifest;
      const half = templates[task]?.some((one) => String(settings.templates) === String(one));
      (half ? byTemplates : bySeeds).push(join(inSweep, id));
    }
    if (bySeeds.length !== seeds.length) throw new Error(`${inSweep}: ${bySeeds.length} runs by seed`);
    const directions = (await readMetrics(join(folder, 'metrics.json'))).splits.test!.binarised.directions;
    const byPrice: string[] = [];
    for (const factor of prices) {
      const price = (l1: unknown) => factor * priceOf(l1 as number | 'auto', directions);
      const { l1, roundingL1 } = manifest.settings;
      const given = { ...this.plan.runs[task], l1: price(l1), roundingL1: price(roundingL1) };
      byPrice.push((await this.run(`${task}-price-${factor}`, given)).folder);
    }
    return {
      seeds: await this.stable(`${task}-stability-seeds`, [folder, ...bySeeds]),
      templates: await this.stable(`${task}-stability-templates`, byTemplates),
      prices: await this.stable(`${task}-stability-prices`, [folder, ...byPrice]),
    };
  }

  private familiesOf(folder: string, name: string): Promise<Families> {
    const file = join(folder, 'families.json');
    return this.stage(
      `${name}-families`,
      existsSync(file),
      () => families({ run: folder, model: this.plan.model, ...this.machine }),
      () => readFamilies(file),
    );
  }

  async families(task: TaskName): Promise<Families> {
    return this.familiesOf((await this.circuit(task)).folder, task);
  }

  /** One circuit for two unrelated tasks, half of the prompts of each; and their families. */
  async mixed(): Promise<{ run: RunResult; families: Families }> {
    const { trainPairs, validationPairs, testPairs, task: _, ...given } = this.plan.runs.ioi;
    const half = (pairs: number | null | undefined) => Math.ceil(pairs! / 2);
    const sizes = {
      trainPairs: half(trainPairs),
      validationPairs: half(validationPairs),
      testPairs: half(testPairs),
    };
    const folder = this.file('mixed-prompts');
    if (!existsSync(join(folder, 'test.jsonl'))) {
      await mkdir(folder, { recursive: true });
      const both = new Map<string, Awaited<ReturnType<typeof readPromptPairs>>>();
      for (const task of TASKS) {
        const out = join(folder, task);
        await rm(out, { recursive: true, force: true });
        await writeTaskFiles({ model: this.plan.model, task, ...sizes, out });
        for (const split of SPLITS) {
          const own = await readPromptPairs(join(out, `${split}.jsonl`));
          const named = own.map((pair) => ({ ...pair, id: `${task} ${pair.id}`, group: task }));
          both.set(split, [...(both.get(split) ?? []), ...named]);
        }
      }
      for (const split of SPLITS) await writePromptPairs(join(folder, `${split}.jsonl`), both.get(split)!);
    }
    const file = (split: string) => join(folder, `${split}.jsonl`);
    const data = { data: file('train'), validation: file('validation'), test: file('test') };
    const both = await this.run('mixed', { ...given, ...data });
    return { run: both, families: await this.familiesOf(both.folder, 'mixed') };
  }
}

function isComplete(folder: string): boolean {
  const file = join(folder, 'manifest.json');
  return existsSync(file) && (JSON.parse(readFileSync(file, 'utf8')) as Manifest).status === 'complete';
}

/** Settings as a plan has them: only those that a run's result follows from, in the spelling of the flags. */
function forPlan(given: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(given)
      .filter(([key, value]) => value != null && COMMANDS.run[key as keyof Settings<'run'>].determines)
      .map(([key, value]) => [kebabCase(key), value]),
  );
}
