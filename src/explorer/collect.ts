/** Gathers what a run's folder holds, and what other commands left in folders inside it. */
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { basename, join, relative } from 'node:path';
import { InputError } from '../errors.js';
import { type Metrics, readMetrics } from '../evaluate/metrics-file.js';
import { readFamilies } from '../evidence/families-file.js';
import { readVerdict } from '../evidence/verdict-file.js';
import { hashFile } from '../formats/file-hash.js';
import { parseJsonObject, readJson } from '../formats/json-file.js';
import { readJsonRows } from '../formats/json-rows.js';
import { readLabels } from '../formats/labels-file.js';
import type { Manifest } from '../formats/manifest.js';
import { readParquetRows } from '../formats/parquet-file.js';
import { openRun, type RunFolder } from '../formats/run-folder.js';
import { openSafetensors } from '../formats/safetensors.js';
import { PROMPT_CARDS, SIZES, SPECTRA } from '../interpret/for-page.js';
import type { PromptCard } from '../interpret/prompt-card.js';
import type { SizePoint } from '../interpret/size-curve.js';
import { readMasks } from '../masks/masks-file.js';
import { attackText, controlText } from '../report/attack-text.js';
import { circuitParts } from '../report/circuit.js';
import type { ReportedRun } from '../report/html.js';
import { shortHash } from '../report/measured.js';
import { masksRows } from '../report/result-rows.js';
import { unsettledText } from '../report/settling-text.js';
import { readExamples } from '../score/read-tables.js';
import { shellCommand } from '../settings/command-line.js';
import { otherRuns } from './other-runs.js';
import type {
  CardEdge,
  DirectionCard,
  MeasuredIntervention,
  Snapshot,
  SnapshotComponent,
  StrongExample,
} from './snapshot.js';

/**
 * @param folder of a run that was evaluated
 * @throws InputError if the folder holds no run, or the run lacks its masks or metrics, or they do not agree
 */
export async function reportedRun(folder: string): Promise<ReportedRun> {
  const run = await openRun(folder);
  const { status } = run.manifest;
  for (const name of ['masks.safetensors', 'metrics.json'])
    if (!existsSync(run.file(name)))
      throw new InputError(
        `${folder}: no ${name} (the run is ${status}); a report needs a run that was trained and evaluated`,
      );
  const metrics = await readMetrics(run.file('metrics.json'));
  const file = run.file('masks.safetensors');
  const { values: masks } = await readMasks(file);
  const hash = await hashFile(file);
  if (metrics.measured.masks !== hash)
    throw new InputError(
      `${folder}: metrics.json was measured on other masks (SHA-256 ${shortHash(metrics.measured.masks)}) than ` +
        `masks.safetensors (${shortHash(hash)}): evaluate again`,
    );
  if (metrics.measured.model.hash !== run.manifest.model.hash)
    throw new InputError(
      `${folder}: metrics.json was measured on another model (${metrics.measured.model.id}) than the run's (${run.manifest.model.id}): evaluate again`,
    );
  // One that was given on other masks is not this circuit's.
  const given = existsSync(run.file('verdict.json')) ? await readVerdict(run.file('verdict.json')) : null;
  const verdict = given?.measured.masks === hash ? given : null;
  const found = existsSync(run.file('families.json')) ? await readFamilies(run.file('families.json')) : null;
  const families = found?.measured.masks === hash ? found : null;
  return { manifest: run.manifest, metrics, history: await run.readHistory(), masks, verdict, families };
}

