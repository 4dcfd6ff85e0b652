/** Copying by position: "start fi ba zu end" → "ba". One head. */
import type { Random } from '../../random.js';
import { type Blueprint, mapping } from '../blueprint.js';
import { Axes, scaled } from '../codes.js';
import { LOGIT, type MechanismOptions, SCORE, SYLLABLES, uneven, wordCodes } from './options.js';

const WORDS = 8;
const COPIED = 2;

export function copy(random: Random, options: MechanismOptions): Blueprint {
  const axes = new Axes();
  const used = SYLLABLES.slice(0, WORDS);
  const words = SYLLABLES.slice(0, WORDS + options.unused);
  const [start, end] = axes.several(2) as [ReturnType<Axes['one']>, ReturnType<Axes['one']>];
  const codes = wordCodes(words.length, options, axes, random);
  const positions = axes.several(5);
  const outputs = axes.several(words.length);
  return {
    axes,
    words: ['start', 'end', ...words],
    embed: [start, end, ...codes],
    positions,
    unembed: [new Map(), new Map(), ...outputs.map((code) => scaled(code, LOGIT))],
    blocks: [
      {
        heads: [
          {
            qk: [{ read: end, write: scaled(positions[COPIED]!, SCORE) }],
            ov: mapping(codes, uneven(outputs, random)),
            carries: { queries: [end], contexts: codes.slice(0, WORDS), at: 'last' },
          },
        ],
        neurons: [],
        carries: null,
      },
    ],
    draw(random) {
      const shown = random.sample(used, 3);
      const other = random.sample(used, 3);
      const [answer, distractor] = [shown[COPIED - 1]!, other[COPIED - 1]!];
      return {
        clean: ['start', ...shown, 'end'].join(' '),
        corrupted: ['start', ...other, 'end'].join(' '),
        answers: [` ${answer}`],
        distractors: [` ${answer === distractor ? shown[COPIED]! : distractor}`],
      };
    },
  };
}
