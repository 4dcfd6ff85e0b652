/**
 * The studies of evidence, after `npm run build`:
 *
 *     node dist/bench/evidence-study.js embedded [--out sweeps/evidence-embedded] [--engine wasm] [--size short]
 *     node dist/bench/evidence-study.js smollm2 --model FOLDER [--steps N] [--pairs N] [--draws N]
 *
 * Curves against size, other methods, other bases, the sheet of each circuit; of the embedded model also heads,
 * stability, families and two tasks at once. What is complete in the folder is not done again, so the same command goes
 * on after an interruption. It writes bench/results/evidence-NAME.json, and from that docs/study-NAME.md with its
 * pictures; `--size short` tries every stage in minutes and writes both into its folder. `--page` makes the page anew
 * from the figures. `--only TASK` does what belongs to that task and writes no figures: two processes can share a
 * folder so, once both circuits are there, and the whole command then finds everything done. `--steps` sets the steps of
 * both phases of every training, `--pairs` training pairs, `--draws` random sets of the sheet.
 */
import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { writeJson, writeText } from '../src/formats/atomic-file.js';
import { makeFolder } from '../src/formats/make-folder.js';
import { packageFile } from '../src/package-file.js';
import { SIZE_FIGURES } from '../src/report/size-curve-picture.js';
import {
  type BasisRow,
  basisRow,
  rounded,
  runFigures,
  type StudyFigures,
  sharedSpaces,
  sheetOf,
  stableSetsOf,
  withoutIntervals,
} from './evidence/digest.js';
import { type Picture, studyPage } from './evidence/page.js';
import { pictureFile } from './evidence/picture.js';
import { planOf, type StudyPlan, TASKS, type TaskName } from './evidence/plan.js';
import { Stages } from './evidence/stages.js';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    model: { type: 'string' },
    out: { type: 'string' },
    engine: { type: 'string' },
    size: { type: 'string', default: 'default' },
    steps: { type: 'string' },
    pairs: { type: 'string' },
    draws: { type: 'string' },
    page: { type: 'boolean', default: false },
    only: { type: 'string' },
  },
});
const [name] = positionals;
if (name !== 'embedded' && name !== 'smollm2') throw new Error('name a study: embedded or smollm2');
if (options.size !== 'default' && options.size !== 'short') throw new Error('--size: default or short');
const number = (text: string | undefined) => (text === undefined ? null : Number(text));
const plan = planOf(name, options.page ? (options.model ?? '') : options.model, {
  size: options.size,
  steps: number(options.steps),
  pairs: number(options.pairs),
  draws: number(options.draws),
  engine: (options.engine as StudyPlan['engine'] | undefined) ?? null,
});
const out = options.out ?? join('sweeps', `evidence-${name}${options.size === 'short' ? '-short' : ''}`);
const own = options.size === 'short' ? { figures: out, page: out } : null;
const places = own ?? { figures: packageFile('bench/results'), page: packageFile('docs') };
const figuresFile = join(places.figures, `evidence-${name}.json`);

if (options.page) await writePage(JSON.parse(readFileSync(figuresFile, 'utf8')) as StudyFigures);
else await study();