/** @param reported the same folder's, as {@link reportedRun} checked it */
export async function collect(
  folder: string,
  { manifest, metrics, masks, verdict = null }: ReportedRun,
): Promise<Snapshot> {
  const run = await openRun(folder);
  const components = circuitParts(masks, metrics.measured.threshold).map(
    ({ name, kind, layer, head, directions }): SnapshotComponent => ({
      ...{ name, kind, layer, directions },
      head: head ?? null,
    }),
  );
  const flat = (byName: ReadonlyMap<string, Float32Array>): Float32Array | undefined => {
    const parts = components.map(({ name, directions }) => {
      const own = byName.get(name);
      return own?.length === directions ? own : null;
    });
    return parts.includes(null) ? undefined : Float32Array.from(parts.flatMap((part) => [...part!]));
  };
  const found = await leftInside(run, manifest, metrics);
  const starts = new Map<string, number>();
  let start = 0;
  for (const { name, directions } of components) {
    starts.set(name, start);
    start += directions;
  }
  const others = await otherRuns(run, masks, metrics.measured.masks);
  const { metadata } = await readMasks(run.file('masks.safetensors'));
  const cards = [...found.cards.values()].filter(({ component }) => starts.has(component));
  const soft = run.file('checkpoints/soft.safetensors');
  const [split, headline] =
    Object.entries(metrics.splits).find(([name]) => name === 'test') ?? Object.entries(metrics.splits)[0]!;
  return {
    core: {
      schema_version: 1,
      title: `Circuit of ${manifest.model.id}`,
      folder: folderInCommands(folder),
      source: headline.source,
      split,
      threshold: metrics.measured.threshold,
      components,
      basis: metadata.basis ?? null,
      metrics,
      said: {
        attack: attackText(headline),
        control: headline.attack && controlText(headline.attack),
        unsettled: unsettledText(metrics.settling),
        rows: masksRows(headline, metrics.measured.threshold),
      },
      verdict,
      sizes: found.sizes,
      keeping: others.keeping,
      sweep: others.sweep,
      interventions: found.interventions,
      cards: cards.map(({ component, index }) => starts.get(component)! + index),
      prompts: found.prompts.map(({ id, group, tokens }) => ({ id, group, text: tokens.join('') })),
      values: [],
      live: null,
    },
    values: {
      masks: flat(masks)!,
      ...(existsSync(soft) && { soft: flat((await readMasks(soft)).values) }),
      ...(found.sigma && { sigma: flat(found.sigma) }),
      ...(others.counts && { keeping: flat(others.counts) }),
      ...(cards.length > 0 && importanceOf(cards, starts, start)),
    },
    cards,
    prompts: found.prompts,
  };
}

function importanceOf(
  cards: readonly DirectionCard[],
  starts: ReadonlyMap<string, number>,
  size: number,
): Pick<Snapshot['values'], 'dropped' | 'estimate' | 'logit' | 'adds'> {
  const of = (value: (card: DirectionCard) => number | null | undefined) => {
    const values = new Float32Array(size).fill(Number.NaN);
    for (const card of cards) values[starts.get(card.component)! + card.index] = value(card) ?? Number.NaN;
    return values;
  };
  return {
    dropped: of(({ importance }) => importance?.dropped?.kl),
    estimate: of(({ importance }) => importance?.dropped_estimate?.kl),
    logit: of(({ importance }) => (importance?.dropped ?? importance?.dropped_estimate)?.logit_difference),
    adds: of(({ adds }) => adds?.mean),
  };
}

/** As a reader would type it: relative to where we are if it lies below, else its name alone. */
function folderInCommands(folder: string): string {
  const path = relative(process.cwd(), folder);
  return shellCommand([path === '' || path.startsWith('..') ? basename(folder) : path]);
}

interface Found {
  cards: Map<string, DirectionCard>;
  prompts: PromptCard[];
  sizes: SizePoint[] | null;
  sigma: Map<string, Float32Array> | null;
  interventions: MeasuredIntervention[];
}

/** What complete folders of other commands inside the run's hold of the same model; the later ones go before. */
async function leftInside(run: RunFolder, { model }: Manifest, metrics: Metrics): Promise<Found> {
  const found: Found = { cards: new Map(), prompts: [], sizes: null, sigma: null, interventions: [] };
  const inner: RunFolder[] = [];
  for (const entry of await readdir(run.path, { withFileTypes: true }))
    if (entry.isDirectory() && existsSync(join(run.path, entry.name, 'manifest.json')))
      inner.push(await openRun(join(run.path, entry.name)));
  inner.sort((a, b) => (a.manifest.started_at < b.manifest.started_at ? -1 : 1));
  const usable = inner.filter(
    ({ manifest }) => manifest.status === 'complete' && manifest.model.hash === model.hash,
  );
  const left = (command: string) => usable.filter(({ manifest }) => manifest.command === command);
  // Cards first: others add to them.
  for (const folder of left('interpret')) await readInterpreted(folder, found, metrics);
  for (const folder of left('intervene')) found.interventions.push(await readIntervention(folder));
  for (const folder of left('score')) await readStrongest(folder, found);
  for (const folder of left('edges')) await readEdges(folder, found);
  // What somebody wrote there counts, whenever it was.
  for (const [direction, { label }] of await readLabels(run.file('labels.csv'))) {
    const card = found.cards.get(direction);
    if (card && label) card.label = label;
  }
  return found;
}

