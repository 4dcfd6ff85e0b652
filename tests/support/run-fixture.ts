/** A run of plausible shape for the report's tests: 4 layers of 4 heads, invented scores, sizes counted from its masks. */

import type { AttackMetrics } from '../../src/evaluate/attack-figures.js';
import { binarised, circuitSize } from '../../src/evaluate/circuit-size.js';
import type { ControlMetrics, MaskMetrics, Metrics, SplitMetrics } from '../../src/evaluate/metrics-file.js';
import { writeJson } from '../../src/formats/atomic-file.js';
import { hashFile } from '../../src/formats/file-hash.js';
import type { Manifest } from '../../src/formats/manifest.js';
import { createRun, type HistoryLine } from '../../src/formats/run-folder.js';
import { MaskLayout } from '../../src/forward/layout.js';
import { writeMasks } from '../../src/masks/masks-file.js';
import type { Architecture } from '../../src/models/architecture.js';
import { Random } from '../../src/random.js';
import type { ReportedRun } from '../../src/report/html.js';
import { PRESETS } from '../../src/settings/train-settings.js';

const THRESHOLD = 0.5;

interface FixtureShape {
  nLayers: number;
  nHeads: number;
  dHead: number;
}

/** @param soft masks between 0 and 1, as a run without the rounding phase leaves them; else that phase made them 0 or 1 */
export function reportedRun({
  shape = { nLayers: 4, nHeads: 4, dHead: 32 },
  soft = true,
}: {
  shape?: FixtureShape;
  soft?: boolean;
} = {}): ReportedRun {
  const layout = new MaskLayout(architecture(shape));
  const random = new Random(1);
  const learned = new Float32Array(layout.size);
  for (const component of layout.components) {
    const { start, length } = layout.of(component);
    const share = random.uniform() ** 4 * 0.6;
    for (let i = start; i < start + length; i++)
      learned[i] = random.uniform() < share ? 0.7 + 0.3 * random.uniform() : 0.1 * random.uniform();
  }
  const masks = soft ? learned : binarised(learned, THRESHOLD);
  return {
    manifest: manifest(),
    metrics: {
      schema_version: 2,
      measured: {
        model: { id: 'tiny-tasks', hash: 'a1'.repeat(32) },
        weight_form: 'reference',
        masks: 'd4'.repeat(32),
        positions: 'last',
        replacement: 'interchange',
        threshold: THRESHOLD,
        seed: 7,
        control_seeds: 5,
        level: 0.95,
        resamples: 1000,
      },
      coverage: coverage(shape),
      settling: {
        steps: { soft: 160, rounding: 100 },
        sum: { start: 2047, end: 220 },
        drift: { soft: -0.004, rounding: 0.012 },
        undecided: 31,
        directions: layout.size,
        unsettled: null,
      },
      splits: { test: splitMetrics(layout, learned, soft) },
    },
    history: history(layout.size),
    masks: layout.split(masks),
  };
}

/** Writes such a run as a folder. @returns its metrics, which name the hash of its masks */
export async function writeReportedRun(
  folder: string,
  { manifest, metrics, history, masks }: ReportedRun,
): Promise<Metrics> {
  const run = await createRun(folder, manifest);
  await run.update({ status: 'complete' });
  for (const line of history) await run.appendHistory(line);
  await writeMasks(run.file('masks.safetensors'), { values: new Map(masks), metadata: {} });
  const hash = await hashFile(run.file('masks.safetensors'));
  const hashed = { ...metrics, measured: { ...metrics.measured, masks: hash } };
  await writeJson(run.file('metrics.json'), hashed);
  await run.unlock();
  return hashed;
}

/** The same metrics for pairs without answers, evaluated without controls. */
export function withoutAnswers(metrics: Metrics): Metrics {
  const blank = <T extends MaskMetrics>(masks: T): T => ({
    ...masks,
    ...ANSWER_SCORES,
    confidence: { ...masks.confidence, ...ANSWER_SCORES },
  });
  const test = metrics.splits.test!;
  return {
    ...metrics,
    splits: {
      test: {
        ...blank(test),
        binarised: blank(test.binarised),
        before_rounding: null,
        denominator: null,
        controls: null,
        attack: null,
      },
    },
  };
}

