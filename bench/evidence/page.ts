/** The page of a study: what is claimed, what was measured, what failed; every figure from the study's file. */

import type { Comparison, Method } from '../../src/evidence/compare-file.js';
import type { GroupTest } from '../../src/evidence/head-groups.js';
import { methodName, ownCut } from '../../src/evidence/methods.js';
import type { Loss, OutsideGroup } from '../../src/evidence/outside-heads.js';
import {
  familiesColumns,
  familiesHead,
  familiesSentences,
  groupColumns,
} from '../../src/report/families-text.js';
import { count, decimal, duration, percent } from '../../src/report/figures.js';
import type { TextColumn } from '../../src/report/text-table.js';
import { verdictHead, verdictRow } from '../../src/report/verdict-text.js';
import { ENOUGH, type RunFigures, type StudyFigures, type TaskFigures } from './digest.js';

/** Complete sentences on what a study's numbers say, and what they do not. */
interface Findings {
  claimed: string[];
  failed: string[];
}

const TASK_TITLES: Record<string, string> = {
  ioi: 'indirect object identification',
  'gendered-pronoun': 'gendered pronoun',
};

/** Methods that need gradients at most, and no training. */
const ATTRIBUTIONS = ['attribution', 'attribution_heads', 'integrated', 'conductance', 'difference'];

/** A file beside the page, with what stands in its place for those who do not see it. */
export interface Picture {
  file: string;
  text: string;
}

