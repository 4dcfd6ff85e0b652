/** Planted models as files, and the arithmetic of their truth. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, test } from 'vitest';
import type { Directions } from '../../src/decompose/directions.js';
import { readPromptPairs } from '../../src/formats/prompt-pairs.js';
import { encodePairs } from '../../src/formats/token-pairs.js';
import { openTokenizer } from '../../src/formats/tokenizer.js';
import { MECHANISMS, type Mechanism } from '../../src/planted/mechanisms/mechanisms.js';
import { PLANTED_DEFAULTS, plantModel } from '../../src/planted/planted-model.js';
import type { PlantedTruth } from '../../src/planted/planted-truth.js';
import { recovery, sharesOf } from '../../src/planted/recovery.js';
import { plantedPairs, writePlanted, writePlantedPairs } from '../../src/planted/write-planted.js';
import { lintPairs } from '../../src/tasks/lint.js';
import { openForTest } from '../support/open-model.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();
const names = Object.keys(MECHANISMS) as Mechanism[];
const counts = { train: 30, validation: 10, test: 20 };

describe.each(names)('%s', (mechanism) => {
  const planted = plantModel({ ...PLANTED_DEFAULTS, mechanism, seed: 2 });
  const path = join(folder, mechanism);

  it('is a GPT-2 folder that opens, with prompts of which the linter finds nothing to say', async () => {
    await writePlanted(path, planted);
    const { architecture } = await openForTest(path);
    expect(architecture).toMatchObject({
      family: 'gpt2',
      nLayers: planted.shape.layers,
      nVocab: planted.words.length + 1,
      activation: 'relu',
    });
    const splits = await plantedPairs(path, planted, counts, 5);
    await writePlantedPairs(path, splits);
    const tokenizer = await openTokenizer(path);
    for (const split of ['train', 'validation', 'test'] as const) {
      const pairs = await readPromptPairs(join(path, `${split}.jsonl`));
      expect(pairs).toEqual(splits[split]);
      const encoded = encodePairs(pairs, tokenizer, architecture);
      expect(lintPairs(pairs, encoded, tokenizer)).toEqual([]);
      for (const { clean } of encoded) expect(clean).toHaveLength(planted.shape.positions);
    }
    expect(JSON.parse(readFileSync(join(path, 'truth.json'), 'utf8'))).toEqual(planted.truth);
  });

  it('follows from its seed', () => {
    const again = plantModel({ ...PLANTED_DEFAULTS, mechanism, seed: 2 });
    const other = plantModel({ ...PLANTED_DEFAULTS, mechanism, seed: 3 });
    expect(again.tensors).toEqual(planted.tensors);
    expect(other.tensors).not.toEqual(planted.tensors);
  });

  it('has embeddings of mean 0 and squared length d, so that a LayerNorm leaves them as they are', () => {
    const { dModel: d, positions } = planted.shape;
    const rows = (name: string) => {
      const { data } = planted.tensors.get(name)!;
      return Array.from({ length: data.length / d }, (_, i) => data.subarray(i * d, (i + 1) * d));
    };
    for (const word of rows('transformer.wte.weight'))
      for (const position of rows('transformer.wpe.weight').slice(0, positions)) {
        const sum = Array.from(word, (value, i) => value + position[i]!);
        expect(sum.reduce((total, value) => total + value, 0)).toBeCloseTo(0, 4);
        expect(sum.reduce((total, value) => total + value ** 2, 0)).toBeCloseTo(d, 3);
      }
  });
});

test('unturned axes are one-hot but for what keeps the mean at 0', () => {
  const { tensors, shape } = plantModel({ ...PLANTED_DEFAULTS, mechanism: 'copy', seed: 1, rotated: false });
  const { data } = tensors.get('transformer.wpe.weight')!;
  for (let position = 0; position < shape.positions; position++) {
    const row = data.subarray(position * shape.dModel, (position + 1) * shape.dModel);
    expect(row.filter((value) => Math.abs(value) > 0.5)).toHaveLength(1);
  }
});

/** A component whose inputs are a bias and three coordinates, with these vectors as u. */
function directions(name: string, u: number[][], s: number[]): Directions {
  const [rows, rank] = [u[0]!.length, u.length];
  const values = Float32Array.from({ length: rows * rank }, (_, at) => u[at % rank]![Math.floor(at / rank)]!);
  const component = { name, kind: 'ov' as const, layer: 0, head: 0, rows, cols: 3, rank, fullWidth: 3 };
  return {
    component,
    u: values,
    s: Float32Array.from(s),
    vt: new Float32Array(3 * rank),
  };
}