const ANSWER_SCORES = {
  accuracy: null,
  full_accuracy: null,
  logit_diff: null,
  full_logit_diff: null,
  prob_diff: null,
  full_prob_diff: null,
  faithfulness: null,
};

function coverage({ nLayers, nHeads }: FixtureShape): Metrics['coverage'] {
  const whole = (components: number) => ({ components, masked: components, whole_directions: 0 });
  return {
    qk: whole(nLayers * nHeads),
    ov: whole(nLayers * nHeads),
    mlp_in: whole(nLayers),
    mlp_out: whole(nLayers),
  };
}

function architecture({ nLayers, nHeads, dHead }: FixtureShape): Architecture {
  const dModel = nHeads * dHead;
  return {
    family: 'gpt2',
    nLayers,
    dModel,
    nHeads,
    nKvHeads: nHeads,
    dHead,
    dMlp: 4 * dModel,
    nVocab: 300,
    nPositions: 32,
    norm: 'layer',
    normEpsilon: 1e-5,
    activation: 'gelu_new',
    gatedMlp: false,
    parallelResidual: false,
    attentionScale: Array.from({ length: nLayers }, () => 1 / Math.sqrt(dHead)),
    biases: { q: true, k: true, v: true, o: true, mlpIn: true, mlpGate: false, mlpOut: true },
  };
}

function splitMetrics(layout: MaskLayout, learned: Float32Array, soft: boolean): SplitMetrics {
  const hard = maskMetrics(layout, binarised(learned, THRESHOLD), 0.0214, 0.965);
  const own = maskMetrics(layout, learned, 0.0179, 0.975);
  const control = (kl: number, active = hard.active): ControlMetrics => ({
    n: 200,
    active,
    kl,
    exact_match: 0.031,
    accuracy: 0.025,
    logit_diff: 0.3,
    prob_diff: 0.0004,
    faithfulness: 0.02,
  });
  const sd = {
    kl: 0.213,
    exact_match: 0.012,
    accuracy: 0.011,
    logit_diff: 0.1,
    prob_diff: 0.002,
    faithfulness: 0.018,
  };
  return {
    ...(soft ? own : hard),
    binarised: hard,
    before_rounding: soft
      ? null
      : { ...own, binarised: maskMetrics(layout, binarised(learned, THRESHOLD), 0.231, 0.71) },
    source: 'task ioi, seed 7',
    hash: 'c3'.repeat(32),
    denominator: { mean: 5.3, confidence: [5.2, 5.4], near_zero: 12 },
    controls: {
      random: { ...control(6.312), sd, seeds: 5 },
      random_by_kind: { ...control(5.918), sd, seeds: 5 },
      top_sigma: control(4.6),
      inverted: control(4.01, layout.size - hard.active + 0.25),
      all_on: {
        ...control(2.3e-7, layout.size),
        exact_match: 1,
        accuracy: 0.995,
        prob_diff: 0.981,
        faithfulness: 1,
      },
      all_off: { ...control(10.104, 0), faithfulness: 0 },
    },
    attack: attackMetrics(layout),
  };
}

function attackMetrics(layout: MaskLayout): AttackMetrics {
  const [first, second] = layout.components.map(({ name }) => name);
  return {
    kl: 0.83,
    plain_kl: 0.021,
    exact_match: 0.62,
    accuracy: 0.61,
    logit_diff: 3.2,
    prob_diff: 0.58,
    by_steps: [
      { steps: 3, kl: 0.31 },
      { steps: 10, kl: 0.83 },
    ],
    by_start: [0.83, 0.7],
    random: {
      uniform: { mean: 0.019, sd: 0.001, worst: 0.02 },
      bernoulli: { mean: 0.024, sd: 0.002, worst: 0.026 },
    },
    along: [
      { part: 0, kl: 0.021 },
      { part: 0.5, kl: 0.2 },
      { part: 1, kl: 0.83 },
    ],
    by_number: [{ most: 1, kl: 0.03 }],
    by_cap: [{ cap: 0.1, kl: 0.024 }],
    seen: { split: 'train', source: 'task ioi, seed 7', hash: 'e5'.repeat(32), pairs: 32 },
    n: 128,
    starts: 2,
    steps: 10,
    step: 0.1,
    put_back: 401,
    missed: [
      { component: first!, direction: 3, share: 1, part: 0.4, returns: 0.5 },
      { component: second!, direction: 0, share: 0.25, part: 0.1, returns: null },
    ],
    missed_by_component: [
      { component: first!, part: 0.45 },
      { component: second!, part: 0.1 },
    ],
    per_prompt: { steps: 4, prompts: 32, mean: 2.1, median: 1.9, worst: [{ prompt: 4, kl: 6.2 }] },
    control: { active: 220, plain_kl: 6.31, kl: 7.2, exact_match: 0.01 },
  };
}

