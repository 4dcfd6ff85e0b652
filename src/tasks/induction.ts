/** Induction: words in random order, some of them again: what follows is what followed before (Olsson et al. 2022). */
import { InputError } from '../errors.js';
import { keep } from './report.js';
import { fill, type Task } from './task.js';
import { nameLength } from './token-fit.js';
import { words } from './words.js';

/** Short, common and unlike each other, so that the order in which they come means nothing. */
const items = words(`
  apple river stone paper light green horse chair music bread
  water glass train dance night table cloud plant world sugar
  metal sound brown heart field north queen sharp sleep smile
  snow tree ship ring road song rain king gold lake
  wind farm film fish hair hand iron milk moon rice
`);

/** The first word stands where no space is in front of it, where it has other tokens: it never comes again. */
const SLOTS = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'] as const;
type Slot = (typeof SLOTS)[number];
const ROUND = SLOTS.slice(1);

/** All but the first word come three times; of a fourth time only the beginning, with as many words as the id says. */
const BEGUN: Record<string, number> = { two: 2, three: 3, four: 4, five: 5 };

/** {b4} is {b} for the fourth time. */
const templates = Object.entries(BEGUN).map(([id, count]) => {
  const slots = [...SLOTS, ...ROUND, ...ROUND, ...ROUND.slice(0, count).map((slot) => `${slot}4`)];
  return { id, text: slots.map((slot) => `{${slot}}`).join(' ') };
});

const corruptions = [
  { id: 'new-words', summary: 'all words become new ones, which repeat in the same way' },
  { id: 'new-answer', summary: 'the word that followed becomes a new one' },
  { id: 'no-repeat', summary: 'the words of the last round become new ones, which did not come before' },
];

/** The clean words, and as many new ones. */
const WORDS_IN_A_PAIR = 2 * SLOTS.length;

export const induction: Task = {
  name: 'induction',
  summary: '"lake paper river horse … paper river horse … paper river" → " horse"',
  score: 'accuracy',
  counts: { train: 1000, validation: 200, test: 1000 },
  templates,
  corruptions,
  words: { items },

  prepare({ tokenizer, aligned, templates, corruption, report }) {
    const length = new Map(items.map((word) => [word, nameLength(tokenizer, word)]));
    const fitting = keep(report, 'items', items, (word) => length.get(word) !== null);
    const pools = fitting
      .map((word) => fitting.filter((other) => !aligned || length.get(other) === length.get(word)))
      .filter((pool) => pool.length >= WORDS_IN_A_PAIR);
    if (pools.length === 0)
      throw new InputError(
        `induction: ${fitting.length} of ${items.length} words stand in one or two tokens after a prompt` +
          `${aligned ? ' (aligned pairs need words of equal length)' : ''}, at least ${WORDS_IN_A_PAIR} are needed; ` +
          'give your own prompt pairs',
      );

    return (random) => {
      const template = random.pick(templates);
      const begun = BEGUN[template.id]!;
      const next = ROUND[begun]!;
      const drawn = random.sample(random.pick(pools), WORDS_IN_A_PAIR);
      const inSlots = (words: readonly string[]) =>
        Object.fromEntries(SLOTS.map((slot, i) => [slot, words[i]!])) as Record<Slot, string>;
      const [shown, fresh] = [inSlots(drawn.slice(0, SLOTS.length)), inSlots(drawn.slice(SLOTS.length))];
      const lastRound = (from: Record<Slot, string>) =>
        Object.fromEntries(ROUND.map((slot) => [`${slot}4`, from[slot]]));
      const changed = {
        'new-words': { ...fresh, ...lastRound(fresh) },
        'new-answer': { ...shown, [next]: fresh[next], ...lastRound(shown) },
        'no-repeat': { ...shown, ...lastRound(fresh) },
      }[corruption]!;
      return {
        group: template.id,
        clean: fill(template, { ...shown, ...lastRound(shown) }),
        corrupted: fill(template, changed),
        answers: [` ${shown[next]}`],
        // Words that came before, too, but not behind these.
        distractors: ROUND.slice(begun + 1).map((slot) => ` ${shown[slot]}`),
      };
    };
  },
};
