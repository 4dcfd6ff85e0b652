import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import type { Comparison } from '../../src/evidence/compare-file.js';
import { sizeFigures, sizePanels } from '../../src/report/size-curve-picture.js';

const study = JSON.parse(readFileSync('bench/results/evidence-embedded.json', 'utf8'));
const comparison: Comparison = study.tasks.ioi.comparison;

/** Classes of the curves, without those of the legend. */
function curvesOf(drawing: { text: string }): string[] {
  return [...drawing.text.matchAll(/class="curve ([^"]+)" d="M[^h"]+"/g)].map(([, kind]) => kind!);
}

it('draws every ranking once, in the panel of its family, beside learned and random', () => {
  for (const figure of ['f', 'kl'] as const) {
    const panels = sizePanels(comparison, figure);
    expect(panels.map(({ title }) => title)).toEqual([
      'Learned masks',
      'Gradients, without training',
      'Whole heads and MLPs',
      'Neither gradients nor training',
    ]);
    const curves = panels.map(({ drawing }) => curvesOf(drawing));
    for (const kinds of curves) {
      expect(kinds.slice(0, 2)).toEqual(['learned', 'chance']);
      expect(new Set(kinds).size).toBe(kinds.length);
    }
    expect(curves.flatMap((kinds) => kinds.slice(2))).toHaveLength(comparison.methods.length - 2);
    const ofGradients = ['series-0', 'series-1', 'series-2'].flatMap((kind) => [`${kind} dashed`, kind]);
    expect(curves[1]!.slice(2)).toEqual(ofGradients);
  }
});

it('gives a method one colour, whatever else is drawn', () => {
  const few = { ...comparison, methods: comparison.methods.filter(({ id }) => id === 'conductance') };
  const [panel, ...rest] = sizePanels(few, 'kl');
  expect(rest).toEqual([]);
  expect(curvesOf(panel!.drawing)).toEqual(['series-2 dashed', 'series-2']);
});

it('tells the figures at the size of the circuit to those who do not see the curves', () => {
  const [panel] = sizePanels(comparison, 'kl');
  const texts = ['learned', 'random', 'learned_robust', 'learned_neurons'].map((name) => {
    const { title, cuts } = comparison.methods.find(({ id }) => id === name)!;
    return `${title} ${cuts.at(-1)!.kl.toFixed(3)}`;
  });
  expect(panel!.description).toBe(
    `KL (nats, logarithmic) by share of the directions kept. At ${comparison.own_size} directions: ${texts.join('; ')}.`,
  );
});

it('draws no faithfulness where it is not defined, and learned masks alone without a family', () => {
  const cuts = comparison.methods[0]!.cuts.map((cut) => ({ ...cut, f: null }));
  const alone = { ...comparison, methods: [{ ...comparison.methods[0]!, cuts }] };
  expect(sizeFigures(alone, 'f')).toBeNull();
  const [panel, ...rest] = sizePanels(alone, 'kl');
  expect(rest).toEqual([]);
  expect(curvesOf(panel!.drawing)).toEqual(['learned']);
});
