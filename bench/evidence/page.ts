/** The page of a study: what is claimed, what was measured, what failed; every figure from the study's file. */

import type { Comparison, Method } from '../../src/evidence/compare-file.js';
import type { GroupTest } from '../../src/evidence/head-groups.js';
import { methodName, ownCut } from '../../src/evidence/methods.js';
import type { Loss, OutsideGroup } from '../../src/evidence/outside-heads.js';
import type { Outcome } from '../../src/evidence/verdict-file.js';
import {
  familiesColumns,
  familiesHead,
  familiesSentences,
  groupColumns,
} from '../../src/report/families-text.js';
import { count, decimal, duration, percent } from '../../src/report/figures.js';
import { SIZE_CURVES_TEXT } from '../../src/report/size-curve-picture.js';
import type { TextColumn } from '../../src/report/text-table.js';
import { OUTCOME_TEXT, verdictHead, verdictRow } from '../../src/report/verdict-text.js';
import { ENOUGH, type RunFigures, type StudyFigures, type TaskFigures } from './digest.js';
import { BASIS_TEXT, type Finding, findingsOf, lowest, withSpread } from './findings.js';

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
  const found = tasks.map(([task, figures]) => ({ task, findings: findingsOf(figures) }));
  const list = (outcomes: readonly Outcome[]) =>
    found.flatMap(({ task, findings }) => [
      `### ${titleOf(task)}`,
      findingsList(outcomes.flatMap((one) => findings.filter(({ outcome }) => outcome === one))),
    ]);
  return `${[
    `# Evidence on ${study.title}`,
    `A circuit is a set of singular directions of a model's weight matrices. Everything else is replaced by what it is on another prompt, and masks are trained to find a small set with which the model still answers as before. This page asks how far such circuits of ${study.title} can be trusted, one for each of ${tasks.length} tasks: first what may be claimed of them and what failed, then the measurements behind each sentence. [evidence.md](evidence.md) explains every test.`,
    `All figures are in [bench/results](../bench/results/evidence-${study.study}.json), and \`${study.command}\` makes them and this page (${study.machine}; engine ${study.engine}). Each task has ${study.prompts.train} training, ${study.prompts.validation} validation and ${study.prompts.test} test prompts${study.size === 'default' ? '' : `; sizes: ${study.size}, so short that no figure means anything`}.`,
    '## The circuits',
    circuitsTable(tasks),
    `_Kept_: directions in the circuit. _KL_: how far its answers are from the model's, in nats, mean over the test prompts. _Exact match_: share of prompts on which both have the same likeliest token. _f_: faithfulness, the share of the logit difference between right and wrong answer that is left; 0 with nothing kept, 1 for the model. _KL attacked_: after an adversary has put back what it likes of what is left out. _Random sets_: as many directions, drawn at random. ${promptsText(tasks[0]![1])}`,
    ...found.map(({ task, findings }) => tallyText(task, findings)),
    '## What may be claimed',
    'A title in bold is the claim, and the sentence in italics says what not to read into it.',
    ...list(['for']),
    '## What failed, or stays open',
    'A title in bold is what could not be claimed.',
    ...list(['against', 'open', 'missing']),
    '## Other methods, at every size',
    'Every method ranks the same directions on the same training prompts. Circuits of ten sizes, and of the learned one’s size, keep the first of each ranking, and all are measured on the same test prompts with the same replacement. CMD is the area between f and 1 over the ten sizes: less is better. CPR is the area under f: .999 is perfect, and more is possible. Scores with a sign are ranked twice: signed ranks by score, absolute by its size. In brackets stand 95 % bootstrap intervals over prompts.',
    PUBLISHED,
    SIZE_CURVES_TEXT,
    ...tasks.flatMap(([task, { comparison, on_qk }]) => [
      `### ${titleOf(task)}`,
      ...pictures(task).map(({ file, text }) => `![${text}](${file})`),
      comparedTable(comparison),
      sizesTable(comparison),
      costsText(comparison),
      'The same for QK directions alone, with all else running whole. Only there can sparse attention decomposition (Franco and Crovella 2024), the nearest published rival, be held against the others: it ranks the directions that rebuild attention scores, prompt by prompt, joined over the task.',
      comparedTable(on_qk),
    ]),
    '## Other bases',
    `The same training and the same attribution over directions of other bases. _Needed_: the smallest number of directions, first by a ranking, with which the KL comes down to so much (between measured sizes along a line in logarithms; – where no size does). The masks were trained without an adversary unless the preset is robust. Subspaces that are learned anew (distributed alignment search) are in [bench/RESULTS.md](../bench/RESULTS.md#subspaces-learned-anew).`,
    'Two bases have no direction in common, but their circuits may keep the same spaces. _Shared_: of the smaller one’s dimensions, summed over components (Σ cos² of principal angles).',
    ...tasks.flatMap(([task, figures]) => [
      `### ${titleOf(task)}`,
      basesTable(figures),
      basesText(figures),
      spacesTable(figures),
    ]),
    '## Every test',
    'The figures behind the sentences. _Corrected_: p-values by Holm, over all tests whose rejection speaks for the circuit (of members and of groups of heads: over those). The draws that each count is of are in `verdict.json` of the run’s folder.',
    ...tasks.flatMap(([task, { verdict }]) => [
      `### ${titleOf(task)}`,
      `Measured on ${verdictHead(verdict as Parameters<typeof verdictHead>[0])}.`,
      sheetTable(verdict),
    ]),
    ...headsSection(study, tasks),
    ...stabilitySection(tasks),
    ...familiesSection(study, tasks),
  ].join('\n\n')}\n`;
}

/** MIB's figures, which are of another model. */
const PUBLISHED =
  'For comparison, published CMD of IOI in GPT-2 small (MIB, arXiv 2504.13151): .02 to .03 for the best methods on edges (activation patching, EAP, EAP-IG, UGS), .27 for the best fine-grained one (neurons, NAP-IG), .38 for NAP, .42 for information flow routes and .75 for random. Another model, other units and other prompts: they say in which region figures lie, not which method is better.';

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

/** The same circuit has several KL: random sets and methods are many, so they are measured on fewer prompts. */
function promptsText({ circuit, comparison, verdict }: TaskFigures): string {
  return `Figures of this table are of all ${count(circuit.prompts)} test prompts; methods are compared on ${count(comparison.measured.tested_on.pairs)} of them, random sets on ${count(verdict.measured.prompts_of_sets)}, so that the same circuit’s KL differs a little from section to section.`;
}

function tallyText(task: string, findings: readonly Finding[]): string {
  const counted = (Object.keys(OUTCOME_TEXT) as Outcome[])
    .map((outcome) => ({ outcome, of: findings.filter((one) => one.outcome === outcome).length }))
    .filter(({ of }) => of > 0)
    .map(({ outcome, of }) => `${of} ${OUTCOME_TEXT[outcome]}`);
  return `**${titleOf(task)}**: ${findings.length} questions were asked of this circuit; the answers are ${counted.join(', ')}.`;
}

/** Neighbours with the same limit are one item. */
function findingsList(findings: readonly Finding[]): string {
  const items: Finding[][] = [];
  for (const one of findings) {
    const last = items.at(-1)?.[0];
    if (last && one.limit !== '' && last.limit === one.limit && last.outcome === one.outcome)
      items.at(-1)!.push(one);
    else items.push([one]);
  }
  if (items.length === 0) return '- nothing';
  return items
    .map((item) => {
      const { outcome, limit } = item[0]!;
      const how = outcome === 'for' ? '' : ` (${OUTCOME_TEXT[outcome]})`;
      const claims = item.map(({ claim }) => claim).join(' ');
      const caveat = limit === '' || outcome === 'missing' ? '' : ` _${limit}_`;
      return `- **${upper(item.map(({ title }) => title).join('; '))}**${how}. ${claims}${caveat}`;
    })
    .join('\n');
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
  return `What needs a gradient at most (${cheap.map(({ title }) => title).join(', ')}) took ${decimal(
    sum(({ seconds }) => seconds),
    1,
  )} s and ${count(sum(passes))} passes of a prompt together (a pass back counts as two forward); training took ${decimal(learned.seconds, 1)} s and ${count(passes(learned))}. ${less ? 'Training is the more costly one, as it should be.' : '**Training is not the more costly one, as it should be.**'}`;
}

function basesTable({ bases }: TaskFigures): string {
  const need = (row: TaskFigures['bases'][number], id: string, ranking: string | null, at: number) =>
    decimal(row.methods.find((one) => one.id === id && one.ranking === ranking)?.needed[at] ?? null, 0);
  return table(
    [
      'basis',
      'directions',
      'kept',
      'KL',
      'KL attacked',
      ...ENOUGH.map((kl) => `needed for KL ${kl}: learned`),
      ...ENOUGH.map((kl) => `for ${kl}: attribution`),
      `for ${ENOUGH[0]}: difference`,
    ],
    bases.map((row) => [
      `${BASIS_TEXT[row.basis]!}${row.preset === 'default' ? '' : `, preset ${row.preset}`}`,
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
    const how = preset === 'default' ? '' : 'trained against an adversary, ';
    const kl = `KL ${ENOUGH[0]}`;
    sentences.push(
      best === svd
        ? `${how}of singular directions the fewest are needed for ${kl}: ${count(own!)}, by the learned ranking.`
        : `${how}of singular directions not the fewest are needed for ${kl}, by the learned ranking: ${own === null ? 'no measured size reaches it' : count(own)}, beside ${count(of(best)!)} ${BASIS_TEXT[best.basis]}.`,
    );
  }
  return sentences.map(upper).join(' ');
}

function spacesTable({ spaces }: TaskFigures): string {
  return table(
    ['circuits over', 'shared', 'by chance'],
    spaces
      .filter(({ smaller }) => smaller > 0)
      .map(({ bases, shared, chance, smaller }) => [
        bases.map((basis) => BASIS_TEXT[basis]!).join('; '),
        percent(shared / smaller),
        percent(chance / smaller),
      ]),
  );
}

function sheetTable({ lines }: TaskFigures['verdict']): string {
  const rows = lines.map((line) => verdictRow({ ...line, null_hypothesis: null }));
  return table(
    ['the circuit …', 'evidence', 'statistic', 'p', 'corrected'],
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
    '## Groups of heads',
    `${named.length === 0 ? `Detectors on random tokens (previous token, duplicate, induction, copying) name none of the ${heads.length} heads` : `Detectors on random tokens (previous token, duplicate, induction, copying) name ${named.length} of ${heads.length} heads: ${named.map(({ head, names }) => `${head} (${names.join(', ')})`).join('; ')}`}. The groups are of what heads look at on IOI prompts ([examples/groups](../examples/groups/ioi-embedded.json)). Does the circuit keep more of a group's heads than of other heads of their layers? p-values are from permutations within layers; q is the false-discovery rate over the groups.`,
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
    'A group may have stand-ins. So heads outside it are ablated, each made to write what it writes for another prompt: alone, and with the whole group ablated as well. A head that costs more of the logit difference on top of the group than alone stands in for it.',
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
    'Do other runs find the same circuit? _Core_ are directions that all runs keep, _noise_ those that one run keeps, _contingent_ all between. KL and f are means over the test prompts of every run. _Spaces shared_: of the smaller circuit’s dimensions, as under “Other bases”. Masks are 0 or 1 after the rounding phase, so another threshold would change nothing; the price of a direction does.',
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
      `Found in ${familiesHead(families)}.`,
      tableOf(familiesColumns(families)),
      familiesSentences(families).join(' '),
      ...(groups ? [tableOf(groups)] : []),
    ];
  };
  return [
    '## Families of prompts',
    'Is one circuit several? Prompts are clustered by what each direction adds to their answers, and a circuit is trained for each family. On fewer prompts fewer directions suffice, so each stands beside circuits of random parts of the same sizes. _One circuit_: the one of all prompts, on these. _Elsewhere_: this circuit on the other prompts.',
    ...known.flatMap(([task, { families }]) => [`### ${titleOf(task)}`, ...block(families!)]),
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
  const told = `purity ${percent(purity)}, adjusted Rand index ${decimal(adjusted_rand)}, which is below 1 where a task falls into several families`;
  return `Its KL is ${each}: ${does ? `one circuit serves both (KL at most ${ENOUGH[0]} on each), so faithfulness alone does not tell that there are two mechanisms` : `above ${ENOUGH[0]} on one of them, so one circuit of this training does not serve both`}. Families ${purity > 0.99 ? 'do tell' : 'do not fully tell'} the tasks apart (${told}).`;
}

function area(figure: Method['cmd']): string {
  return figure === null ? '–' : withSpread(figure.value, figure.confidence);
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

function titleOf(task: string): string {
  return upper(TASK_TITLES[task]!);
}

function upper(text: string): string {
  return text[0]!.toUpperCase() + text.slice(1);
}
