/** Greater-than (Hanna et al. 2023): something begins in a year, so it ends in a later one of that century. */
import { InputError } from '../errors.js';
import { keep } from './report.js';
import { fill, type Task } from './task.js';
import { isKnown } from './token-fit.js';
import { words } from './words.js';
import { ENDS, hasForm, scoredValue, YEARS, type Year, yearForm } from './years.js';

/** Things that last for years. */
const nouns = words(`
  war reign siege strike voyage treaty trial feud
  famine project expedition occupation alliance drought mission marriage
  contract journey campaign debate crisis rebellion truce ban
  plan study partnership experiment search revolt blockade dispute
`);

const templates = [
  { id: 'lasted', text: 'The {noun} lasted from the year {century}{end} to the year {century}' },
  { id: 'began', text: 'The {noun} began in the year {century}{end} and ended in the year {century}' },
  {
    id: 'went-on',
    text: 'They say that the {noun} went on from the year {century}{end} until the year {century}',
  },
];

/** Which other year may take a year's place, besides having another value. */
const SUBSTITUTES: Record<string, (year: Year, other: Year) => boolean> = {
  'new-year': (year, other) => other.century !== year.century,
  'new-end': (year, other) => other.century === year.century,
  'end-01': (year, other) => other.century === year.century && other.end === '01',
};

const corruptions = [
  { id: 'new-year', summary: 'another century and another end' },
  { id: 'new-end', summary: 'another end in the same century' },
  { id: 'end-01', summary: 'the end becomes 01, after which every other end is right (Hanna et al. 2023)' },
];

export const greaterThan: Task = {
  name: 'greater-than',
  summary: '"The war lasted from the year 1741 to the year 17" → any two digits above 41',
  score: 'probability-difference',
  counts: { train: 2000, validation: 500, test: 2000 },
  templates,
  corruptions,
  // The centuries are among them.
  words: { nouns, ends: ENDS },

  prepare({ tokenizer, templates, corruption, report }) {
    const form = yearForm(tokenizer);
    if (form === null)
      throw new InputError(
        'greater-than: the tokenizer writes years neither as two digits and two digits (17|41) nor digit by digit; ' +
          'give your own prompt pairs',
      );
    // An end equal to the beginning is wrong, as in Hanna et al.; an equal tens digit is open, so it counts neither way.
    const right = (year: Year) => form.ids.slice(scoredValue(year, form) + 1);
    const wrong = (year: Year) => form.ids.slice(0, scoredValue(year, form) + (form.width === 2 ? 1 : 0));
    if (form.width === 1)
      report.notes.push(
        'years are single digits: scored on the tens digit, an equal tens digit counts neither way',
      );

    const mayReplace = (year: Year) => (other: Year) =>
      SUBSTITUTES[corruption]!(year, other) && scoredValue(other, form) !== scoredValue(year, form);
    const whole = YEARS.filter((year) => hasForm(tokenizer, year, form));
    const years = keep(
      report,
      'years',
      YEARS,
      (year) =>
        whole.includes(year) &&
        right(year).length > 0 &&
        wrong(year).length > 0 &&
        whole.some(mayReplace(year)),
      ({ century, end }) => century + end,
    );
    const knownNouns = keep(report, 'nouns', nouns, (noun) => isKnown(tokenizer, ` ${noun}`));
    if (years.length === 0 || knownNouns.length === 0)
      throw new InputError(
        `greater-than: ${years.length} years and ${knownNouns.length} nouns fit the tokenizer, at least one of each is needed; ` +
          'give your own prompt pairs',
      );

    return (random) => {
      const template = random.pick(templates);
      const noun = random.pick(knownNouns);
      const year = random.pick(years);
      const other = random.pick(whole.filter(mayReplace(year)));
      return {
        group: template.id,
        clean: fill(template, { noun, ...year }),
        corrupted: fill(template, { noun, ...other }),
        // Ids, as a hundred texts a pair would be tokenised once more each time the pairs are read.
        answers: right(year),
        distractors: wrong(year),
      };
    };
  },
};
