/** The attack on masked models: one built by hand, whose paths are known, and random ones small enough for brute force. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Engine, openEngine } from '../../src/engine/engine.js';
import { InterruptedError } from '../../src/errors.js';
import { type Attacked, attack, NO_LIMIT, worstOf } from '../../src/evaluate/adversary.js';
import { attackCircuit, attackPrompts } from '../../src/evaluate/attack-circuit.js';
import { emptyScores, scorePrompts } from '../../src/evaluate/prompt-scores.js';
import { writeSafetensors } from '../../src/formats/safetensors-write.js';
import type { TokenPair } from '../../src/formats/token-pairs.js';
import { MaskedModel } from '../../src/forward/masked-model.js';
import { objective } from '../../src/masks/objective.js';
import { putBack } from '../../src/masks/shares.js';
import { totalKl } from '../../src/masks/total-kl.js';
import type { Kind } from '../../src/models/components.js';
import { PreparedPairs } from '../../src/pairs/prepared-pairs.js';
import { Random } from '../../src/random.js';
import { mean } from '../../src/statistics/summary.js';
import { decomposed } from '../support/decomposed.js';
import { openForTest } from '../support/open-model.js';
import { SMALL_GPT2, writeRandomGpt2 } from '../support/random-gpt2.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();
let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ engine: 'wasm' });
});

async function prepare(path: string, pairs: TokenPair[], kinds?: Kind[]): Promise<PreparedPairs> {
  const model = await openForTest(path);
  const { decomposition } = await decomposed(model);
  const masked = await MaskedModel.load(engine, model, decomposition, { kinds });
  return PreparedPairs.prepare(masked, pairs, { replacement: 'interchange', seed: 0 });
}

function attackedOf(prepared: PreparedPairs, indices = prepared.pairs.map((_, index) => index)): Attacked {
  const pull = (masks: Float32Array) => objective(prepared, indices, masks, 'kl', 1000);
  const kl = async (masks: Float32Array) =>
    indices.length === prepared.length
      ? (await totalKl(prepared, masks)) / prepared.length
      : (await pull(masks)).kl;
  return { pull, kl };
}

const scorerOf = (prepared: PreparedPairs) => ({
  score: (masks: Float32Array) => scorePrompts(prepared, masks),
  kl: async (masks: Float32Array) => mean((await scorePrompts(prepared, masks)).kl)!,
});

const settings = {
  starts: 4,
  marks: [20, 40],
  rate: 0.1,
  seed: 1,
  budgetSteps: 10,
  most: [1, 2],
  caps: [0.1, 0.5],
  draws: 3,
  points: 20,
  along: 20,
  exactly: 5,
};

describe('a model built by hand', () => {
  /**
   * Hidden units of the only MLP, each with an output of its own. Two pairs cancel in the full model: what inhibits the
   * answer and what makes up for it, what duplicates the rival's path and what takes it away. The inert one is as
   * active on corrupted prompts.
   */
  const PATHS = [
    { name: 'main', size: 3, answer: 4, rival: 0 },
    { name: 'inhibits', size: 2.5, answer: -3, rival: 0 },
    { name: 'makes up', size: 2.2, answer: 3, rival: 0 },
    { name: 'duplicates', size: 1.9, answer: 0, rival: 3 },
    { name: 'takes away', size: 1.6, answer: 0, rival: -3 },
    { name: 'inert', size: 1.3, answer: 1, rival: 1 },
  ];
  const D = 8;
  const [CLEAN, CORRUPTED, ANSWER, RIVAL] = [0, 1, 2, 3];
  const VOCABULARY = 6;
  /** Rows 1 to 7 of a Hadamard matrix: orthogonal, of mean 0, so that centring leaves them alone. */
  const axis = (k: number) =>
    Array.from({ length: D }, (_, i) => (-1) ** ((k & i).toString(2).split('1').length - 1));
  const INPUT = axis(7);
  /** Large against what the paths write, so that the last normalisation is nearly the same whatever is on. */
  const INPUT_SIZE = 60;

  async function write(path: string): Promise<void> {
    const tensor = (shape: number[], fill: (at: number) => number = () => 0) => ({
      dtype: 'F32' as const,
      shape,
      data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, at) => fill(at)),
    });
    const hidden = PATHS.length;
    const block = 'transformer.h.0';
    const tensors = {
      'transformer.wte.weight': tensor([VOCABULARY, D], (at) => {
        const sign = [1, -1][Math.floor(at / D)] ?? 0;
        return sign * INPUT_SIZE * INPUT[at % D]!;
      }),
      'transformer.wpe.weight': tensor([2, D]),
      'transformer.ln_f.weight': tensor([D], () => 1),
      'transformer.ln_f.bias': tensor([D]),
      // Logits are read from what the last normalisation divides by the size of the input.
      'lm_head.weight': tensor([VOCABULARY, D], (at) => {
        const token = Math.floor(at / D);
        const reads = (path: (typeof PATHS)[number]) =>
          token === ANSWER ? path.answer : token === RIVAL ? path.rival : 0;
        return PATHS.reduce(
          (sum, path, k) => sum + ((INPUT_SIZE * reads(path)) / path.size / D) * axis(k + 1)[at % D]!,
          0,
        );
      }),
      [`${block}.ln_1.weight`]: tensor([D], () => 1),
      [`${block}.ln_1.bias`]: tensor([D]),
      [`${block}.ln_2.weight`]: tensor([D], () => 1),
      [`${block}.ln_2.bias`]: tensor([D]),
      [`${block}.attn.c_attn.weight`]: tensor([D, 3 * D]),
      [`${block}.attn.c_attn.bias`]: tensor([3 * D]),
      [`${block}.attn.c_proj.weight`]: tensor([D, D]),
      [`${block}.attn.c_proj.bias`]: tensor([D]),
      // 1 on clean prompts and 0 (a relu of −1) on corrupted ones; the inert unit 1 on both.
      [`${block}.mlp.c_fc.weight`]: tensor([D, hidden], (at) =>
        at % hidden === hidden - 1 ? 0 : INPUT[Math.floor(at / hidden)]! / D,
      ),
      [`${block}.mlp.c_fc.bias`]: tensor([hidden], (at) => Number(at === hidden - 1)),
      [`${block}.mlp.c_proj.weight`]: tensor([hidden, D], (at) => {
        const k = Math.floor(at / D);
        return PATHS[k]!.size * axis(k + 1)[at % D]!;
      }),
      [`${block}.mlp.c_proj.bias`]: tensor([D]),
    };
    await mkdir(path, { recursive: true });
    await writeSafetensors(join(path, 'model.safetensors'), new Map(Object.entries(tensors)));
    const config = {
      model_type: 'gpt2',
      activation_function: 'relu',
      layer_norm_epsilon: 1e-5,
      n_embd: D,
      n_head: 1,
      n_inner: hidden,
      n_layer: 1,
      n_positions: 2,
      vocab_size: VOCABULARY,
      tie_word_embeddings: false,
    };
    await writeFile(join(path, 'config.json'), JSON.stringify(config));
  }

  it('finds the inhibiting and the duplicate path that were left out, not the inert one', async () => {
    const path = join(folder, 'by-hand');
    await write(path);
    const pair: TokenPair = {
      id: '0',
      clean: Int32Array.of(CLEAN!),
      corrupted: Int32Array.of(CORRUPTED!),
      answers: Int32Array.of(ANSWER!),
      distractors: Int32Array.of(RIVAL!),
    };
    const prepared = await prepare(path, [pair], ['mlp_out']);
    const { sigma, layout } = prepared.model;
    // Singular directions are the paths, the largest first, and a null one.
    const norms = [...PATHS.map(({ size }) => size * Math.sqrt(D)), 0];
    sigma.forEach((value, at) => {
      expect(value).toBeCloseTo(norms[at]!, 4);
    });
    const circuit = new Float32Array(layout.size);
    circuit[0] = 1;
    const { figures, shares, missed } = await attackCircuit(
      attackedOf(prepared),
      scorerOf(prepared),
      circuit,
      settings,
    );
    expect(figures.along[0]!.kl).toBeLessThan(0.01);
    expect(figures.kl).toBeGreaterThan(1.5);
    expect(figures.exact_match).toBe(0);
    const named = (name: string) => PATHS.findIndex((path) => path.name === name);
    const found = missed.filter(({ part }) => part > 0.1).map(({ direction }) => direction);
    expect(found.sort()).toEqual([named('inhibits'), named('duplicates')]);
    for (const { returns } of missed.slice(0, 2)) expect(returns).toBeGreaterThan(1);
    const inert = missed.find(({ direction }) => direction === named('inert'));
    expect(Math.abs(inert?.part ?? 0)).toBeLessThan(1e-6);
    expect(shares[named('makes up')]).toBe(0);
    expect(shares[named('takes away')]).toBe(0);
    // One direction is bad, two are worse, small shares hardly matter.
    const [one, two] = figures.by_number;
    expect(one!.kl).toBeGreaterThan(0.3);
    expect(two!.kl).toBeCloseTo(figures.kl, 2);
    expect(figures.by_cap[0]!.kl).toBeLessThan(0.1);
  });
});