describe('shares of directions', () => {
  const half = Math.SQRT1_2;
  const truth: PlantedTruth = [
    {
      component: 'L0H0.ov',
      at: 'last',
      varies: [[0, 1, 0, 0]],
      holds: [
        [1, 0, 0, 0],
        [0, 1, 0, 0],
      ],
    },
    { component: 'L0H1.ov', at: 'earlier', varies: [[0, 1, 0, 0]], holds: [[0, 1, 0, 0]] },
  ];
  const axes = [
    [0, 1, 0, 0],
    [0, 0, 1, 0],
    [1, 0, 0, 0],
    [0, 0, 0, 1],
  ];

  it('are 1 and 0 where directions are the mechanism or not; what never differs counts neither way', () => {
    const { relevant, irrelevant } = sharesOf(truth, directions('L0H0.ov', axes, [3, 2, 1, 1]), 'last');
    expect([...relevant]).toEqual([1, 0, 0, 0]);
    expect([...irrelevant]).toEqual([0, 1, 0, 1]);
  });

  it('are fractions in a cluster of equal σ, which mixes them, and then there is a ceiling', () => {
    const mixed = [[0, half, half, 0], [0, half, -half, 0], axes[2]!, axes[3]!];
    const shares = sharesOf(truth, directions('L0H0.ov', mixed, [2, 2, 1, 1]), 'last');
    expect([...shares.relevant].map((share) => share.toFixed(3))).toEqual([
      '0.500',
      '0.500',
      '0.000',
      '0.000',
    ]);
    const found = recovery(new Map([['L0H0.ov', shares]]), new Map([['L0H0.ov', [1, 1, 0, 0]]]));
    expect(found.precision).toBeCloseTo(0.5, 6);
    expect(found.recall).toBeCloseTo(1, 6);
    expect(found.ceiling).toBeCloseTo(2 / 3, 6);
  });

  it('do not depend on the length of u, which is not 1 in other bases, and null directions have none', () => {
    const long = axes.map((axis) => axis.map((value) => 5 * value));
    const { relevant } = sharesOf(truth, directions('L0H0.ov', long, [3, 2, 1, 1]), 'last');
    expect(relevant[0]).toBeCloseTo(1, 6);
    const nothing = sharesOf(
      truth,
      directions(
        'L0H0.ov',
        axes,
        [0, 2, 1, 1].map((s) => s * 1e-9),
      ),
      'last',
    );
    expect([...nothing.relevant]).toEqual([0, 0, 0, 0]);
  });

  it('leave out what masks at the last token do not reach, and components that carry nothing', () => {
    const of = (name: string, positions: 'last' | 'all') => [
      ...sharesOf(truth, directions(name, axes, [3, 2, 1, 1]), positions).relevant,
    ];
    expect(of('L0H1.ov', 'last')).toEqual([0, 0, 0, 0]);
    expect(of('L0H1.ov', 'all')).toEqual([1, 0, 0, 0]);
    expect(of('L1H0.ov', 'all')).toEqual([0, 0, 0, 0]);
  });

  it('count components of a circuit that the truth does not name as wrong', () => {
    const found = recovery(new Map(), new Map([['L9.mlp_in', [1, 0]]]));
    expect(found).toMatchObject({ precision: 0, recall: 1, kept: 1, carrying: 0, auroc: null });
  });
});
