/** `interpret`: what each direction writes and reads, what it does on prompts, and how much rests on it. */
import { basename } from 'node:path';
import { writeJson } from '../formats/atomic-file.js';
import type { RunFolder } from '../formats/run-folder.js';
import type { TokenPair } from '../formats/token-pairs.js';
import type { Tokenizer } from '../formats/tokenizer.js';
import { type Direction, directionName } from '../interpret/coefficients.js';
import { strongContexts } from '../interpret/contexts.js';
import { DirectionLabels } from '../interpret/direction-labels.js';
import {
  PROMPT_CARDS,
  SIZES,
  SPECTRA,
  softRanking,
  writePromptCards,
  writeSpectra,
} from '../interpret/for-page.js';
import { patternNames } from '../interpret/head-names.js';
import {
  chosenDirections,
  circuitMasks,
  inherited,
  type Masks,
  onEngine,
  withDirections,
} from '../interpret/open.js';
import { type PromptReading, promptReadings } from '../interpret/prompt-readings.js';
import { estimateReading, type ReadingEstimate } from '../interpret/reading-estimate.js';
import { type Reading, reading, writeReadings } from '../interpret/readings.js';
import { receptors } from '../interpret/receptors.js';
import { sizeCurve } from '../interpret/size-curve.js';
import { type TakenApart, writes } from '../interpret/taken-apart.js';
import { embeddingsThroughMlp } from '../interpret/token-stream.js';
import { type Kind, kindsOf } from '../models/components.js';
import { PreparedPairs } from '../pairs/prepared-pairs.js';
import type { Listener } from '../progress.js';
import { checkedData } from '../run/begin.js';
import { type RunData, splitsOf } from '../run/data.js';
import { outFolder } from '../run/out-folder.js';
import { concluding, newSession, timed } from '../run/session.js';
import { sourceOf } from '../run/source.js';
import type { Subject } from '../run/subject.js';
import type { Given, Settings } from '../settings/commands.js';
import { complete } from '../settings/complete.js';
import type { Split } from '../tasks/splits.js';

export interface InterpretSummary {
  directions: number;
  prompts: number;
  /** The most important ones, the first of all. */
  top: Reading[];
}

export interface InterpretOutcome {
  run: RunFolder;
  summary: InterpretSummary;
  /** Path of the table of all directions. */
  table: string;
}

/**
 * Reads a circuit's directions, or a model's, into a table.
 * @example
 * const { summary } = await interpret({ run: 'runs/ioi' });
 * await interpret({ run: 'gpt2', directions: 'L9H6.ov,L9H9.ov' });
 */
export async function interpret(
  given: Given<'interpret'>,
  listener: Listener = {},
): Promise<InterpretOutcome> {
  const { model, run } = await sourceOf(given.run, given.model);
  const settings = complete('interpret', given, inherited('interpret', run, given));
  const { directions: list, kinds, threshold } = settings;
  const prompted = settings.task !== null || settings.data !== null;
  const out = outFolder(
    settings,
    'runs',
    `interpret-${basename(settings.task ?? settings.data ?? 'directions')}`,
    listener,
  );
  const choice = { list, kinds, threshold };
  return withDirections(
    { ...settings, model, run },
    (subject, masks) => neededKinds(subject, chosenDirections(choice, subject, masks), prompted, masks),
    listener,
    async (opened) => {
      const { subject, engine, decomposition, ends, masks, circuit } = opened;
      const { tokenizer } = subject;
      const chosen = chosenDirections(choice, subject, masks);
      const data = prompted
        ? await promptsOf(subject, settings, opened.kinds, splitsOf(run, given), listener)
        : null;
      const pairs = data?.pairs ?? [];
      const common = { command: 'interpret' as const, settings, subject, engine };
      const session = await newSession(out, data ? { ...common, data } : common);
      return concluding(session, () =>
        timed(session, 'interpret', async () => {
          const names = new Set(chosen.map(directionName));
          const contexts =
            settings.scores === null ? null : await strongContexts(settings.scores, subject.model, names);
          const components = [...new Set(chosen.map(({ component }) => component))];
          const onPrompts = prompted
            ? await onEngine(opened, listener, async (apart) => ({
                readings: await onPairs(
                  apart,
                  pairs,
                  chosen,
                  { session, run, tokenizer, masks, settings },
                  listener,
                ),
                headNames: await patternNames(apart, subject, components, settings.seed, listener),
              }))
            : null;
          const embedding =
            settings.embedding === 'mlp0'
              ? await embeddingsThroughMlp(engine, subject.model, ends)
              : undefined;
          const best = new Strongest(settings.top);
          const labels = await DirectionLabels.open((run ?? session).file('labels.csv'));
          const rows = async function* () {
            const readable = { engine, model: subject.model, decomposition, ends };
            const options = { top: settings.tokens, listed: tokenizer?.size, embedding, ...listener };
            for await (const slice of receptors(readable, chosen, options)) {
              const readings = slice.map((each) => {
                const { component, index } = each.direction;
                const name = directionName(each.direction);
                return reading(
                  {
                    receptors: each,
                    mask: masks ? (masks.get(component.name)?.[index] ?? 1) : null,
                    inCircuit: masks && circuit.has(name),
                    onPrompts: onPrompts?.readings.get(name) ?? null,
                    headNames: onPrompts?.headNames.get(component.name) ?? null,
                    contexts: contexts && (contexts.get(name) ?? []),
                  },
                  tokenizer,
                );
              });
              labels.name(readings);
              best.add(readings);
              yield readings;
            }
          };
          const table = session.file('readings.parquet');
          await writeReadings(table, rows(), {
            model: session.manifest.model.id,
            weight_form: session.manifest.weight_form,
            embedding: settings.embedding,
          });
          await labels.write();
          const summary = { directions: chosen.length, prompts: pairs.length, top: best.sorted() };
          await writeJson(session.file('summary.json'), summary);
          return { run: session, summary, table };
        }),
      );
    },
  );
}