export function studyPage(study: StudyFigures, pictures: (task: string) => Picture[]): string {
  const tasks = Object.entries(study.tasks) as [string, TaskFigures][];
  const findings = tasks.map(([task, figures]) => ({ task, ...findingsOf(figures) }));
  const list = (of: keyof Findings) =>
    findings.map(
      ({ task, ...own }) =>
        `**${upper(TASK_TITLES[task]!)}**\n\n${own[of].map((line) => `- ${line}`).join('\n') || '- nothing'}`,
    );
  return `${[
    `# Evidence on ${study.title}`,
    `Made by \`${study.command}\` from figures in [bench/results](../bench/results/evidence-${study.study}.json); what each test asks is in [evidence.md](evidence.md). ${study.machine}; engine ${study.engine}; of each task ${study.prompts.train} training, ${study.prompts.validation} validation and ${study.prompts.test} test prompts${study.size === 'default' ? '' : `; sizes: ${study.size}, so short that no figure means anything`}.`,
    circuitsTable(tasks),
    '## What may be claimed',
    'Sentences of the sheets, and what follows from the tables below. A test that rejects nothing proves nothing.',
    ...list('claimed'),
    '## What failed, or stays open',
    ...list('failed'),
    '## Faithfulness against size, and other methods',
    'Every method ranks the same directions on the same pairs; circuits of ten sizes and of the learned one’s are measured on other pairs under one replacement rule. CMD is the area of |1 − f|, less is better; CPR that of f, .999 is perfect and more is possible. Signed: by score, absolute: by its size. In brackets 95 % bootstrap intervals over prompts.',
    PUBLISHED,
    ...tasks.flatMap(([task, { comparison, on_qk }]) => [
      `### ${upper(TASK_TITLES[task]!)}`,
      comparedTable(comparison),
      ...pictures(task).map(({ file, text }) => `![${text}](${file})`),
      sizesTable(comparison),
      costsText(comparison),
      'QK directions alone, all else running whole: here sparse attention decomposition (Franco and Crovella 2024), the nearest published rival, can be held against the others. It ranks directions that rebuild attention scores, per prompt, joined over the task.',
      comparedTable(on_qk),
    ]),
    '## Bases',
    `The same training and the same attributions over each basis. Needed: directions at which the ranking first comes down to a KL, between sizes along a line in logarithms; – where no size does. Attacked: KL after an adversary has put back what it likes of what is left out; the masks were trained without one unless the preset says robust. Subspaces that are learned anew (DAS) are in [bench/RESULTS.md](../bench/RESULTS.md#subspaces-learned-anew).`,
    ...tasks.flatMap(([task, figures]) => [
      `### ${upper(TASK_TITLES[task]!)}`,
      basesTable(figures),
      basesText(figures),
      spacesText(figures),
    ]),
    '## The sheets',
    ...tasks.flatMap(([task, { verdict }]) => [
      `### ${upper(TASK_TITLES[task]!)}`,
      `${verdictHead(verdict as Parameters<typeof verdictHead>[0])}. Sentences above; the draws that each count is of are in \`verdict.json\` of the run’s folder.`,
      sheetTable(verdict),
    ]),
    ...headsSection(study, tasks),
    ...stabilitySection(tasks),
    ...familiesSection(study, tasks),
  ].join('\n\n')}\n`;
}

const PUBLISHED =
  'Published CMD on GPT-2 small’s IOI, for comparison: the best methods on edges .02 to .03 (activation patching, EAP, EAP-IG, UGS), the best fine-grained one (neurons, NAP-IG) .27, NAP .38, information flow routes .42, random .75 (MIB, arXiv 2504.13151). Those are of another model, with other units and other prompts: the models differ, so they say in which region figures lie, not who is better.';

function circuitsTable(tasks: [string, TaskFigures][]): string {
  const rows = tasks.map(([task, { circuit }]) => [TASK_TITLES[task]!, ...runCells(circuit)]);
  return table(['circuit', ...RUN_HEADINGS], rows);
}

const RUN_HEADINGS = ['kept', 'KL', 'exact match', 'f', 'KL attacked', 'random sets’ KL', 'training'];

function runCells({
  kept,
  directions,
  kl,
  exact_match,
  faithfulness,
  attacked_kl,
  random_kl,
  train_seconds,
}: RunFigures) {
  return [
    `${count(kept)} of ${count(directions)}`,
    decimal(kl),
    percent(exact_match),
    decimal(faithfulness),
    decimal(attacked_kl),
    decimal(random_kl),
    duration(train_seconds),
  ];
}

function findingsOf({ verdict, comparison, bases }: TaskFigures): Findings {
  const claimed: string[] = [];
  const failed: string[] = [];
  for (const line of verdict.lines) {
    const { outcome } = verdictRow({ ...line, null_hypothesis: null });
    if (line.outcome === 'for') claimed.push(`_${line.title}_: ${line.claim} ${line.limit}`);
    else
      failed.push(
        `_${line.title}_ (${outcome}): ${line.claim}${line.outcome === 'missing' ? '' : ` ${line.limit}`}`,
      );
  }
  const learned = comparison.methods.find(({ id }) => id === 'learned')!;
  const others = comparison.methods.filter(({ id }) => !id.startsWith('learned'));
  const best = lowest(others, (method) => method.cmd?.value);
  if (learned.cmd && best?.cmd) {
    const text = `Over all sizes the learned ranking has CMD ${area(learned.cmd)}, the best other one (${methodName(best)}) ${area(best.cmd)}.`;
    (learned.cmd.value <= best.cmd.value ? claimed : failed).push(text);
  }
  const nearest = lowest(others, (method) => ownCut(method).kl)!;
  const [own, next] = [ownCut(learned).kl, ownCut(nearest).kl];
  const size = count(comparison.own_size);
  (own <= next ? claimed : failed).push(
    `At ${size} directions learned masks have KL ${decimal(own)}, the best other ranking (${methodName(nearest)}) ${decimal(next)}.`,
  );
  const sizes = plainBases(bases);
  const smallest = lowest(sizes, ({ kept }) => kept);
  const singular = sizes.find(({ basis }) => basis === 'svd');
  if (singular && smallest) {
    const text = `The circuit of singular directions has ${count(singular.kept)} at KL ${decimal(singular.kl)}; ${sizes
      .filter(({ basis }) => basis !== 'svd')
      .map(({ basis, kept, kl }) => `${basis} ${count(kept)} at ${decimal(kl)}`)
      .join(', ')}.`;
    (smallest.basis === 'svd' ? claimed : failed).push(text);
  }
  return { claimed, failed };
}

function lowest<Item>(items: readonly Item[], of: (item: Item) => number | null | undefined): Item | null {
  const known = items.filter((item) => of(item) != null);
  return known.reduce<Item | null>(
    (one, other) => (one === null || of(other)! < of(one)! ? other : one),
    null,
  );
}

function comparedTable({ methods }: Comparison): string {
  return table(
    ['method', 'CMD', 'CPR', 'kept', 'KL', 'exact match', 'f', 'seconds', 'prompts forward', 'and back'],
    methods.map((method) => {
      const own = ownCut(method);
      return [
        methodName(method),
        area(method.cmd),
        area(method.cpr),
        count(own.kept),
        withSpread(own.kl, own.confidence.kl),
        percent(own.exact_match),
        withSpread(own.f, own.confidence.f),
        decimal(method.seconds, 1),
        count(method.forwards),
        count(method.gradients),
      ];
    }),
  );
}

function sizesTable({ methods }: Comparison): string {
  const sizes = methods[0]!.cuts.map(({ size }) => (size === null ? 'own size' : String(size)));
  const rows = methods.map((method) => [
    methodName(method),
    ...method.cuts.map(({ kl, f }) => `${decimal(kl)}; ${decimal(f, 2)}`),
  ]);
  return `<details><summary>KL and f by share of the directions kept</summary>\n\n${table(['method', ...sizes], rows)}\n\n</details>`;
}

function costsText({ methods }: Comparison): string {
  const one = (id: string) => methods.find((method) => method.id === id);
  const learned = one('learned')!;
  const cheap = ATTRIBUTIONS.flatMap((id) => one(id) ?? []);
  const sum = (of: (method: Method) => number) => cheap.reduce((total, method) => total + of(method), 0);
  const passes = (method: Method) => method.forwards + 2 * method.gradients;
  const less = sum(({ seconds }) => seconds) < learned.seconds;
  return `All attribution methods together (${cheap.map(methodTitle).join(', ')}) took ${decimal(
    sum(({ seconds }) => seconds),
    1,
  )} s and ${count(sum(passes))} passes of a prompt (one back counts as two forward), the learned masks ${decimal(learned.seconds, 1)} s and ${count(passes(learned))}: ${less ? 'less, as they should' : '**more than they should**'}.`;
}

const methodTitle = ({ title }: Method) => title;

function plainBases(bases: TaskFigures['bases']) {
  return bases.filter(({ preset }) => preset === 'default');
}

function basesTable({ bases }: TaskFigures): string {
  const need = (row: TaskFigures['bases'][number], id: string, ranking: string | null, at: number) =>
    decimal(row.methods.find((one) => one.id === id && one.ranking === ranking)?.needed[at] ?? null, 0);
  return table(
    [
      'basis, preset',
      'directions',
      'kept',
      'KL',
      'KL attacked',
      ...ENOUGH.map((kl) => `learned: needed for KL ${kl}`),
      ...ENOUGH.map((kl) => `attribution: for ${kl}`),
      `difference: for ${ENOUGH[0]}`,
    ],
    bases.map((row) => [
      `${row.basis}, ${row.preset}`,
      count(row.directions),
      count(row.kept),
      decimal(row.kl),
      decimal(row.attacked_kl),
      ...ENOUGH.map((_, at) => need(row, 'learned', null, at)),
      ...ENOUGH.map((_, at) => need(row, 'attribution', 'absolute', at)),
      need(row, 'difference', null, 0),
    ]),
  );
}

function basesText({ bases }: TaskFigures): string {
  const sentences: string[] = [];
  for (const preset of new Set(bases.map((row) => row.preset))) {
    const rows = bases.filter((row) => row.preset === preset);
    const svd = rows.find(({ basis }) => basis === 'svd');
    const of = (row: (typeof rows)[number]) =>
      row.methods.find(({ id }) => id === 'learned')?.needed[0] ?? null;
    const best = lowest(rows, of);
    if (!svd || !best) continue;
    const own = of(svd);
    const how = preset === 'default' ? 'Plain' : 'Trained against an adversary';
    sentences.push(
      best === svd
        ? `${how}, the singular basis needs fewest directions for KL ${ENOUGH[0]}: ${count(own!)}.`
        : `${how}, the singular basis does not need fewest directions for KL ${ENOUGH[0]}: ${own === null ? 'no size reaches it' : count(own)}, against ${count(of(best)!)} of ${best.basis}.`,
    );
  }
  return sentences.join(' ');
}

function spacesText({ spaces }: TaskFigures): string {
  const told = spaces
    .filter(({ smaller }) => smaller > 0)
    .map(
      ({ bases, shared, chance, smaller }) =>
        `${bases.join(' and ')} ${percent(shared / smaller)} (by chance ${percent(chance / smaller)})`,
    );
  return `The spaces that circuits of two bases keep in each component share, of the smaller one’s dimensions (Σ cos² of principal angles): ${told.join('; ')}.`;
}

function sheetTable({ lines }: TaskFigures['verdict']): string {
  const rows = lines.map((line) => verdictRow({ ...line, null_hypothesis: null }));
  return table(
    ['the circuit', 'evidence', 'statistic', 'p', 'corrected'],
    rows.map(({ title, outcome, statistic, p, corrected }) => [title, outcome, statistic, p, corrected]),
    2,
  );
}

function headsSection({ heads }: StudyFigures, tasks: [string, TaskFigures][]): string[] {
  if (heads === null) return [];
  const named = heads.filter(({ names }) => names.length > 0);
  const groups = tasks.flatMap(([task, { verdict }]) => {
    const line = verdict.lines.find(({ id }) => id === 'head_groups');
    return ((line?.numbers.groups ?? []) as GroupTest[]).map((group) => ({ task, ...group }));
  });
  return [
    '## Heads and chance',
    `Detectors on random tokens (previous token, duplicate, induction, copying) name ${named.length === 0 ? 'none' : named.length} of ${heads.length} heads${named.length === 0 ? '' : `: ${named.map(({ head, names }) => `${head} (${names.join(', ')})`).join('; ')}`}. Groups are of what heads look at on IOI prompts ([examples/groups](../examples/groups/ioi-embedded.json)). Is more kept of a group's heads than of other heads of their layers? Permutations within layers; q: false-discovery rate over the groups.`,
    table(
      ['task', 'group', 'heads', 'difference in the share kept', 'effect', 'p', 'q'],
      groups.map(({ task, group, heads, difference, effect, p, q }) => [
        TASK_TITLES[task]!,
        group,
        heads.join(' '),
        percent(difference),
        decimal(effect, 2),
        decimal(p),
        decimal(q),
      ]),
      3,
    ),
    'Heads outside a group, resample-ablated: each writes what it writes for another prompt. What the logit difference loses by that alone, and on top of the group; one that costs more on top stands in for the group.',
    outsideTable(tasks),
  ];
}