async function readInterpreted(folder: RunFolder, found: Found, { measured }: Metrics): Promise<void> {
  for await (const row of readParquetRows(folder.file('readings.parquet'))) {
    const card = row as unknown as DirectionCard;
    const before = found.cards.get(card.direction);
    // What an earlier reading knew and a later one did not ask for stays.
    const known = Object.fromEntries(Object.entries(card).filter(([, value]) => value !== null));
    found.cards.set(card.direction, before ? { ...before, ...known } : card);
  }
  if (existsSync(folder.file(PROMPT_CARDS))) {
    const lines = (await readFile(folder.file(PROMPT_CARDS), 'utf8')).split('\n').slice(0, -1);
    const where = folder.file(PROMPT_CARDS);
    const cards = lines.map(
      (line, at) => parseJsonObject(line, `${where}:${at + 1}`) as unknown as PromptCard,
    );
    const others = new Set(cards.map(({ id }) => id));
    found.prompts = [...found.prompts.filter(({ id }) => !others.has(id)), ...cards];
  }
  if (existsSync(folder.file(SIZES)) && folder.manifest.settings.threshold === measured.threshold)
    found.sizes = (await readJsonRows(folder.file(SIZES))) as SizePoint[];
  if (existsSync(folder.file(SPECTRA))) {
    const file = await openSafetensors(folder.file(SPECTRA));
    try {
      found.sigma = new Map();
      for (const name of file.names()) found.sigma.set(name, await file.readFloat32(name));
    } finally {
      await file.close();
    }
  }
}

/** Edges of a direction that its card shows, each way. */
const EDGES = 8;

/** Rows come in falling order of what they are foreseen to do. */
async function readEdges(folder: RunFolder, { cards }: Found): Promise<void> {
  const fresh = new Map<string, NonNullable<DirectionCard['edges']>>();
  const add = (direction: string, way: 'from' | 'to', edge: CardEdge) => {
    const card = cards.get(direction);
    if (!card) return;
    const own = fresh.get(direction) ?? { from: [], to: [] };
    fresh.set(direction, own);
    card.edges = own;
    if (own[way].length < EDGES) own[way].push(edge);
  };
  for await (const row of readParquetRows(folder.file('edges.parquet'))) {
    const { writer, reader, side, value, predicted, predicted_low, predicted_high, measured } =
      row as unknown as Record<'writer' | 'reader' | 'side', string> &
        Record<'value' | 'predicted', number> &
        Record<'predicted_low' | 'predicted_high' | 'measured', number | null>;
    const edge = { side, value, predicted, low: predicted_low, high: predicted_high, measured };
    add(reader, 'from', { ...edge, other: writer });
    add(writer, 'to', { ...edge, other: reader });
  }
}

async function readStrongest({ path }: RunFolder, { cards }: Found): Promise<void> {
  const rows = await readExamples(path, (_, direction) => cards.has(direction));
  for (const { direction, data_set, end, value, context, context_values } of rows) {
    const card = cards.get(direction)!;
    const example: StrongExample = { data_set, end, value, tokens: context, values: context_values };
    cards.set(direction, { ...card, examples: [...(card.examples ?? []), example] });
  }
}

async function readIntervention(folder: RunFolder): Promise<MeasuredIntervention> {
  const { change, at, directions, tested } = (await readJson(folder.file('effects.json'))) as unknown as {
    change: string;
    at: string;
    directions: string[];
    tested: { effects: MeasuredIntervention['effects'] };
  };
  return { folder: basename(folder.path), change, at, directions, effects: tested.effects };
}
