/** `interpret`: what each direction writes and reads, what it does on prompts, and how much rests on it. */
import { basename } from 'node:path';
import { writeJson } from '../formats/atomic-file.js';
import { createRun, findRun, type RunFolder } from '../formats/run-folder.js';
import { directionName } from '../interpret/coefficients.js';
import { DirectionLabels } from '../interpret/direction-labels.js';
import { directionMeans, groupsOf } from '../interpret/direction-means.js';
import {
  PROMPT_CARDS,
  SIZES,
  SPECTRA,
  softRanking,
  writePromptCards,
  writeSpectra,
} from '../interpret/for-page.js';
import { importances } from '../interpret/importance.js';
import { chosenDirections, circuitMasks, inherited, withTakenApart } from '../interpret/open.js';
import { type QkRole, qkRoles } from '../interpret/qk-roles.js';
import { type Reading, reading, writeReadings } from '../interpret/readings.js';
import { receptors } from '../interpret/receptors.js';
import { sizeCurve } from '../interpret/size-curve.js';
import { writes } from '../interpret/taken-apart.js';
import { readTokenChoice, tokensOf } from '../interpret/token-choice.js';
import { tokenClasses } from '../interpret/token-classes.js';
import { embeddingsThroughMlp } from '../interpret/token-stream.js';
import { kindsOf } from '../models/components.js';
import { PreparedPairs } from '../pairs/prepared-pairs.js';
import type { Listener } from '../progress.js';
import { checkedData } from '../run/begin.js';
import { outFolder } from '../run/out-folder.js';
import { concluding, newManifest, timed } from '../run/session.js';
import { sourceOf } from '../run/source.js';
import type { Given } from '../settings/commands.js';
import { complete } from '../settings/complete.js';

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
  const { directions: list, kinds, threshold, replacement, seed, level } = settings;
  const prompted = settings.task !== null || settings.data !== null;
  const out = outFolder(
    settings,
    'runs',
    `interpret-${basename(settings.task ?? settings.data ?? 'directions')}`,
    listener,
  );
  const choice = { list, kinds, threshold };
  return withTakenApart(
    { ...settings, model, run },
    (subject, masks) => {
      if (masks) return kindsOf(subject.model.architecture);
      const chosen = chosenDirections(choice, subject, masks).map(({ component }) => component.kind);
      // What prompts say of a writing direction takes all that write.
      const needed = prompted ? kindsOf(subject.model.architecture).filter(writes) : [];
      return kindsOf(subject.model.architecture).filter(
        (kind) => chosen.includes(kind) || needed.includes(kind),
      );
    },
    listener,
    async ({ subject, engine, apart, masks, circuit }) => {
      const { tokenizer } = subject;
      const { layout } = apart.running;
      const chosen = chosenDirections(choice, subject, masks);
      const data = prompted
        ? await checkedData(
            subject,
            { ...settings, components: layout.kinds, loss: 'kl' },
            ['test'],
            listener,
          )
        : null;
      const pairs = (data?.splits.test ?? []).slice(0, settings.mostPairs ?? undefined);
      const manifest = await newManifest({ command: 'interpret', settings, subject, ...(data && { data }) });
      await findRun(out, manifest);
      const session = await createRun(out, {
        ...manifest,
        engine: engine.name,
        versions: { ...manifest.versions, [engine.name]: engine.version },
      });
      return concluding(session, () =>
        timed(session, 'interpret', async () => {
          const spell = (id: number) => tokenizer?.token(id) ?? String(id);
          const means = prompted
            ? await directionMeans(apart, pairs, chosen, groupsOf(pairs, spell), { level, ...listener })
            : null;
          const roles = prompted ? await rolesOf() : new Map<string, QkRole>();
          async function rolesOf() {
            const looking = chosen.filter(({ component }) => component.kind === 'qk');
            const choice = readTokenChoice(settings.queries, tokenizer);
            const queries = pairs.map(({ id, clean }) => tokensOf(choice, clean, `pair "${id}"`));
            const classes = tokenClasses(pairs, tokenizer, settings.data === null ? settings.task : null);
            const found = await qkRoles(apart, pairs, looking, queries, classes, {
              level,
              top: settings.tokens,
              ...listener,
            });
            return new Map(found.map((role, at) => [directionName(looking[at]!), role]));
          }
          const flat = masks && circuitMasks(layout, masks, threshold);
          const prepared =
            prompted && (flat || settings.traced > 0)
              ? await PreparedPairs.prepare(apart.running, pairs, { replacement, seed, ...listener })
              : null;
          const important =
            prepared && flat
              ? await importances(prepared, flat, { exact: settings.exact, ...listener })
              : null;
          const embedding =
            settings.embedding === 'mlp0'
              ? await embeddingsThroughMlp(engine, subject.model, apart.ends)
              : undefined;
          const place = new Map(chosen.map((direction, at) => [directionName(direction), at]));
          const best = new Strongest(settings.top);
          const labels = await DirectionLabels.open((run ?? session).file('labels.csv'));
          const rows = async function* () {
            const options = { top: settings.tokens, spelt: tokenizer?.size, embedding, ...listener };
            for await (const slice of receptors(apart, chosen, options)) {
              const readings = slice.map((each) => {
                const { component, index } = each.direction;
                const name = directionName(each.direction);
                return reading(
                  {
                    receptors: each,
                    mask: masks ? (masks.get(component.name)?.[index] ?? 1) : null,
                    inCircuit: masks && circuit.has(name),
                    means: means?.[place.get(name)!] ?? null,
                    importance: important?.[layout.of(component).start + index] ?? null,
                    role: roles.get(name) ?? null,
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
            model: manifest.model.id,
            weight_form: manifest.weight_form,
            embedding: settings.embedding,
          });
          await writeSpectra(session.file(SPECTRA), apart.running);
          if (prepared) {
            const soft = run && (await softRanking(run, layout));
            const kept = flat ? flat.reduce((sum, mask) => sum + mask, 0) : 0;
            if (soft) await writeJson(session.file(SIZES), await sizeCurve(prepared, soft, kept, listener));
            if (settings.traced > 0)
              await writePromptCards(session.file(PROMPT_CARDS), apart, prepared, flat, {
                most: settings.traced,
                spell,
                ...listener,
              });
          }
          await labels.write();
          const summary = { directions: chosen.length, prompts: pairs.length, top: best.sorted() };
          await writeJson(session.file('summary.json'), summary);
          return { run: session, summary, table };
        }),
      );
    },
  );
}

/** Keeps the most important readings of many: by what dropping them does to the KL, else by what they add, else by σ. */
class Strongest {
  #kept: Reading[] = [];

  constructor(private readonly count: number) {}

  add(readings: readonly Reading[]): void {
    this.#kept = [...this.#kept, ...readings].sort((a, b) => compare(b, a)).slice(0, this.count);
  }

  sorted(): Reading[] {
    return this.#kept;
  }
}

function compare(a: Reading, b: Reading): number {
  const [left, right] = [rank(a), rank(b)];
  const at = left.findIndex((value, i) => value !== right[i]);
  return at === -1 ? 0 : left[at]! - right[at]!;
}

/** The larger the more important, the first figure first. */
function rank({ importance, adds, sigma }: Reading): number[] {
  return [
    importance?.dropped ? importance.dropped.kl : Number.NEGATIVE_INFINITY,
    importance?.dropped_estimate ? Math.abs(importance.dropped_estimate.kl) : 0,
    adds ? Math.abs(adds.mean) : 0,
    sigma,
  ];
}
