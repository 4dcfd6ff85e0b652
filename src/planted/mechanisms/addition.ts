/**
 * Addition: "start then 3 + 4 maybe =" → "7". Two heads bring the digits to the last position; the MLP has a neuron for each
 * pair of digits, and those of equal sums write the same word.
 */
import type { Random } from '../../random.js';
import { type Blueprint, mapping } from '../blueprint.js';
import { Axes, combine, dot, scaled } from '../codes.js';
import { FILLERS, filler, LOGIT, type MechanismOptions, SCORE, uneven } from './options.js';

const DIGITS = 5;

export function addition(random: Random, _options: MechanismOptions): Blueprint {
  const axes = new Axes();
  const digits = Array.from({ length: DIGITS }, (_, i) => i);
  const sums = Array.from({ length: 2 * DIGITS - 1 }, (_, i) => i);
  const [start, plus, equals] = [axes.one(), axes.one(), axes.one()];
  const fillers = axes.several(FILLERS.length);
  const codes = axes.several(DIGITS);
  const positions = axes.several(7);
  const [first, second] = [axes.several(DIGITS), axes.several(DIGITS)];
  const outputs = axes.several(sums.length);
  const [firstCarried, secondCarried] = [uneven(first, random), uneven(second, random)];
  const writes = uneven(outputs, random);
  const mover = (from: number, carried: typeof first) => ({
    qk: [{ read: equals, write: scaled(positions[from]!, SCORE) }],
    ov: mapping(codes, carried),
    carries: { queries: [equals], contexts: codes, at: 'last' as const },
  });
  /** 1 along a digit's axis where that digit has been carried. */
  const unit = (axis: (typeof first)[number], carried: (typeof first)[number]) =>
    scaled(axis, 1 / dot(axis, carried));
  const pairs = digits.flatMap((a) => digits.map((b) => [a, b] as const));
  return {
    axes,
    words: ['start', '+', '=', ...FILLERS, ...sums.map(String)],
    embed: [start, plus, equals, ...fillers, ...sums.map((sum) => codes[sum] ?? new Map())],
    positions,
    unembed: [
      ...[start, plus, equals, ...fillers].map(() => new Map()),
      ...outputs.map((code) => scaled(code, LOGIT)),
    ],
    blocks: [
      {
        heads: [mover(2, firstCarried), mover(4, secondCarried)],
        // Only both digits together reach above the threshold.
        neurons: pairs.map(([a, b]) => {
          const strength = 1 + random.uniform() / 2;
          const both = combine(
            [unit(first[a]!, firstCarried[a]!), 2 * strength],
            [unit(second[b]!, secondCarried[b]!), 2 * strength],
          );
          return { read: both, bias: -3 * strength, write: scaled(writes[a + b]!, 1 / strength) };
        }),
        carries: {
          neurons: pairs.length,
          inputs: pairs.map(([a, b]) => combine([firstCarried[a]!, 1], [secondCarried[b]!, 1])),
          at: 'last',
        },
      },
    ],
    draw(random) {
      const [a, b] = [random.pick(digits), random.pick(digits)];
      const elsewhere = pairs.filter(([c, d]) => c + d !== a + b);
      const [c, d] = random.pick(elsewhere);
      const [before, after] = [filler(random), filler(random)];
      const prompt = (a: number, b: number) => ['start', before, a, '+', b, after, '='].join(' ');
      return {
        clean: prompt(a, b),
        corrupted: prompt(c, d),
        answers: [` ${a + b}`],
        distractors: [` ${c + d}`],
      };
    },
  };
}
