/**
 * Induction: "start fi ba zu … fi" → "ba". A previous-token head writes into each position what stood before it; a head
 * of the next layer looks for the last word there, and copies what stands at the position that has it.
 */
import type { Random } from '../../random.js';
import { type Blueprint, mapping } from '../blueprint.js';
import { Axes, scaled } from '../codes.js';
import { LOGIT, type MechanismOptions, SCORE, SYLLABLES, uneven, wordCodes } from './options.js';

const WORDS = 8;
/** Different words in a prompt. */
const SHOWN = 6;
/** start, the words, and one of them again. */
const LENGTH = SHOWN + 2;

export function induction(random: Random, options: MechanismOptions): Blueprint {
  const axes = new Axes();
  const used = SYLLABLES.slice(0, WORDS);
  const words = SYLLABLES.slice(0, WORDS + options.unused);
  const start = axes.one();
  const codes = wordCodes(words.length, options, axes, random);
  const positions = axes.several(LENGTH);
  const before = axes.several(words.length);
  const outputs = axes.several(words.length);
  // From the second word on: nothing asks for what stands before the first.
  const looking = positions.slice(2, LENGTH - 1);
  const known = codes.slice(0, WORDS);
  return {
    axes,
    words: ['start', ...words],
    embed: [start, ...codes],
    positions,
    unembed: [new Map(), ...outputs.map((code) => scaled(code, LOGIT))],
    blocks: [
      {
        heads: [
          {
            qk: mapping(looking, uneven(positions.slice(1, LENGTH - 2), random, SCORE)),
            ov: mapping(codes, uneven(before, random)),
            carries: { queries: looking, contexts: known, at: 'earlier' },
          },
        ],
        neurons: [],
        carries: null,
      },
      {
        heads: [
          {
            qk: mapping(codes, uneven(before, random, SCORE)),
            ov: mapping(codes, uneven(outputs, random)),
            carries: { queries: known, contexts: known, at: 'last' },
          },
        ],
        neurons: [],
        carries: null,
      },
    ],
    draw(random) {
      const [clean, corrupted] = [prompt(), prompt()];
      const others = used.filter((word) => word !== clean.answer);
      const distractor = clean.answer === corrupted.answer ? random.pick(others) : corrupted.answer;
      return {
        clean: clean.text,
        corrupted: corrupted.text,
        answers: [` ${clean.answer}`],
        distractors: [` ${distractor}`],
      };

      function prompt() {
        const shown = random.sample(used, SHOWN);
        const at = random.integer(SHOWN - 1);
        return { text: ['start', ...shown, shown[at]!].join(' '), answer: shown[at + 1]! };
      }
    },
  };
}
