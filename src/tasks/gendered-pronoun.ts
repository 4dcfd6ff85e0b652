/** Gendered pronoun: a sentence about a named person ends in a question tag, whose pronoun follows the name. */
import { InputError } from '../errors.js';
import { MEN, WOMEN } from './names.js';
import { keep } from './report.js';
import { fill, type Task } from './task.js';
import { isKnown, nameLength } from './token-fit.js';
import { words } from './words.js';

const names = [...WOMEN, ...MEN];

/** Each begins with a consonant, as the templates say "a". */
const adjectives = words(`
  great good kind clever brave funny gentle patient polite careful
  loyal strong smart talented wonderful nice bright friendly generous modest
`);

/** Roles that say nothing about gender. */
const nouns = words(`
  friend teacher doctor student writer leader singer driver
  cook player dancer painter person cousin lawyer judge
`);

const templates = [
  { id: 'such', text: "So {name} is such a {adjective} {noun}, isn't" },
  { id: 'really', text: "I think {name} is really a {adjective} {noun}, isn't" },
  { id: 'was', text: "Back then {name} was such a {adjective} {noun}, wasn't" },
  { id: 'has-been', text: "For years {name} has been such a {adjective} {noun}, hasn't" },
];

const corruptions = [
  { id: 'other-gender', summary: 'a name of the other gender' },
  { id: 'any-name', summary: 'any other name, of either gender' },
];

export const genderedPronoun: Task = {
  name: 'gendered-pronoun',
  summary: '"So Sarah is such a great friend, isn\'t" → " she"',
  score: 'accuracy',
  counts: { train: 1000, validation: 155, test: 307 },
  templates,
  corruptions,
  words: { names, adjectives, nouns, pronouns: ['she', 'he'] },

  prepare({ tokenizer, aligned, templates, corruption, report }) {
    const length = new Map(names.map((name) => [name, nameLength(tokenizer, name)]));
    const fitting = keep(report, 'names', names, (name) => length.get(name) !== null);
    const women = fitting.filter((name) => WOMEN.includes(name));
    const men = fitting.filter((name) => MEN.includes(name));
    const mayReplace = (name: string) => (other: string) =>
      other !== name && (!aligned || length.get(other) === length.get(name));
    const otherGender = corruption === 'other-gender';
    const side = (pronoun: string, opposite: string, own: string[], others: string[]) => ({
      pronoun,
      opposite,
      names: own.filter((name) => others.some(mayReplace(name))),
      others,
    });
    const sides = [
      side('she', 'he', women, otherGender ? men : fitting),
      side('he', 'she', men, otherGender ? women : fitting),
    ];
    const knownAdjectives = keep(report, 'adjectives', adjectives, (word) => isKnown(tokenizer, ` ${word}`));
    const knownNouns = keep(report, 'nouns', nouns, (word) => isKnown(tokenizer, ` ${word}`));
    if (
      sides.some((side) => side.names.length === 0) ||
      knownAdjectives.length === 0 ||
      knownNouns.length === 0
    )
      throw new InputError(
        `gendered-pronoun: ${women.length} women's and ${men.length} men's names stand in one or two tokens after a prompt` +
          `${aligned ? ' (aligned pairs need two of equal length)' : ''}, ` +
          `${knownAdjectives.length} adjectives and ${knownNouns.length} nouns are known; ` +
          'at least one of each is needed: give your own prompt pairs',
      );

    return (random) => {
      const template = random.pick(templates);
      const { pronoun, opposite, names, others } = random.pick(sides);
      const name = random.pick(names);
      const replacement = random.pick(others.filter(mayReplace(name)));
      const scene = { adjective: random.pick(knownAdjectives), noun: random.pick(knownNouns) };
      return {
        group: `${template.id}/${pronoun}`,
        clean: fill(template, { ...scene, name }),
        corrupted: fill(template, { ...scene, name: replacement }),
        answers: [` ${pronoun}`],
        distractors: [` ${opposite}`],
      };
    };
  },
};