describe('interrupted', () => {
  const circuit = Float32Array.of(1, 0, 0, 0);
  /** KL grows with what comes back. */
  const attacked: Attacked = {
    kl: async (masks) => masks.reduce((sum, mask) => sum + mask, 0),
    pull: async (masks) => ({ kl: await attacked.kl(masks), gradient: masks.map(() => 1) }),
  };
  const scores = { ...emptyScores(1), kl: Float64Array.of(1) };
  const measured = { kl: attacked.kl, score: async () => scores };

  it('ends in whatever it is doing', async () => {
    const controller = new AbortController();
    let runs = 0;
    const counted = async <T>(run: Promise<T>) => {
      runs++;
      return run;
    };
    const counting = {
      kl: (masks: Float32Array) => counted(attacked.kl(masks)),
      pull: (masks: Float32Array) => counted(attacked.pull(masks)),
      score: () => counted(measured.score()),
    };
    await attackCircuit(counting, counting, circuit, settings);
    const all = runs;
    for (const last of [1, 3, 20, 60, 200, all - 40, all - 10].filter((at) => at < all)) {
      const controller = new AbortController();
      runs = 0;
      const stopping = {
        kl: (masks: Float32Array) => stop(attacked.kl(masks)),
        pull: (masks: Float32Array) => stop(attacked.pull(masks)),
        score: () => stop(measured.score()),
      };
      const stop = async <T>(run: Promise<T>) => {
        if (++runs === last) controller.abort();
        return run;
      };
      const { signal } = controller;
      const end = attackCircuit(stopping, stopping, circuit, settings, { signal });
      await expect(end, `after ${last} of ${all} runs`).rejects.toThrow(InterruptedError);
      expect(runs).toBeLessThan(last + 3);
    }
    controller.abort();
    const { signal } = controller;
    await expect(attackPrompts(() => attacked, 2, circuit, {}, { signal })).rejects.toThrow(InterruptedError);
  });
});