/** What {@link interpret} would take. */
export async function estimateInterpret(
  given: Given<'interpret'>,
  listener: Listener = {},
): Promise<ReadingEstimate> {
  const { model, run } = await sourceOf(given.run, given.model);
  const settings = complete('interpret', given, inherited('interpret', run, given));
  const { directions: list, kinds, threshold } = settings;
  const prompted = settings.task !== null || settings.data !== null;
  return estimateReading({ ...settings, model, run }, listener, async (subject, masks) => {
    const chosen = chosenDirections({ list, kinds, threshold }, subject, masks);
    const needed = neededKinds(subject, chosen, prompted, masks);
    const data = prompted
      ? await promptsOf(subject, settings, needed, splitsOf(run, given), listener)
      : { pairs: [] };
    const lengths = data.pairs.map(({ clean }) => clean.length);
    const plan = { directions: chosen.length, kinds: needed, lengths };
    return { ...plan, pulled: masks !== null, receptors: true };
  });
}

async function promptsOf(
  subject: Subject,
  settings: Settings<'interpret'>,
  kinds: readonly Kind[],
  cut: readonly Split[],
  listener: Listener,
): Promise<RunData & { pairs: TokenPair[] }> {
  const request = { ...settings, components: kinds, loss: 'kl' as const };
  const data = await checkedData(subject, request, ['test'], listener, cut);
  return { ...data, pairs: data.splits.test!.slice(0, settings.mostPairs ?? undefined) };
}

/** What prompts say of directions; and beside the readings what the run's page is made of. */
async function onPairs(
  apart: TakenApart,
  pairs: readonly TokenPair[],
  chosen: readonly Direction[],
  {
    session,
    run,
    tokenizer,
    masks,
    settings,
  }: {
    session: RunFolder;
    run: RunFolder | null;
    tokenizer: Tokenizer | null;
    masks: Masks;
    settings: Settings<'interpret'>;
  },
  listener: Listener,
): Promise<Map<string, PromptReading>> {
  const { running } = apart;
  const { layout } = running;
  const { threshold, replacement, seed, traced, queries, tokens, exact, level } = settings;
  const flat = masks && circuitMasks(layout, masks, threshold);
  const prepared =
    flat || traced > 0
      ? await PreparedPairs.prepare(running, pairs, { replacement, seed, ...listener })
      : null;
  const task = settings.data === null ? settings.task : null;
  const options = { task, prepared, circuit: flat, queries, tokens, exact, level, ...listener };
  const found = await promptReadings(apart, pairs, chosen, tokenizer, options);
  await writeSpectra(session.file(SPECTRA), running);
  if (!prepared) return found;
  const soft = run && (await softRanking(run, layout));
  const kept = flat ? flat.reduce((sum, mask) => sum + mask, 0) : 0;
  if (soft) await writeJson(session.file(SIZES), await sizeCurve(prepared, soft, kept, listener));
  const spell = (id: number) => tokenizer?.token(id) ?? String(id);
  if (traced > 0)
    await writePromptCards(session.file(PROMPT_CARDS), apart, prepared, flat, {
      most: traced,
      spell,
      ...listener,
    });
  return found;
}

/** A circuit runs with all kinds; and what prompts say of a direction that writes takes all that write. */
function neededKinds(
  { model: { architecture } }: Subject,
  chosen: readonly Direction[],
  prompted: boolean,
  masks: Masks,
): Kind[] {
  const own = new Set(chosen.map(({ component }) => component.kind));
  return kindsOf(architecture).filter(
    (kind) => own.has(kind) || (prompted && (masks !== null || writes(kind))),
  );
}

/** Keeps the most important readings of many: by what dropping them does to the KL, else by what they add, else by σ. */
class Strongest {
  #kept: { reading: Reading; rank: number[] }[] = [];

  constructor(private readonly count: number) {}

  add(readings: readonly Reading[]): void {
    const ranked = readings.map((reading) => ({ reading, rank: rankOf(reading) }));
    this.#kept = [...this.#kept, ...ranked].sort((a, b) => compare(b.rank, a.rank)).slice(0, this.count);
  }

  sorted(): Reading[] {
    return this.#kept.map(({ reading }) => reading);
  }
}

function compare(left: readonly number[], right: readonly number[]): number {
  const at = left.findIndex((value, i) => value !== right[i]);
  return at === -1 ? 0 : left[at]! - right[at]!;
}

/** The larger the more important, the first figure first. */
function rankOf({ importance, adds, sigma }: Reading): number[] {
  return [
    importance?.dropped ? importance.dropped.kl : Number.NEGATIVE_INFINITY,
    importance?.dropped_estimate ? Math.abs(importance.dropped_estimate.kl) : 0,
    adds ? Math.abs(adds.mean) : 0,
    sigma,
  ];
}
