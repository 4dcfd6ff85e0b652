/** Subject–verb agreement (Linzen et al. 2016): the verb goes with the subject, whatever noun stands before it. */
import { InputError } from '../errors.js';
import { keep } from './report.js';
import { fill, type Task } from './task.js';
import { isKnown, nameLength } from './token-fit.js';
import { words } from './words.js';

/** Their plural is the word and an s. */
const nouns = words(`
  author teacher doctor driver farmer singer lawyer student
  worker player writer painter dancer pilot actor guard
  manager brother sister parent neighbor friend boy girl
  customer officer engineer artist soldier leader
`);

const NUMBERS = ['singular', 'plural'] as const;
type Number = (typeof NUMBERS)[number];

/** Said of anybody, and frequent. */
const verbs: Record<Number, string[]> = {
  singular: ['is', 'was', 'has', 'does'],
  plural: ['are', 'were', 'have', 'do'],
};

/** Each leaves room for a verb and for little else. */
const templates = [
  { id: 'in-front', text: 'We know that the {subject} in front of the {other} now' },
  { id: 'in-room', text: 'The {subject} in the room with the {other} now' },
  { id: 'like', text: 'It seems that the {subject}, like the {other},' },
  { id: 'admired', text: 'The {subject} that the {other} admired most' },
];

const corruptions = [
  { id: 'other-number', summary: 'the subject in the other number' },
  { id: 'any-subject', summary: 'any other noun, in either number, so that its number is lost on average' },
];

export const subjectVerb: Task = {
  name: 'subject-verb',
  summary:
    '"We know that the authors in front of the doctor now" → " are", " have", … against " is", " has", …',
  score: 'accuracy',
  counts: { train: 1000, validation: 200, test: 1000 },
  templates,
  corruptions,
  words: { nouns, plurals: nouns.map(plural), verbs: Object.values(verbs).flat() },

  prepare({ tokenizer, aligned, templates, corruption, report }) {
    const inNumber = (noun: string, number: Number) => (number === 'plural' ? plural(noun) : noun);
    const lengths = new Map(
      nouns.map((noun) => [noun, NUMBERS.map((number) => nameLength(tokenizer, inNumber(noun, number)))]),
    );
    const fitting = keep(report, 'nouns', nouns, (noun) => {
      const [one, several] = lengths.get(noun)!;
      return one !== null && several !== null && (!aligned || one === several);
    });
    const known = keep(
      report,
      'verbs',
      verbs.singular.map((verb, i) => [verb, verbs.plural[i]!] as const),
      (pair) => pair.every((verb) => isKnown(tokenizer, ` ${verb}`)),
      (pair) => pair.join('/'),
    );
    const mayReplace = (noun: string) => (other: string) =>
      other !== noun && (!aligned || lengths.get(other)![0] === lengths.get(noun)![0]);
    const replaceable = fitting.filter((noun) => fitting.some(mayReplace(noun)));
    if (replaceable.length < 2 || known.length === 0)
      throw new InputError(
        `subject-verb: ${replaceable.length} nouns stand in one or two tokens after a prompt in both numbers` +
          `${aligned ? ' (aligned pairs need them of equal length)' : ''} and ${known.length} verbs are known; ` +
          'at least two and one are needed: give your own prompt pairs',
      );
    const forms = (number: Number) => known.map((pair) => ` ${pair[NUMBERS.indexOf(number)]!}`);

    return (random) => {
      const template = random.pick(templates);
      const subject = random.pick(replaceable);
      const other = random.pick(fitting.filter((noun) => noun !== subject));
      const [number, otherNumber] = [random.pick(NUMBERS), random.pick(NUMBERS)];
      const opposite = number === 'singular' ? 'plural' : 'singular';
      const changed =
        corruption === 'other-number'
          ? inNumber(subject, opposite)
          : inNumber(random.pick(fitting.filter(mayReplace(subject))), random.pick(NUMBERS));
      const scene = { other: inNumber(other, otherNumber) };
      return {
        group: `${template.id}/${number}-${otherNumber}`,
        clean: fill(template, { ...scene, subject: inNumber(subject, number) }),
        corrupted: fill(template, { ...scene, subject: changed }),
        answers: forms(number),
        distractors: forms(opposite),
      };
    };
  },
};

function plural(noun: string): string {
  return `${noun}s`;
}