describe('random models', () => {
  const random = new Random(7);
  const prompt = () => Int32Array.from({ length: 4 }, () => random.integer(SMALL_GPT2.vocabulary));
  const pairs = Array.from(
    { length: 3 },
    (_, id): TokenPair => ({
      id: String(id),
      clean: prompt(),
      corrupted: prompt(),
      answers: Int32Array.of(1),
      distractors: Int32Array.of(2),
    }),
  );

  it('reaches at least 90 % of the worst corner of 2¹²', async () => {
    const path = join(folder, 'random');
    await writeRandomGpt2(path, { seed: 11 });
    const prepared = await prepare(path, pairs);
    const { size } = prepared.model.layout;
    const attacked = attackedOf(prepared);
    const leftOut = new Random(3).sample([...new Float32Array(size).keys()], 12);
    const circuit = new Float32Array(size).fill(1);
    for (const at of leftOut) circuit[at] = 0;
    let corner = 0;
    const shares = new Float32Array(size);
    for (let bits = 0; bits < 2 ** 12; bits++) {
      leftOut.forEach((at, bit) => {
        shares[at] = (bits >> bit) & 1;
      });
      corner = Math.max(corner, await attacked.kl(putBack(circuit, shares)));
    }
    const found = await attack(attacked, circuit, {
      ...NO_LIMIT,
      rate: 0.1,
      marks: [80],
      starts: 8,
      seed: 0,
    });
    expect(worstOf(found.flat()).kl / corner).toBeGreaterThanOrEqual(0.9);
  });

  it('finds no less on each prompt by itself than on all together, in as many steps of the same size', async () => {
    const path = join(folder, 'prompts');
    await writeRandomGpt2(path, { seed: 12 });
    const prepared = await prepare(path, pairs);
    const { size } = prepared.model.layout;
    const circuit = Float32Array.from({ length: size }, (_, at) => Number(at % 3 === 0));
    const each = await attackPrompts((index) => attackedOf(prepared, [index]), pairs.length, circuit);
    expect(each).toHaveLength(pairs.length);
    const plain = await attackedOf(prepared).kl(circuit);
    expect(mean(each)).toBeGreaterThan(plain);
  });

  it('never reports less for more steps or more starts', async () => {
    const path = join(folder, 'more');
    await writeRandomGpt2(path, { seed: 13 });
    const prepared = await prepare(path, pairs);
    const circuit = Float32Array.from({ length: prepared.model.layout.size }, (_, at) =>
      Number(at % 4 === 0),
    );
    // On other pairs than it is found on.
    const report = (changes: Partial<typeof settings>) =>
      attackCircuit(attackedOf(prepared, [0, 1]), scorerOf(prepared), circuit, { ...settings, ...changes });
    const { figures: less } = await report({ starts: 2, marks: [5, 10] });
    const { figures: more } = await report({ starts: 4, marks: [5, 10, 20] });
    expect(more.by_start.length).toBe(4);
    for (const { steps, kl } of less.by_steps)
      expect(more.by_steps.find((found) => found.steps === steps)!.kl).toBeGreaterThanOrEqual(kl);
    expect(more.kl).toBeGreaterThanOrEqual(less.kl);
    for (const by of [more.by_number, more.by_cap, more.by_steps]) {
      const kls = by.map(({ kl }) => kl);
      expect(kls).toEqual([...kls].sort((a, b) => a - b));
    }
  });
});