/** What heads outside the groups cost, alone and on top. */
function outsideTable(tasks: [string, TaskFigures][]): string {
  const cell = ({ value, confidence }: Loss) => withSpread(value, confidence);
  const rows = tasks.flatMap(([task, { verdict }]) => {
    const line = verdict.lines.find(({ id }) => id === 'head_groups');
    return ((line?.numbers.outside ?? []) as OutsideGroup[]).flatMap(({ group, loss, heads }) => [
      [TASK_TITLES[task]!, group, 'the whole group', cell(loss), '', ''],
      ...heads.map(({ head, alone, on_top, more }) => [
        ...[TASK_TITLES[task]!, group, head],
        ...[alone, on_top, more].map(cell),
      ]),
    ]);
  });
  return table(['task', 'group', 'ablated', 'lost alone', 'on top of the group', 'more on top'], rows, 3);
}

const VARIED: Record<string, string> = {
  seeds: 'seeds (other prompts, another order)',
  templates: 'halves of the templates',
  prices: 'price of a direction (half, once, twice)',
};

function stabilitySection(tasks: [string, TaskFigures][]): string[] {
  const known = tasks.filter(([, { stability }]) => stability !== null);
  if (known.length === 0) return [];
  const rows = known.flatMap(([task, { stability }]) =>
    Object.entries(stability!).map(([by, { runs, core, contingent, noise, kl, f_of_core, spaces }]) => [
      TASK_TITLES[task]!,
      VARIED[by]!,
      `${runs}`,
      `${core}, ${contingent}, ${noise}`,
      decimal(kl.circuits),
      decimal(kl.core),
      decimal(kl.union),
      decimal(kl.own_parts),
      decimal(f_of_core, 2),
      percent(spaces.shared),
      percent(spaces.chance),
    ]),
  );
  return [
    '## What is stable',
    'Directions that all runs keep (core), some, or one of them (noise), and what each set does on the test prompts of every run: means over those. Masks are 0 or 1 after the rounding phase, so the threshold changes nothing; the price of a direction does.',
    table(
      [
        'task',
        'what differs',
        'runs',
        'core, contingent, noise',
        'KL of the circuits',
        'of the core',
        'of the union',
        'of what each has beside the core',
        'f of the core',
        'spaces shared',
        'by chance',
      ],
      rows,
      2,
    ),
  ];
}

