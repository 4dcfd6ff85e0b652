/** Addition of two numbers of one or two digits, after worked examples: base models answer in kind. */
import { InputError } from '../errors.js';
import type { Tokenizer } from '../formats/tokenizer.js';
import { keep } from './report.js';
import { type Corruption, fill, type Task, type Template } from './task.js';
import { follow } from './token-fit.js';

const corruptions: Corruption[] = [
  { id: 'new-numbers', summary: 'both numbers become others, with another sum' },
  { id: 'new-first', summary: 'the first number becomes another one' },
  { id: 'new-second', summary: 'the second number becomes another one' },
];

interface Sum {
  a: number;
  b: number;
  sum: number;
}

/** Which other sum may take a sum's place. */
const SUBSTITUTES: Record<string, (one: Sum, other: Sum) => boolean> = {
  'new-numbers': (one, other) => other.a !== one.a && other.b !== one.b,
  'new-first': (one, other) => other.a !== one.a && other.b === one.b,
  'new-second': (one, other) => other.a === one.a && other.b !== one.b,
};

export const oneDigitAddition = addition({
  name: 'one-digit-addition',
  summary: '"2 + 3 = 5, 4 + 2 = 6, 7 + 1 = 8, 3 + 4 =" → " 7"',
  counts: { train: 120, validation: 30, test: 60 },
  templates: [
    { id: 'commas', text: '2 + 3 = 5, 4 + 2 = 6, 7 + 1 = 8, {a} + {b} =' },
    { id: 'semicolons', text: '3 + 2 = 5; 1 + 6 = 7; 4 + 4 = 8; {a} + {b} =' },
    { id: 'stops', text: '2 + 4 = 6. 5 + 3 = 8. 1 + 2 = 3. {a} + {b} =' },
    { id: 'bars', text: '2 + 4 = 6 | 5 + 3 = 8 | 1 + 2 = 3 | {a} + {b} =' },
  ],
  numbers: range(0, 9),
  wholeOnly: true,
});

export const twoDigitAddition = addition({
  name: 'two-digit-addition',
  summary: '"12 + 25 = 37, 41 + 18 = 59, 33 + 52 = 85, 34 + 21 =" → " 55"',
  counts: { train: 1000, validation: 200, test: 1000 },
  templates: [
    { id: 'commas', text: '12 + 25 = 37, 41 + 18 = 59, 33 + 52 = 85, {a} + {b} =' },
    { id: 'semicolons', text: '31 + 16 = 47; 24 + 38 = 62; 55 + 21 = 76; {a} + {b} =' },
    { id: 'stops', text: '15 + 32 = 47. 26 + 45 = 71. 63 + 21 = 84. {a} + {b} =' },
    { id: 'bars', text: '12 + 34 = 46 | 27 + 51 = 78 | 45 + 36 = 81 | {a} + {b} =' },
  ],
  numbers: range(10, 99),
  wholeOnly: false,
});

interface Size extends Pick<Task, 'name' | 'summary' | 'counts' | 'templates'> {
  numbers: number[];
  /** Only sums that are one token; otherwise, where none of two digits is, the first digit is scored. */
  wholeOnly: boolean;
}

function addition({ numbers, wholeOnly, ...task }: Size): Task {
  const largest = numbers.at(-1)!;
  return {
    ...task,
    score: 'accuracy',
    corruptions,
    words: { numbers: numbers.map(String) },

    prepare({ tokenizer, templates, corruption, report }) {
      const candidates = numbers.filter((sum) => sum >= 2 * numbers[0]!);
      const form = sumForm(tokenizer, templates[0]!, candidates, wholeOnly);
      const sums = keep(report, 'sums', candidates, (sum) => form.first.has(sum));
      const all = numbers.flatMap((a) =>
        numbers.filter((b) => a + b <= largest && sums.includes(a + b)).map((b) => ({ a, b, sum: a + b })),
      );
      const scored = ({ sum }: Sum) => form.first.get(sum)!;
      const substitutes = (one: Sum) =>
        all.filter((other) => scored(other) !== scored(one) && SUBSTITUTES[corruption]!(one, other));
      if (!all.some((one) => substitutes(one).length > 0))
        throw new InputError(
          `${task.name}: ${sums.length} of ${candidates.length} sums can be told apart by the token after "="; ` +
            'at least two are needed: give your own prompt pairs',
        );
      if (!form.whole) report.notes.push('numbers are single digits: scored on the first digit of the sum');

      return (random) => {
        const template = random.pick(templates);
        let [one, others]: [Sum, Sum[]] = [random.pick(all), []];
        for (others = substitutes(one); others.length === 0; others = substitutes(one))
          one = random.pick(all);
        const other = random.pick(others);
        const prompt = ({ a, b }: Sum) => fill(template, { a: String(a), b: String(b) }) + form.gap;
        return {
          group: template.id,
          clean: prompt(one),
          corrupted: prompt(other),
          answers: [form.text(one.sum)],
          distractors: [form.text(other.sum)],
        };
      };
    },
  };
}

interface SumForm {
  /** Stands between "=" and the sum: a space that is a token of its own belongs to the prompt. */
  gap: '' | ' ';
  text(sum: number): string;
  /** The token that is scored, by sum; without those that do not fit. */
  first: Map<number, number>;
  /** Whether that token is the whole sum. */
  whole: boolean;
}

/** How a tokenizer writes sums. */
function sumForm(
  tokenizer: Tokenizer,
  template: Template,
  sums: readonly number[],
  wholeOnly: boolean,
): SumForm {
  const [a, b] = [String(sums[0]), String(sums[0])];
  const forms = (['', ' '] as const).map((gap) => {
    const text = (sum: number) => (gap === '' ? ` ${sum}` : String(sum));
    const prompt = fill(template, { a, b }) + gap;
    tokenizer.encodeAhead(sums.map((sum) => prompt + text(sum)));
    const ids = sums.map((sum) => follow(tokenizer, prompt, text(sum)));
    const known = ids.filter((tokens) => tokens !== null && !tokens.includes(tokenizer.unknownId ?? -1));
    const whole = wholeOnly || known.every((tokens) => tokens!.length === 1);
    const first = new Map<number, number>();
    for (const [i, tokens] of ids.entries())
      if (tokens !== null && known.includes(tokens) && (!wholeOnly || tokens.length === 1))
        first.set(sums[i]!, tokens[0]!);
    return { gap, text, first, whole };
  });
  // The form that tells more sums apart; without the space where both do.
  const different = ({ first }: SumForm) => new Set(first.values()).size;
  return forms.reduce((best, form) => (different(form) > different(best) ? form : best));
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}
