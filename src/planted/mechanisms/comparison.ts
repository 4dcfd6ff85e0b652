/**
 * Greater-than: "start then maybe 3 still to" → any number above 3. A head carries the number, as one coordinate, to the
 * last position; the MLP has a step for each number, which takes that number's logit away once it is reached. The steps
 * are measured against what "to" itself holds, so that a LayerNorm, which shrinks both alike, does not move them.
 */
import type { Random } from '../../random.js';
import type { Blueprint, Neuron } from '../blueprint.js';
import { Axes, combine, scaled } from '../codes.js';
import { FILLERS, filler, LOGIT, type MechanismOptions, SCORE, uneven } from './options.js';

const NUMBERS = 10;
/** How far apart two neighbouring numbers are along their coordinate. */
const STEP = 0.15;
const SHOWN_AT = 3;

export function comparison(random: Random, _options: MechanismOptions): Blueprint {
  const axes = new Axes();
  const numbers = Array.from({ length: NUMBERS }, (_, i) => i);
  const [start, to, value, compared, number] = [axes.one(), axes.one(), axes.one(), axes.one(), axes.one()];
  const fillers = axes.several(FILLERS.length);
  const own = axes.several(NUMBERS);
  const positions = axes.several(6);
  const outputs = axes.several(NUMBERS);
  const carried = 1.3;
  // 1 from n on, 0 up to n − 1: the difference of two relus, each of its own strength.
  const step = (n: number): Neuron[] => {
    const slope = 2 + random.uniform();
    const [write] = uneven([outputs[n]!], random, -1.5);
    const neuron = (shift: number, sign: number) => ({
      read: combine([compared, slope / (STEP * carried)], [to, shift - slope * (n - 0.5)]),
      bias: 0,
      write: scaled(write!, sign),
    });
    return [neuron(0.5, 1), neuron(-0.5, -1)];
  };
  // Nothing is above the largest number, so it is never shown; and 0 is above nothing, so it is never asked for.
  const shown = numbers.slice(0, -1);
  const between = shown.slice(1);
  const values = numbers.map((n) => scaled(value, STEP * n));
  return {
    axes,
    words: ['start', 'to', ...FILLERS, ...numbers.map(String)],
    // "to" asks for a number.
    embed: [
      start,
      combine([to, 1], [number, 1]),
      ...fillers,
      ...own.map((code, n) => combine([code, 1], [values[n]!, 1])),
    ],
    positions,
    unembed: [
      new Map(),
      new Map(),
      ...FILLERS.map(() => new Map()),
      ...outputs.map((code, n) => combine([code, LOGIT], [number, n === 0 ? 0 : LOGIT])),
    ],
    blocks: [
      {
        heads: [
          {
            qk: [{ read: to, write: scaled(positions[SHOWN_AT]!, SCORE) }],
            ov: [{ read: value, write: scaled(compared, carried) }],
            carries: { queries: [to], contexts: values.slice(0, -1), at: 'last' },
          },
        ],
        neurons: between.flatMap(step),
        carries: {
          neurons: 2 * between.length,
          inputs: shown.map((n) => combine([to, 1], [compared, STEP * carried * n])),
          at: 'last',
        },
      },
    ],
    draw(random) {
      const [bound, other] = random.sample(shown, 2) as [number, number];
      const [first, second, third] = [filler(random), filler(random), filler(random)];
      const prompt = (n: number) => ['start', first, second, n, third, 'to'].join(' ');
      return {
        clean: prompt(bound),
        corrupted: prompt(other),
        answers: numbers.filter((n) => n > bound).map((n) => ` ${n}`),
        distractors: numbers.filter((n) => n <= bound).map((n) => ` ${n}`),
      };
    },
  };
}