function familiesSection({ mixed }: StudyFigures, tasks: [string, TaskFigures][]): string[] {
  const known = tasks.filter(([, { families }]) => families !== null);
  if (known.length === 0 || mixed === null) return [];
  const block = (families: NonNullable<TaskFigures['families']>) => {
    const groups = groupColumns(families);
    return [
      `${familiesHead(families)}.`,
      tableOf(familiesColumns(families)),
      familiesSentences(families).join(' '),
      ...(groups ? [tableOf(groups)] : []),
    ];
  };
  return [
    '## Families of prompts',
    'Prompts clustered by what each direction adds to their answers, with a circuit for each family beside those of random parts of the same sizes: on fewer prompts fewer directions suffice.',
    ...known.flatMap(([task, { families }]) => [`### ${upper(TASK_TITLES[task]!)}`, ...block(families!)]),
    '### Two tasks at once',
    `One circuit trained on half as many prompts of each task keeps ${count(mixed.run.kept)} directions at KL ${decimal(mixed.run.kl)}; those of single tasks keep ${tasks.map(([task, { circuit }]) => `${count(circuit.kept)} (${TASK_TITLES[task]})`).join(' and ')}. ${mixedText(mixed.families)}`,
    ...block(mixed.families),
  ];
}

function mixedText({ groups }: NonNullable<TaskFigures['families']>): string {
  const { adjusted_rand, purity } = groups!.test;
  const does = groups!.each.every(({ joint }) => joint.kl <= ENOUGH[0]!);
  const each = groups!.each
    .map(({ group, joint }) => `${decimal(joint.kl)} on ${TASK_TITLES[group]}`)
    .join(' and ');
  return `Its KL is ${each}: ${does ? `one circuit serves both (KL at most ${ENOUGH[0]} on each), so faithfulness alone does not tell that there are two mechanisms` : `above ${ENOUGH[0]} on one of them, so one circuit of this training does not serve both`}. Families ${purity > 0.99 ? 'do tell' : 'do not fully tell'} the tasks apart (purity ${percent(purity)}, adjusted Rand index ${decimal(adjusted_rand)}, below 1 where a task falls into several families).`;
}

function area(figure: Method['cmd']): string {
  return figure === null ? '–' : withSpread(figure.value, figure.confidence);
}

function withSpread(value: number | null, interval: readonly [number, number] | null): string {
  return interval === null || value === null
    ? decimal(value)
    : `${decimal(value)} [${interval.map((end) => decimal(end)).join(', ')}]`;
}

function tableOf(columns: readonly TextColumn[]): string {
  return table(
    columns.map(({ heading }) => heading),
    columns[0]!.texts.map((_, row) => columns.map(({ texts }) => texts[row]!)),
  );
}

/** A table in Markdown, whose first columns are words and the others figures. */
function table(headings: readonly string[], rows: readonly (readonly string[])[], words = 1): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [
    line(headings),
    `|${headings.map((_, at) => (at < words ? '---' : '---:')).join('|')}|`,
    ...rows.map(line),
  ].join('\n');
}

function upper(text: string): string {
  return text[0]!.toUpperCase() + text.slice(1);
}
