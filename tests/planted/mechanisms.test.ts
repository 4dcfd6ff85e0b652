/** Planted models do their task, by their true directions and by nothing else. */
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { type Engine, openEngine } from '../../src/engine/engine.js';
import { scorePrompts } from '../../src/evaluate/prompt-scores.js';
import type { Positions } from '../../src/forward/masking-rules.js';
import { MECHANISMS, type Mechanism } from '../../src/planted/mechanisms/mechanisms.js';
import type { PlantedOptions } from '../../src/planted/planted-model.js';
import { recovery } from '../../src/planted/recovery.js';
import { mean } from '../../src/statistics/summary.js';
import { availableEngines } from '../support/engines.js';
import { masksBy, type OpenPlanted, openPlanted } from '../support/planted.js';

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ engine: availableEngines()[0]! });
});
const opened: OpenPlanted[] = [];
afterAll(() => {
  for (const { masked } of opened) masked.dispose();
});

async function open(
  options: Partial<PlantedOptions> & { mechanism: Mechanism },
  more: Parameters<typeof openPlanted>[2] = {},
): Promise<OpenPlanted> {
  opened.push(await openPlanted(engine, options, more));
  return opened.at(-1)!;
}

async function score({ prepared }: OpenPlanted, masks: Float32Array) {
  const scores = await scorePrompts(prepared, masks);
  const figure = (name: keyof typeof scores) => mean(scores[name])!;
  return { kl: figure('kl'), accuracy: figure('accuracy'), full: figure('full_accuracy') };
}

const carries = ({ truth }: OpenPlanted, component: string, k: number) =>
  truth.get(component)!.relevant[k]! > 0.1;
const neutral = ({ truth }: OpenPlanted, component: string, k: number) =>
  !(truth.get(component)!.relevant[k]! > 0.1) && truth.get(component)!.irrelevant[k]! < 0.5;

const names = Object.keys(MECHANISMS) as Mechanism[];
const cases = names.flatMap((mechanism) =>
  (['last', 'all'] as Positions[]).map((positions) => [mechanism, positions] as const),
);

describe.each(cases)('%s, masked at positions: %s', (mechanism, positions) => {
  let planted: OpenPlanted;
  beforeAll(async () => {
    planted = await open({ mechanism, seed: 3 }, { positions });
  });

  it('is always right, and so is its true circuit alone, with next to no KL', async () => {
    const own = await score(
      planted,
      masksBy(planted, (name, k) => carries(planted, name, k)),
    );
    expect(own.full).toBe(1);
    expect(own.accuracy).toBe(1);
    expect(own.kl).toBeLessThan(0.005);
  });

  it('has a circuit that directions of their own carry', () => {
    const masks = masksBy(planted, (name, k) => carries(planted, name, k));
    const found = recovery(planted.truth, planted.masked.layout.split(masks));
    for (const figure of ['precision', 'recall', 'f1', 'auroc', 'ceiling'] as const)
      expect(found[figure], figure).toBeCloseTo(1, 6);
    expect(found.kept).toBe(found.carrying);
    expect(found.carrying).toBeLessThan(planted.masked.layout.size / 4);
  });

  it('needs each of them: without it, the circuit loses ten times what all else is worth', async () => {
    const base = await score(
      planted,
      masksBy(planted, (name, k) => carries(planted, name, k)),
    );
    const losses: number[] = [];
    for (const [component, { relevant }] of planted.truth)
      for (let k = 0; k < relevant.length; k++) {
        if (!carries(planted, component, k)) continue;
        const masks = masksBy(
          planted,
          (name, j) => carries(planted, name, j) && !(name === component && j === k),
        );
        losses.push((await score(planted, masks)).kl);
      }
    expect(Math.min(...losses)).toBeGreaterThan(Math.max(0.02, 10 * base.kl));
  });

  it('does not do it without them', async () => {
    const rest = await score(
      planted,
      masksBy(planted, (name, k) => !carries(planted, name, k)),
    );
    // Of numbers, many are right by chance.
    expect(rest.accuracy).toBeLessThan(0.75);
    expect(rest.kl).toBeGreaterThan(1);
  });

  it('does not notice what counts neither way', async () => {
    const masks = (on: boolean) =>
      masksBy(planted, (name, k) => carries(planted, name, k) || (on && neutral(planted, name, k)));
    const [without, with_] = [await score(planted, masks(false)), await score(planted, masks(true))];
    expect(Math.abs(without.kl - with_.kl)).toBeLessThan(0.005);
  });
});

test.each(names)('%s: distractors, heads turned and streams turned change no answer', async (mechanism) => {
  const variants: Partial<PlantedOptions>[] = [
    { strength: 0 },
    { heads: 0, neurons: 0, terms: 0 },
    { heads: 3, neurons: 30, terms: 6 },
    { rotated: false },
  ];
  for (const variant of variants) {
    const planted = await open({ mechanism, seed: 4, ...variant }, { prompts: 60 });
    const all = await score(
      planted,
      masksBy(planted, () => true),
    );
    expect(all.full, JSON.stringify(variant)).toBe(1);
    expect(all.kl).toBeLessThan(1e-6);
  }
});

test.each(names)('%s: both weight forms have the same truth', async (mechanism) => {
  const [reference, folded] = [
    await open({ mechanism }, { form: 'reference', prompts: 20 }),
    await open({ mechanism }, { form: 'folded', prompts: 20 }),
  ];
  for (const [component, { relevant }] of reference.truth)
    for (const [k, share] of relevant.entries())
      expect(folded.truth.get(component)!.relevant[k], `${component}.${k}`).toBeCloseTo(share, 2);
});

describe('more mechanisms than rank', () => {
  it('are told: no set of these directions has more than the ceiling, though the model is always right', async () => {
    const planted = await open({ mechanism: 'copy', unused: 16, crowding: 2 });
    const all = await score(
      planted,
      masksBy(planted, () => true),
    );
    expect(all.full).toBe(1);
    const { layout } = planted.masked;
    const circuits = [
      masksBy(planted, () => true),
      masksBy(planted, (name, k) => carries(planted, name, k)),
      ...[0.3, 0.5, 0.7].map((share) =>
        masksBy(planted, (name, k) => planted.truth.get(name)!.relevant[k]! > share),
      ),
    ];
    const found = circuits.map((masks) => recovery(planted.truth, layout.split(masks)));
    for (const { f1, ceiling } of found) {
      expect(ceiling).toBeLessThan(0.9);
      expect(f1).toBeLessThanOrEqual(ceiling + 1e-9);
    }
    // As many words without crowding: every direction is one of its own.
    const roomy = await open({ mechanism: 'copy', unused: 16 });
    const masks = masksBy(roomy, (name, k) => carries(roomy, name, k));
    expect(recovery(roomy.truth, roomy.masked.layout.split(masks)).ceiling).toBeCloseTo(1, 6);
  });
});
