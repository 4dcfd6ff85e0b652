/** The library against the definitions, and against what the command line leaves in a folder. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  InputError,
  InterruptedError,
  keptDirections,
  LanguageModel,
  Run,
  readMasks,
} from '../../src/index.js';
import { decomposed } from '../support/decomposed.js';
import { openForTest } from '../support/open-model.js';
import { writeRandomFamily } from '../support/random-family.js';
import { writeRandomGpt2 } from '../support/random-gpt2.js';
import { referenceForward } from '../support/reference-forward.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();
const machine = { engine: 'wasm', workers: 1, store: join(folder, 'store') } as const;

describe.each(['gpt2', 'qwen3'] as const)('a random %s', (family) => {
  let model: LanguageModel;
  const path = join(folder, family);
  const prompt = [3, 1, 4, 1, 5];

  beforeAll(async () => {
    if (family === 'gpt2') await writeRandomGpt2(path);
    else
      await writeRandomFamily(path, {
        family,
        layers: 2,
        kvHeads: 2,
        group: 2,
        planes: 2,
        dModel: 9,
        dMlp: 14,
        vocabulary: 11,
        biased: true,
        seed: 3,
      });
    model = await LanguageModel.open(path, machine);
  });
  afterAll(() => model.close());

  it('gives coefficients, logits and places of the definitions', async () => {
    const { reference } = await decomposed(await openForTest(path));
    const { coefficients, logProbabilities } = referenceForward(reference, prompt);
    const written = model.components.filter(({ kind }) => kind !== 'qk').map(({ name }) => name);
    const { values, tokens } = await model.coefficients(prompt, { components: written });
    expect(tokens).toBeNull();
    for (const name of written)
      values.get(name)!.forEach((row, token) => {
        const expected = coefficients.get(name)![token]!;
        // Directions of the two decompositions may differ in their signs.
        row.forEach((value, k) => expect(Math.abs(value)).toBeCloseTo(Math.abs(expected[k]!), 3));
      });
    const found = await model.forward(prompt, {
      top: 3,
      read: [{ layer: 1, place: 'pattern' }, { place: 'final' }],
    });
    const likeliest = [...logProbabilities.keys()].sort(
      (a, b) => logProbabilities[b]! - logProbabilities[a]!,
    );
    expect(found.next.map(({ id }) => id)).toEqual(likeliest.slice(0, 3));
    for (const { id, logProbability } of found.next)
      expect(logProbability).toBeCloseTo(logProbabilities[id]!, 4);
    const { nHeads, dModel } = model.architecture;
    expect(found.places.map(({ shape }) => shape)).toEqual([
      [nHeads, 5, 5],
      [5, dModel],
    ]);
    const rows = Array.from({ length: nHeads * 5 }, (_, row) =>
      found.places[0]!.data.slice(5 * row, 5 * row + 5),
    );
    for (const row of rows) expect(row.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 5);
  });

  it('writes W again from its directions', async () => {
    const { kind, name } = model.components.at(-1)!;
    const opened = await openForTest(path);
    const { mlpOut } = await opened.layer(model.architecture.nLayers - 1);
    const rows = await model.directions(name);
    const biased = rows[0]!.reads.length - mlpOut.rows;
    expect(['mlp_out', 'mlp_down']).toContain(kind);
    for (const [row, column] of [
      [0, 0],
      [3, 2],
      [mlpOut.rows - 1, mlpOut.cols - 1],
    ] as const) {
      const sum = rows.reduce(
        (sum, { sigma, reads, writes }) => sum + sigma * reads[row + biased]! * writes[column]!,
        0,
      );
      expect(sum).toBeCloseTo(mlpOut.weight[row * mlpOut.cols + column]!, 4);
    }
  });

  it('writes the tokens that a change of the coefficient raises', async () => {
    const { name } = model.components.at(-1)!;
    const [written] = await model.tokensWritten(name, { directions: [0], top: 1 });
    const far = (add: number) =>
      model.forward(prompt, { changes: [{ component: name, directions: [0], change: { add } }] });
    // Far out on both sides nothing else of the stream counts, and what the unembedding adds is the same.
    const [up, down] = [await far(1e4), await far(-1e4)];
    const raised = up.logits.map((logit, token) => logit - down.logits[token]!);
    expect(raised.indexOf(Math.max(...raised))).toBe(written!.raised[0]!.id);
    expect(raised.indexOf(Math.min(...raised))).toBe(written!.lowered[0]!.id);
  });

  it('goes on from what is put in a place', async () => {
    const place = { layer: 0, place: 'streamAfter' } as const;
    const [own, other] = await Promise.all(
      [prompt, [5, 4, 3, 2, 1]].map((ids) => model.forward(ids, { read: [place] })),
    );
    const patched = await model.forward(prompt, { replace: [other!.places[0]!], read: [place] });
    expect(patched.places[0]!.data).toEqual(other!.places[0]!.data);
    expect(patched.logits).not.toEqual(own!.logits);
    patched.logits.forEach((logit, token) => expect(logit).toBeCloseTo(other!.logits[token]!, 4));
  });

  it('leaves everything as it was where coefficients are scaled by 1', async () => {
    const changes = model.components.map(
      ({ name }) => ({ component: name, tokens: 'all', change: { scale: 1 } }) as const,
    );
    const [plain, scaled] = [await model.forward(prompt), await model.forward(prompt, { changes })];
    plain.logits.forEach((logit, token) => expect(scaled.logits[token]).toBeCloseTo(logit, 4));
  });

  it.each([
    ['L9H9.ov: is no component of', () => model.directions('L9H9.ov')],
    ['L0H0.qk: does not write to the stream', () => model.tokensWritten('L0H0.qk')],
    ['has directions 0 to', () => model.tokensWritten('L0H0.ov', { directions: [99] })],
    ['no place "nowhere"', () => model.forward(prompt, { read: [{ layer: 0, place: 'nowhere' as 'z' }] })],
    ['z: layer 7 is none of 0 to 1', () => model.forward(prompt, { read: [{ layer: 7, place: 'z' }] })],
    [
      'z: 1 numbers are given, the place holds',
      () => model.forward(prompt, { replace: [{ layer: 0, place: 'z', data: new Float32Array(1) }] }),
    ],
    ['token 999 is outside the vocabulary', () => model.forward([999])],
    ['no tokenizer.json', () => model.forward('text')],
    ['needs', () => model.prompts({ task: 'ioi' })],
    ['there are no prompt pairs', () => model.train({ train: [] })],
  ])('refuses in one line: %s', async (message, call) => {
    await expect(async () => call()).rejects.toThrow(InputError);
    await expect(async () => call()).rejects.toThrow(message);
  });
});

describe('the embedded model', () => {
  const sizes = { trainPairs: 16, validationPairs: 8, testPairs: 8, seed: 5 };
  const training = { steps: 4, roundingSteps: 3, validateEvery: 2 };
  let model: LanguageModel;
  let run: Run;

  beforeAll(async () => {
    model = await LanguageModel.open('embedded', machine);
    const settings = { task: 'ioi', ...sizes, ...training, controlSeeds: 1, attack: 0, ...machine } as const;
    run = await Run.make({ ...settings, out: join(folder, 'run') });
  });
  afterAll(() => model.close());

  it('learns and measures in memory what a run does in its folder', async () => {
    const pairs = await model.prompts({ task: 'ioi', ...sizes });
    const steps: number[] = [];
    const trained = await model.train(
      pairs,
      { ...training, seed: 5 },
      {
        onStep: ({ step, validation }) => {
          if (!validation) steps.push(step);
        },
      },
    );
    expect(steps).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(trained.steps).toBe(7);
    expect(trained.masks).toEqual(await run.masks());
    expect(trained.soft).toEqual(await run.softMasks());
    expect((await run.history()).filter(({ validation }) => !validation)).toHaveLength(7);

    const evaluation = await model.evaluate(trained.masks, pairs.test, {
      seed: 5,
      controlSeeds: 1,
      beforeRounding: trained.soft,
    });
    expect((await run.metrics()).splits.test).toMatchObject(JSON.parse(JSON.stringify(evaluation)));
    expect(keptDirections(trained.masks)).toHaveLength(evaluation.binarised.active);
  });

  it('gives a gradient that predicts what a step does', async () => {
    const { test } = await model.prompts({ task: 'ioi', ...sizes });
    await using masked = await model.masked(test, { components: ['ov'], replacement: 'mean' });
    const masks = masked.constant(0.6);
    const { kl, gradient } = await masked.loss(masks, { prompts: [0, 1, 2] });
    const step = 1e-3;
    const values = new Map(
      [...masks.values].map(([name, own]) => [
        name,
        own.map((mask, k) => mask - step * Math.sign(gradient.get(name)![k]!)),
      ]),
    );
    const size = [...gradient.values()]
      .flatMap((own) => [...own])
      .reduce((sum, slope) => sum + Math.abs(slope), 0);
    const after = await masked.loss({ values }, { prompts: [0, 1, 2] });
    expect((kl - after.kl) / (step * size)).toBeCloseTo(1, 1);
    const { kl: each } = await masked.scores(masks);
    expect((each[0]! + each[1]! + each[2]!) / 3).toBeCloseTo(kl, 4);
    await expect(masked.scores({ values: new Map([['L0H0.qk', new Float32Array(16)]]) })).rejects.toThrow(
      'is not masked here',
    );
  });

  it('attacks a circuit on prompts that it is not measured on', async () => {
    const { train, test } = await model.prompts({ task: 'ioi', ...sizes });
    const masks = await readMasks(join(run.path, 'masks.safetensors'));
    const { figures, shares } = await model.attack(
      masks,
      { attacked: train, measured: test },
      { starts: 1, steps: 2 },
    );
    const { binarised } = await model.evaluate(masks, test, { controlSeeds: 0 });
    expect(figures.kl).toBeGreaterThanOrEqual(binarised.kl! - 1e-6);
    expect([...shares.keys()].sort()).toEqual([...masks.values.keys()].sort());
  });

  it('stops where a signal fires, and goes on after that', async () => {
    const pairs = await model.prompts({ task: 'ioi', ...sizes });
    const controller = new AbortController();
    const onStep = ({ step }: { step: number }) => {
      if (step === 1) controller.abort();
    };
    const training = model.train(pairs, { steps: 100 }, { onStep, signal: controller.signal });
    await expect(training).rejects.toThrow(InterruptedError);
    expect(
      (await model.forward('When Mary and John went to the store, John gave a drink to')).next[0]!.token,
    ).toBe(' Mary');
  });

  it('opens again from a run, and not at all when it is closed', async () => {
    const again = await run.openModel(machine);
    expect(again.name).toBe('embedded');
    await again.close();
    await again.close();
    expect(() => again.forward([1])).toThrow('embedded: is closed');
  });
});
