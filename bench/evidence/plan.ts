/** What the studies of evidence do, and how large each part is. */
import { packageFile } from '../../src/package-file.js';
import { BASES, RANKING_METHODS, type RankingMethod } from '../../src/settings/choices.js';
import type { Given, Settings } from '../../src/settings/commands.js';
import { RECIPES } from '../recipes.js';

type Engine = Settings<'run'>['engine'];
type BasisName = Settings<'run'>['basis'];
type Preset = Settings<'run'>['preset'];

export const TASKS = ['ioi', 'gendered-pronoun'] as const;
export type TaskName = (typeof TASKS)[number];

export interface StudyPlan {
  name: 'embedded' | 'smollm2';
  title: string;
  model: string;
  engine: Engine;
  /** Prompts, schedule, evaluation and adversary of every run, by task. */
  runs: Record<TaskName, Partial<Given<'run'>>>;
  /** Seeds of further runs: other prompts, another order. */
  seeds: number[];
  /** Halves of each task's templates, each with a run of its own; none where one sentence is studied. */
  templates: Partial<Record<TaskName, string[][]>>;
  /** Factors on the price of a direction, each with a run of its own. */
  prices: number[];
  bases: BasisName[];
  presets: Preset[];
  compare: Partial<Given<'compare'>> & { methods: RankingMethod[] };
  /** Task whose comparison alone has the methods that ask for a pass a direction, where any has. */
  perDirection: TaskName;
  /** Methods over QK directions alone. */
  compareQk: Partial<Given<'compare'>>;
  compareBases: Partial<Given<'compare'>>;
  verdict: Partial<Given<'verdict'>>;
  sets: Partial<Given<'stability'>>;
  stability: boolean;
  /** Groups of heads, by task; null where they are not studied. */
  groups: Partial<Record<TaskName, string>> | null;
  /** Tasks whose families are looked for, and then those of both tasks at once. */
  families: TaskName[];
}

/** What can be set from the command line. */
export interface Sizes {
  /** `short` tries every stage in minutes; its figures mean nothing. */
  size: 'default' | 'short';
  steps: number | null;
  pairs: number | null;
  draws: number | null;
  engine: Engine | null;
}

/** Greedy pruning and patching of single directions ask for a pass a direction, and more. */
export const PER_DIRECTION: readonly RankingMethod[] = ['greedy', 'patching'];
/** Ranks QK directions alone: it is compared where all else runs whole. */
const QK_ALONE: readonly RankingMethod[] = ['sparse_attention'];
/** Where time is short: the same training is among the bases, as `coordinates`. */
const AS_BASIS: readonly RankingMethod[] = ['learned_neurons'];
const ON_QK: RankingMethod[] = [
  'learned',
  'attribution',
  'integrated',
  'sparse_attention',
  'sigma',
  'random',
];

/** Tokens of its training were never random, so that detectors on random tokens name none of its heads. */
const HEADS_ON_IOI = packageFile('examples/groups/ioi-embedded.json');

const embedded = (short: boolean): StudyPlan => {
  const prompts = short
    ? { trainPairs: 24, validationPairs: 8, testPairs: 16, steps: 10, roundingSteps: 4, resamples: 50 }
    : { trainPairs: 256, validationPairs: 32, testPairs: 128 };
  const run: Partial<Given<'run'>> = {
    ...prompts,
    // Its committed figures were made before the best cut became the default.
    cut: 'half',
    ...{ pagePrompts: 0, controlSeeds: short ? 1 : 5 },
    ...(short ? { attack: 3, attackPairs: 8 } : { attack: 10, attackPairs: 32, attackStarts: 1 }),
  };
  const ranked = short ? 12 : 96;
  return {
    name: 'embedded',
    title: 'the embedded model',
    model: 'embedded',
    engine: 'wasm',
    runs: { ioi: { ...run, task: 'ioi' }, 'gendered-pronoun': { ...run, task: 'gendered-pronoun' } },
    seeds: short ? [1] : [1, 2, 3],
    templates: {
      ioi: [
        ['gave', 'handed'],
        ['passed', 'showed', 'offered'],
      ],
      'gendered-pronoun': [
        ['such', 'really'],
        ['was', 'has-been'],
      ],
    },
    prices: [0.5, 2],
    bases: BASES.filter((basis) => basis !== 'loaded'),
    presets: ['default'],
    compare: {
      methods: RANKING_METHODS.filter(
        (id) => !QK_ALONE.includes(id) && !(short && PER_DIRECTION.includes(id)),
      ),
      ...{ rankPairs: ranked, cutPairs: ranked, greedyPairs: 8 },
      ...{ randomDraws: short ? 2 : 5, resamples: short ? 50 : 1000, points: short ? 2 : 8 },
    },
    perDirection: 'ioi',
    compareQk: { methods: ON_QK, rankPairs: ranked, cutPairs: ranked, points: short ? 2 : 8 },
    compareBases: { rankPairs: ranked, cutPairs: ranked, resamples: 20 },
    verdict: short
      ? { draws: 3, setPairs: 8, members: 3, knockouts: 2, permutations: 99 }
      : { draws: 100, setPairs: 32 },
    sets: short ? { setPairs: 8, draws: 2 } : { setPairs: 64, draws: 20 },
    stability: true,
    groups: { ioi: HEADS_ON_IOI, 'gendered-pronoun': HEADS_ON_IOI },
    families: ['ioi'],
  };
};

