/** `intervene`: changes directions, and measures what that does, next to controls. */
import { basename } from 'node:path';
import { InputError } from '../errors.js';
import { writeJson } from '../formats/atomic-file.js';
import type { RunFolder } from '../formats/run-folder.js';
import type { TokenPair } from '../formats/token-pairs.js';
import { checkChange } from '../interpret/change.js';
import { directionName } from '../interpret/coefficients.js';
import { groupsOf } from '../interpret/direction-means.js';
import { type Effects, nextTokenChanges, summarise } from '../interpret/effects.js';
import { type ExperimentResult, runExperiment } from '../interpret/experiment.js';
import { chosenDirections, inherited, withTakenApart } from '../interpret/open.js';
import { writeOutcomes } from '../interpret/outcomes-table.js';
import { estimateReading, type ReadingEstimate } from '../interpret/reading-estimate.js';
import { chooser, readTokenChoice } from '../interpret/token-choice.js';
import { contrasted, typedPair } from '../interpret/typed-prompt.js';
import { unrelatedPrompts } from '../interpret/unrelated.js';
import type { Listener } from '../progress.js';
import { loadData, type RunData, splitsOf } from '../run/data.js';
import { outFolder } from '../run/out-folder.js';
import { concluding, newSession, timed } from '../run/session.js';
import { sourceOf } from '../run/source.js';
import type { Subject } from '../run/subject.js';
import type { Given, Settings } from '../settings/commands.js';
import { complete } from '../settings/complete.js';
import type { Split } from '../tasks/splits.js';

/** Tokens that are listed before and after. */
const LISTED = 6;

export interface InterveneSummary {
  /** Name of the prompts. */
  data: string;
  /** Tokens of the prompt, where it is one that was typed. */
  prompt: string[] | null;
  directions: string[];
  change: string;
  at: string;
  /** What logit differences compare, where it is one prompt. */
  contrast: { answers: string[]; distractors: string[] } | null;
  tested: Effects;
  unrelated: (Effects & { source: string }) | null;
  /** Mean probabilities after the change in place, by scale. */
  next_tokens: { scale: number; tokens: { id: number; token: string; before: number; after: number }[] }[];
}

export interface InterveneOutcome {
  run: RunFolder;
  summary: InterveneSummary;
}

/**
 * Changes directions of a run's circuit, or of a model, on a task, a file or one prompt.
 * @example
 * await intervene({ run: 'runs/pronouns', change: 'opposite', scales: [1, 2, 5] });
 * await intervene({ run: 'gpt2', directions: 'L9H6.ov.0-3', change: 'ablate', prompt: 'When Mary and John' });
 */
export async function intervene(
  given: Given<'intervene'>,
  listener: Listener = {},
): Promise<InterveneOutcome> {
  const { model, run } = await sourceOf(given.run, given.model);
  const settings = complete('intervene', given, inherited('intervene', run, given));
  const { directions: list, kinds, threshold } = settings;
  const named = settings.prompt === null ? (settings.task ?? settings.data ?? 'prompts') : 'prompt';
  const out = outFolder(settings, 'runs', `intervene-${basename(named)}`, listener);
  return withTakenApart(
    { ...settings, model, run },
    (subject, masks) => {
      const chosen = chosenDirections({ list, kinds, threshold }, subject, masks);
      checkChange(settings.change, chosen);
      return [...new Set(chosen.map(({ component }) => component.kind))];
    },
    listener,
    async ({ subject, engine, apart, masks, circuit }) => {
      const chosen = chosenDirections({ list, kinds, threshold }, subject, masks);
      const data = await promptsOf(subject, settings, splitsOf(run, given), listener);
      const typed = settings.prompt !== null;
      const pairs = typed ? [await contrasted(apart.running, data.tested[0]!)] : data.tested;
      const choice = readTokenChoice(settings.at, subject.tokenizer);
      const choose = chooser(choice, subject.tokenizer, settings.data === null ? settings.task : null);
      const tokens = pairs.map((pair) => choose(pair, 'clean'));
      const unrelated = await unrelatedPrompts(subject, {
        file: settings.unrelated,
        tested: settings.task,
        count: settings.unrelatedPairs,
        seed: settings.seed,
      });
      const session = await newSession(out, { command: 'intervene', settings, subject, data, engine });
      return concluding(session, async () => {
        const { change: kind, value, scales, draws, seed } = settings;
        const result = await timed(session, 'intervene', () =>
          runExperiment(
            apart,
            {
              pairs,
              tokens,
              choose,
              estimation: data.estimation,
              chosen,
              excluded: circuit,
              ...{ change: { kind, value }, scales, draws, seed },
              unrelated: unrelated.pairs,
            },
            listener,
          ),
        );
        if (draws > 0 && !result.after.some(({ set }) => set === 'outside'))
          listener.onNote?.(
            'too few directions are left outside the circuit to draw as many: that control is missing',
          );
        const summary: InterveneSummary = {
          data: data.name,
          ...described(subject, settings, pairs, result),
          directions: chosen.map(directionName),
          unrelated: result.unrelated && {
            ...summarise(result.unrelated.before, result.unrelated.after, settings),
            source: unrelated.source,
          },
        };
        await writeOutcomes(session.file('outcomes.parquet'), pairs, result, {
          directions: summary.directions.join(','),
          change: settings.change,
        });
        await writeJson(session.file('effects.json'), summary);
        return { run: session, summary };
      });
    },
  );
}

