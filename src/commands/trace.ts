/** `trace`: one prompt, taken apart by component, direction and attention, and what changes do to it. */
import { type Label, readLabels } from '../formats/labels-file.js';
import { type ParquetColumn, type ParquetGroup, writeParquet } from '../formats/parquet-file.js';
import { intervene } from '../forward/interventions.js';
import { MaskLayout } from '../forward/layout.js';
import { circuitLogits } from '../interpret/circuit-logits.js';
import { logitDifference } from '../interpret/logit-reader.js';
import { inherited, withTakenApart } from '../interpret/open.js';
import { logitsAfter, logProbabilities } from '../interpret/outcomes.js';
import { type HeadTrace, headTrace, logitParts, type Part } from '../interpret/prompt-trace.js';
import { estimateReading, type ReadingEstimate } from '../interpret/reading-estimate.js';
import { typedInterventions } from '../interpret/typed-changes.js';
import { contrasted, typedPair } from '../interpret/typed-prompt.js';
import { kindsOf } from '../models/components.js';
import type { Listener } from '../progress.js';
import { sourceOf } from '../run/source.js';
import type { Positions } from '../settings/choices.js';
import type { Given } from '../settings/commands.js';
import { complete } from '../settings/complete.js';

/** What a model, a circuit or a changed model says next. */
export interface NextToken {
  id: number;
  token: string;
  /** Null where there is no circuit to ask, or nothing was changed. */
  full: number;
  circuit: number | null;
  changed: number | null;
}

export interface MarkedPart extends Part {
  /** Whether the circuit has it; null without a circuit. */
  in_circuit: boolean | null;
  /** What the run's `labels.csv` calls it. */
  label: string | null;
}

export interface Trace {
  tokens: string[];
  contrast: { answers: string[]; distractors: string[] };
  next_tokens: NextToken[];
  logit_difference: { full: number; circuit: number | null; changed: number | null };
  /** KL(full ‖ changed), nats; null where nothing was changed. */
  kl: number | null;
  /** What the full model's logit difference is the sum of. */
  parts: {
    embedding: number;
    position: number;
    bias: number;
    /** Factor of the final normalisation, at which all is counted. */
    final_scale: number;
    components: MarkedPart[];
    directions: MarkedPart[];
  };
  head: Omit<HeadTrace, 'score'> & { score: MarkedPart[] };
}

/**
 * Takes one prompt apart.
 * @example
 * const { parts } = await trace({ run: 'runs/ioi', prompt: 'When Mary and John went to the store, John gave a drink to' });
 */
export async function trace(given: Given<'trace'>, listener: Listener = {}): Promise<Trace> {
  const { model, run } = await sourceOf(given.run, given.model);
  const settings = complete('trace', given, inherited('trace', run, {}));
  const positions = (run?.manifest.settings.positions ?? 'last') as Positions;
  return withTakenApart(
    { ...settings, model, run, positions },
    (subject) => kindsOf(subject.model.architecture),
    listener,
    async ({ subject, apart, masks, circuit }) => {
      const { running } = apart;
      const typed = typedPair(subject, settings);
      const pair = await contrasted(running, typed.pair);
      const encode = (prompt: string) => Int32Array.from(typed.tokenizer.encode(prompt));
      const changes = await typedInterventions(running, settings, pair.corrupted, encode);
      const full = await logitsAfter(running, [pair.clean]);
      if (masks && !pair.corrupted)
        listener.onNote?.(
          'without --corrupted nothing can stand in for what the circuit leaves out: it is not run',
        );
      const ofCircuit =
        masks && pair.corrupted ? await circuitLogits(running, pair, masks, settings.threshold) : null;
      const changed =
        changes.length > 0
          ? await logitsAfter(running, [pair.clean], intervene(running, [pair.clean], changes))
          : null;
      const parts = await logitParts(apart, pair);
      const head = await headTrace(apart, pair, parts, settings);
      const labels = run ? await readLabels(run.file('labels.csv')) : new Map<string, Label>();
      const marked = (part: Part): MarkedPart => ({
        ...part,
        in_circuit: masks && circuit.has(part.name),
        label: labels.get(part.name)?.label ?? null,
      });
      const withAny = new Set([...circuit].map((name) => name.slice(0, name.lastIndexOf('.'))));
      const spell = (id: number) => typed.tokenizer.token(id);
      const difference = (logits: Float32Array | null) => logits && logitDifference(logits, pair);
      const { embedding, position, bias, finalScale } = parts.sum;
      const found: Trace = {
        tokens: Array.from(pair.clean, spell),
        contrast: {
          answers: Array.from(pair.answers, spell),
          distractors: Array.from(pair.distractors, spell),
        },
        next_tokens: nextTokens({ full, circuit: ofCircuit, changed }, settings.top).map((next) => ({
          ...next,
          token: spell(next.id),
        })),
        logit_difference: {
          full: parts.sum.logitDifference,
          circuit: difference(ofCircuit),
          changed: difference(changed),
        },
        kl: changed && divergence(full, changed),
        parts: {
          ...{ embedding, position, bias, final_scale: finalScale },
          components: parts.components.map((part) => ({
            ...part,
            in_circuit: masks && withAny.has(part.name),
            label: null,
          })),
          directions: parts.directions.map(marked),
        },
        head: { ...head, score: head.score.map(marked) },
      };
      if (settings.table !== null) await writeTrace(settings.table, found, settings.prompt);
      return found;
    },
  );
}