function maskMetrics(layout: MaskLayout, masks: Float32Array, kl: number, match: number): MaskMetrics {
  return {
    n: 1000,
    kl,
    exact_match: match,
    accuracy: 0.971,
    full_accuracy: 0.99999,
    logit_diff: 5.1,
    full_logit_diff: 5.4,
    prob_diff: 0.962,
    full_prob_diff: 0.981,
    faithfulness: 0.944,
    ...circuitSize(layout, masks, THRESHOLD),
    confidence: {
      kl: [kl - 0.0031, kl + 0.0034],
      exact_match: [match - 0.011, match + 0.01],
      accuracy: [0.961, 0.981],
      full_accuracy: [0.9999, 1],
      logit_diff: [5, 5.2],
      full_logit_diff: [5.3, 5.5],
      prob_diff: [0.951, 0.972],
      full_prob_diff: [0.972, 0.988],
      faithfulness: [0.931, 0.957],
    },
  };
}

/** 160 soft steps, then 100 rounded ones, validated every 20. */
function history(directions: number): HistoryLine[] {
  const random = new Random(2);
  const lines: HistoryLine[] = [];
  for (let step = 0; step < 260; step++) {
    const phase = step < 160 ? 'soft' : 'rounding';
    const since = phase === 'soft' ? step : step - 160;
    const kl =
      phase === 'soft' ? 0.0004 + 0.06 * (1 - Math.exp(-step / 40)) : 0.015 + 0.9 * Math.exp(-since / 15);
    const l1 =
      directions *
      (phase === 'soft' ? 0.1 + 0.89 * Math.exp(-step / 30) : 0.09 + 0.02 * Math.exp(-since / 9));
    const line = { epoch: 0, phase, l1, l1_weight: 0.0035 };
    const noisy = kl * Math.exp(0.25 * random.normal());
    lines.push({ step, ...line, kl: noisy, loss: noisy + 0.0035 * l1, grad_norm: 0.4, seconds: 0.21 });
    if (since % 20 === 19)
      lines.push({ step: step + 1, ...line, kl, loss: kl + 0.0035 * l1, seconds: 1.4, validation: true });
  }
  return lines;
}

function manifest(): Manifest {
  return {
    schema_version: 1,
    command: 'run',
    status: 'complete',
    settings: {
      form: 'reference',
      qkSplit: 'rotary',
      rotaryOffsets: 64,
      bos: 'auto',
      components: null,
      seed: 7,
      engine: 'auto',
      storeDtype: 'f32',
      basis: 'svd',
      basisSeed: 0,
      positions: 'last',
      replacement: 'interchange',
      ...PRESETS.default,
      threshold: THRESHOLD,
      controlSeeds: 5,
      controlPairs: 200,
      level: 0.95,
      resamples: 1000,
      task: 'ioi',
      trainPairs: 1000,
      testPairs: 1000,
    },
    seeds: { run: 7 },
    model: { id: 'tiny-tasks', path: 'models/tiny-tasks', revision: null, hash: 'a1'.repeat(32) },
    data: {
      train: { source: 'task ioi, seed 7', pairs: 1000, hash: 'b2'.repeat(32) },
      test: { source: 'task ioi, seed 7', pairs: 1000, hash: 'c3'.repeat(32) },
    },
    weight_form: 'reference',
    engine: 'wasm',
    versions: { orthoscope: '0.1.0', node: '20.20.2', wasm: '4.22.0' },
    host: { os: 'linux 6.1', arch: 'x64', cpu: 'A processor', cores: 2, memory_bytes: 16 * 2 ** 30 },
    started_at: '2025-01-02T03:04:05.678Z',
    seconds: { decompose: 0.42, train: 64.2, evaluate: 10.1 },
  };
}