/** What {@link intervene} would take. */
export async function estimateIntervene(
  given: Given<'intervene'>,
  listener: Listener = {},
): Promise<ReadingEstimate> {
  const { model, run } = await sourceOf(given.run, given.model);
  const settings = complete('intervene', given, inherited('intervene', run, given));
  const { directions: list, kinds, threshold } = settings;
  return estimateReading({ ...settings, model, run }, listener, async (subject, masks) => {
    const chosen = chosenDirections({ list, kinds, threshold }, subject, masks);
    checkChange(settings.change, chosen);
    const { tested } = await promptsOf(subject, settings, splitsOf(run, given), listener);
    return {
      directions: chosen.length,
      kinds: [...new Set(chosen.map(({ component }) => component.kind))],
      lengths: tested.map(({ clean }) => clean.length),
      pulled: false,
      receptors: false,
    };
  });
}

interface Prompts extends Pick<RunData, 'name' | 'described' | 'notes'> {
  tested: TokenPair[];
  /** Pairs that means are taken over. */
  estimation: TokenPair[];
}

async function promptsOf(
  subject: Subject,
  settings: Settings<'intervene'>,
  cut: readonly Split[],
  { onNote }: Listener,
): Promise<Prompts> {
  const { prompt, task, data, change } = settings;
  const estimates = change === 'opposite' || change === 'mean';
  const request = { ...settings, positions: settings.at === 'last' ? ('last' as const) : ('all' as const) };
  const load = (splits: readonly ('train' | 'test')[]) => loadData(subject, request, splits, cut);
  const checked = (tested: TokenPair[]) => {
    const without = tested.find(({ corrupted }) => corrupted === null);
    if (change === 'corrupted' && without)
      throw new InputError(`--change corrupted: pair "${without.id}" has no corrupted prompt`);
    return tested;
  };
  if (prompt !== null) {
    const tested = checked([typedPair(subject, { ...settings, prompt }).pair]);
    const common = { name: 'one prompt', tested, notes: [] };
    if (!estimates) return { ...common, described: {}, estimation: [] };
    if (task === null && data === null)
      throw new InputError(`--change ${change}: give --task or --data, whose prompts means are taken over`);
    const { splits, described } = await load(['train']);
    return { ...common, described, estimation: ofGroup(splits.train!, settings, subject) };
  }
  const loaded = await load(estimates ? ['train', 'test'] : ['test']);
  for (const line of loaded.notes) onNote?.(line);
  const estimation = ofGroup(loaded.splits.train ?? [], settings, subject);
  return { ...loaded, tested: checked(loaded.splits.test!), estimation };
}

/** The pairs of the group that means are asked of; all where none is. */
function ofGroup(
  pairs: TokenPair[],
  { change, group }: Settings<'intervene'>,
  { tokenizer }: Subject,
): TokenPair[] {
  if (group === null) return pairs;
  if (change !== 'mean') throw new InputError(`--group ${group}: is for --change mean`);
  const nameOf = groupsOf(pairs, (id) => tokenizer?.token(id) ?? String(id));
  const found = pairs.filter((pair) => nameOf(pair) === group);
  if (found.length > 0) return found;
  const names = [...new Set(pairs.map(nameOf))].sort();
  throw new InputError(
    `--group ${group}: no prompt is of it; there ${names.length === 1 ? 'is' : 'are'} ${names.slice(0, 12).join(', ')}`,
  );
}

function described(
  { tokenizer }: Subject,
  settings: Settings<'intervene'>,
  pairs: readonly TokenPair[],
  { before, after }: ExperimentResult,
): Pick<InterveneSummary, 'prompt' | 'contrast' | 'change' | 'at' | 'tested' | 'next_tokens'> {
  const spell = (id: number) => tokenizer?.token(id) ?? String(id);
  const [first] = pairs;
  const typed = settings.prompt !== null;
  return {
    prompt: typed ? Array.from(first!.clean, spell) : null,
    contrast: typed
      ? { answers: Array.from(first!.answers, spell), distractors: Array.from(first!.distractors, spell) }
      : null,
    change: settings.change,
    at: settings.at,
    tested: summarise(before, after, settings),
    next_tokens: after
      .filter(({ set, way }) => set === 'chosen' && way === 'in place')
      .map(({ scale, outcome }) => ({
        scale,
        tokens: nextTokenChanges(before, outcome, LISTED).map((change) => ({
          ...change,
          token: spell(change.id),
        })),
      })),
  };
}