async function study(): Promise<void> {
  await makeFolder(out);
  await checkPlan();
  const started = performance.now();
  const stages = new Stages(plan, out, (line) =>
    console.error(`${new Date().toISOString().slice(11, 19)} ${line}`),
  );
  if (options.only !== undefined) {
    const task = TASKS.find((one) => one === options.only);
    if (task === undefined) throw new Error(`--only ${options.only}: choose from ${TASKS.join(', ')}`);
    await taskFigures(stages, task);
    return;
  }
  const figures: StudyFigures = {
    study: plan.name,
    title: plan.title,
    size: options.size!,
    command: `node dist/bench/evidence-study.js ${plan.name}${plan.name === 'embedded' ? '' : ' --model FOLDER'}${given()}`,
    machine: `${cpus()[0]?.model.trim()}, ${availableParallelism()} cores, Node ${process.version}`,
    engine: plan.engine,
    prompts: promptsOf(plan.runs[TASKS[0]]),
    ...{ tasks: {}, mixed: null, heads: null },
  };
  // First the circuits of all tasks: each sheet asks for another one's.
  for (const task of TASKS) await stages.circuit(task);
  for (const task of TASKS) figures.tasks[task] = await taskFigures(stages, task);
  if (plan.groups) figures.heads = (await stages.heads()).heads.map(({ head, names }) => ({ head, names }));
  if (plan.families.length > 0) {
    const { run, families } = await stages.mixed();
    figures.mixed = { run: runFigures(run), families };
  }
  const small = rounded(figures);
  await writeJson(figuresFile, small);
  await writePage(small);
  const minutes = (performance.now() - started) / 60_000;
  const { userCPUTime, systemCPUTime } = process.resourceUsage();
  console.error(
    `${minutes.toFixed(0)} min, ${((userCPUTime + systemCPUTime) / 6e7).toFixed(0)} of the processor here; ${figuresFile}`,
  );
}

async function taskFigures(
  stages: Stages,
  task: TaskName,
): Promise<NonNullable<StudyFigures['tasks'][TaskName]>> {
  const comparison = withoutIntervals(await stages.methods(task));
  const on_qk = withoutIntervals(await stages.methodsOnQk(task));
  const bases: BasisRow[] = [];
  for (const preset of plan.presets)
    for (const basis of plan.bases)
      bases.push(
        basisRow(
          basis,
          preset,
          await stages.basisRun(task, basis, preset),
          await stages.methodsInBasis(task, basis, preset),
        ),
      );
  const spaces = sharedSpaces(await stages.spaces(task));
  const verdict = sheetOf(await stages.verdict(task));
  const stable = plan.stability ? await stages.stability(task) : null;
  return {
    circuit: runFigures(await stages.circuit(task)),
    ...{ comparison, on_qk, bases, spaces, verdict },
    stability:
      stable && Object.fromEntries(Object.entries(stable).map(([by, found]) => [by, stableSetsOf(found)])),
    families: plan.families.includes(task) ? await stages.families(task) : null,
  };
}

function promptsOf({
  trainPairs,
  validationPairs,
  testPairs,
}: StudyPlan['runs'][TaskName]): StudyFigures['prompts'] {
  return { train: trainPairs ?? null, validation: validationPairs ?? null, test: testPairs ?? null };
}

/** A folder holds one plan: results of other sizes would pass for this one's. */
async function checkPlan(): Promise<void> {
  const file = join(out, 'plan.json');
  const { model: _, groups: __, ...sizes } = JSON.parse(JSON.stringify(plan)) as StudyPlan;
  if (!existsSync(file)) return writeJson(file, sizes);
  if (JSON.stringify(JSON.parse(readFileSync(file, 'utf8'))) !== JSON.stringify(sizes))
    throw new Error(`${out}: holds a study of other sizes; name another folder with --out`);
}

function given(): string {
  return (['size', 'steps', 'pairs', 'draws', 'engine'] as const)
    .flatMap((key) =>
      options[key] === undefined || options[key] === 'default' ? [] : ` --${key} ${options[key]}`,
    )
    .join('');
}

async function writePage(figures: StudyFigures): Promise<void> {
  const pictures: Record<string, Picture[]> = {};
  for (const [task, { comparison }] of Object.entries(figures.tasks)) {
    pictures[task] = [];
    for (const figure of ['f', 'kl'] as const) {
      const drawn = pictureFile(comparison, figure);
      if (drawn === null) continue;
      const file = `study-${figures.study}-${task}-${figure}.svg`;
      await writeText(join(places.page, file), drawn);
      pictures[task].push({
        file,
        text: `${SIZE_FIGURES[figure]} by share of the directions kept, a panel for each family of methods`,
      });
    }
  }
  await writeText(
    join(places.page, `study-${figures.study}.md`),
    studyPage(figures, (task) => pictures[task]!),
  );
}