const smollm2 = (short: boolean, model: string): StudyPlan => {
  const recipe = RECIPES['smollm2-short']!;
  const of = (task: TaskName): Partial<Given<'run'>> => ({
    task,
    ...recipe.train(task),
    ...(short
      ? { steps: 4, roundingSteps: 2, validateEvery: 2, batchSize: 4 }
      : { steps: 80, roundingSteps: 100, validateEvery: 20, batchSize: 8, cut: 'validation' }),
    ...(short
      ? { trainPairs: 8, validationPairs: 4, testPairs: 6, resamples: 50 }
      : { trainPairs: 256, validationPairs: 16, testPairs: 96 }),
    templates: recipe.templates?.(task),
    ...{ pagePrompts: 0, controlSeeds: short ? 1 : 2 },
    ...{ attack: short ? 1 : 10, attackStarts: 1, attackPairs: short ? 4 : 16 },
  });
  const ranked = short ? { rankPairs: 4, cutPairs: 4 } : { rankPairs: 32, cutPairs: 48 };
  const fewer = short ? ranked : { rankPairs: 32, cutPairs: 24 };
  return {
    name: 'smollm2',
    title: 'SmolLM2-135M',
    model,
    engine: 'native-cpu',
    runs: { ioi: of('ioi'), 'gendered-pronoun': of('gendered-pronoun') },
    seeds: [1],
    templates: {},
    prices: [],
    bases: BASES.filter((basis) => basis !== 'loaded'),
    presets: ['default'],
    compare: {
      methods: RANKING_METHODS.filter((id) => ![...QK_ALONE, ...PER_DIRECTION, ...AS_BASIS].includes(id)),
      ...{ ...ranked, points: short ? 2 : 8, randomDraws: short ? 1 : 2 },
    },
    perDirection: 'ioi',
    compareQk: { methods: ON_QK, ...fewer, points: short ? 2 : 4, randomDraws: 1 },
    compareBases: { ...fewer, resamples: 20 },
    verdict: short
      ? { draws: 2, setPairs: 4, members: 2, knockouts: 1, permutations: 99 }
      : { draws: 100, setPairs: 8, members: 16, knockouts: 8 },
    sets: { setPairs: short ? 4 : 32, draws: 2 },
    stability: false,
    groups: null,
    families: [],
  };
};

/** The plan of a study at these sizes. */
export function planOf(name: StudyPlan['name'], model: string | undefined, sizes: Sizes): StudyPlan {
  const short = sizes.size === 'short';
  if (name === 'smollm2' && model === undefined) throw new Error('smollm2: name its folder with --model');
  const plan = name === 'embedded' ? embedded(short) : smollm2(short, model!);
  const { steps, pairs, draws, engine } = sizes;
  for (const run of Object.values(plan.runs)) {
    if (steps !== null) Object.assign(run, { steps, roundingSteps: steps });
    if (pairs !== null) Object.assign(run, { trainPairs: pairs });
  }
  if (draws !== null) Object.assign(plan.verdict, { draws });
  return { ...plan, engine: engine ?? plan.engine };
}