const COLUMNS: readonly ParquetColumn[] = [
  { name: 'of', type: 'STRING' },
  { name: 'name', type: 'STRING' },
  { name: 'value', type: 'DOUBLE', unit: 'logits; of attention its share' },
  { name: 'in_circuit', type: 'BOOLEAN', nullable: true },
  { name: 'label', type: 'STRING', nullable: true },
];

/** All rows of the tables: what the logit difference is the sum of, and what a head's score is. */
function writeTrace(path: string, { tokens, parts, head }: Trace, prompt: string): Promise<void> {
  const { embedding, position, bias, components, directions } = parts;
  const plain = (name: string, value: number): MarkedPart => ({ name, value, in_circuit: null, label: null });
  const rows = [
    ...[plain('embedding', embedding), plain('position', position), plain('bias', bias)].map(rowOf('end')),
    ...components.map(rowOf('component')),
    ...directions.map(rowOf('direction')),
    ...head.keys.map(({ weight }, at) => rowOf('attention')(plain(`${at} ${tokens[at]}`, weight))),
    ...head.score.map(rowOf('score')),
  ];
  const metadata = { schema_version: '1', prompt, head: head.head, key: String(head.key) };
  const columns = COLUMNS.map(({ name }) => rows.map((row) => row[name as keyof (typeof rows)[0]]));
  return writeParquet(path, COLUMNS, metadata, [columns as ParquetGroup]);
}

const rowOf = (of: 'end' | 'component' | 'direction' | 'attention' | 'score') => (part: MarkedPart) => ({
  of,
  ...part,
});

/** What {@link trace} would take. */
export async function estimateTrace(
  given: Given<'trace'>,
  listener: Listener = {},
): Promise<ReadingEstimate> {
  const { model, run } = await sourceOf(given.run, given.model);
  const settings = complete('trace', given, inherited('trace', run, {}));
  return estimateReading({ ...settings, model, run }, listener, (subject) => {
    const { architecture, qkSplit } = subject.model;
    const kinds = kindsOf(architecture);
    const { size } = new MaskLayout(architecture, kinds, qkSplit);
    const lengths = [typedPair(subject, settings).pair.clean.length];
    return { directions: size, kinds, lengths, pulled: false, receptors: false };
  });
}

/** The likeliest tokens of any of them. */
function nextTokens(
  {
    full,
    circuit,
    changed,
  }: Record<'full' | 'circuit', Float32Array | null> & { changed: Float32Array | null },
  count: number,
): Omit<NextToken, 'token'>[] {
  const [p, q, r] = [full, circuit, changed].map(
    (logits) => logits && logProbabilities(logits).map(Math.exp),
  );
  const likeliest = (probabilities: Float64Array | null | undefined) =>
    probabilities
      ? Array.from(probabilities.keys())
          .sort((a, b) => probabilities[b]! - probabilities[a]!)
          .slice(0, count)
      : [];
  const best = (id: number) => Math.max(p![id]!, q?.[id] ?? 0, r?.[id] ?? 0);
  return [...new Set([p, q, r].flatMap(likeliest))]
    .sort((a, b) => best(b) - best(a))
    .slice(0, count)
    .map((id) => ({ id, full: p![id]!, circuit: q?.[id] ?? null, changed: r?.[id] ?? null }));
}

function divergence(before: Float32Array, after: Float32Array): number {
  const [p, q] = [logProbabilities(before), logProbabilities(after)];
  return p.reduce((sum, log, id) => sum + Math.exp(log) * (log - q[id]!), 0);
}
