/**
 * Indirect object identification in small: "start Mary then John also John still to" → "Mary". One head tells the last
 * word who acts again; the name mover of the next layer looks for names other than that one, and copies what it finds.
 */
import type { Random } from '../../random.js';
import { WOMEN } from '../../tasks/names.js';
import { type Blueprint, mapping } from '../blueprint.js';
import { Axes, combine, scaled } from '../codes.js';
import { FILLERS, filler, LOGIT, type MechanismOptions, SCORE, uneven, wordCodes } from './options.js';

const NAMES = 8;
/** Where the subject is named again. */
const AGAIN = 5;

export function inhibition(random: Random, options: MechanismOptions): Blueprint {
  const axes = new Axes();
  const used = WOMEN.slice(0, NAMES);
  const names = WOMEN.slice(0, NAMES + options.unused);
  const [start, to, isName] = [axes.one(), axes.one(), axes.one()];
  const fillers = axes.several(FILLERS.length);
  const codes = wordCodes(names.length, options, axes, random);
  const positions = axes.several(8);
  const acts = axes.several(names.length);
  const outputs = axes.several(names.length);
  const acting = uneven(acts, random);
  const known = codes.slice(0, NAMES);
  return {
    axes,
    words: ['start', 'to', ...FILLERS, ...names],
    embed: [start, to, ...fillers, ...codes.map((code) => combine([code, 1], [isName, 1]))],
    positions,
    unembed: [
      new Map(),
      new Map(),
      ...FILLERS.map(() => new Map()),
      ...outputs.map((code) => scaled(code, LOGIT)),
    ],
    blocks: [
      {
        heads: [
          {
            qk: [{ read: to, write: scaled(positions[AGAIN]!, SCORE) }],
            ov: mapping(codes, acting),
            carries: { queries: [to], contexts: known, at: 'last' },
          },
        ],
        neurons: [],
        carries: null,
      },
      {
        heads: [
          {
            qk: [
              { read: to, write: scaled(isName, SCORE) },
              ...mapping(acts, uneven(codes, random, -1.2 * SCORE)),
            ],
            ov: mapping(codes, uneven(outputs, random)),
            carries: { queries: [to, ...acts.slice(0, NAMES)], contexts: known, at: 'last' },
          },
        ],
        neurons: [],
        carries: null,
      },
    ],
    draw(random) {
      const [receiver, subject] = random.sample(used, 2) as [string, string];
      const [a, b] = random.shuffle([receiver, subject]) as [string, string];
      const strangers = random.sample(
        used.filter((name) => name !== receiver && name !== subject),
        3,
      ) as [string, string, string];
      const [first, second, third] = [filler(random), filler(random), filler(random)];
      const prompt = ([a, b, s]: [string, string, string]) =>
        ['start', a, first, b, second, s, third, 'to'].join(' ');
      return {
        clean: prompt([a, b, subject]),
        corrupted: prompt(strangers),
        answers: [` ${receiver}`],
        distractors: [` ${subject}`],
      };
    },
  };
}
