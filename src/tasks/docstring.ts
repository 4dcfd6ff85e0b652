/** Docstrings (Heimersheim and Janiak 2023): a function's arguments are described in order; which one comes next? */
import { InputError } from '../errors.js';
import { keep } from './report.js';
import { fill, type Task } from './task.js';
import { isKnown, nameLength } from './token-fit.js';
import { words } from './words.js';

/** Names of arguments, none of which suggests another one. */
const args = words(`
  files size load page port name color model shape order
  state label image event group index limit level count token
  value table query title style route phase theme owner price
  depth width speed angle force range score block frame grid
`);

/** Words that describe them, and say nothing. */
const nouns = words(`
  river market garden winter letter bridge summer village mountain story
  island picture kitchen season forest morning history science music doctor
`);

const templates = [
  {
    id: 'param',
    text: 'def {function}(self, {a}, {b}, {c}, {d}):\n    """{p} {q}\n\n    :param {a2}: {r} {s}\n    :param {b2}: {t} {u}\n    :param',
  },
  {
    id: 'arg',
    text: 'def {function}(self, {a}, {b}, {c}, {d}):\n    """{p} {q}\n\n    :arg {a2}: {r} {s}\n    :arg {b2}: {t} {u}\n    :arg',
  },
];

const corruptions = [
  { id: 'new-arguments', summary: 'all arguments become new ones, in the definition and in the docstring' },
  { id: 'new-definition', summary: 'those of the definition become new ones, so that the answer is nowhere' },
  { id: 'new-answer', summary: 'the argument that comes next becomes a new one, in the definition' },
];

/** Four in the definition, as many new ones, and the function's name. */
const NAMES_IN_A_PAIR = 9;

export const docstring: Task = {
  name: 'docstring',
  summary: '"def load(self, size, files, color, page): … :param size: … :param files: … :param" → " color"',
  score: 'accuracy',
  counts: { train: 1000, validation: 200, test: 1000 },
  templates,
  corruptions,
  words: { arguments: args, nouns },

  prepare({ tokenizer, aligned, templates, corruption, report }) {
    const length = new Map(args.map((name) => [name, nameLength(tokenizer, name)]));
    const fitting = keep(report, 'arguments', args, (name) => length.get(name) !== null);
    const pools = fitting
      .map((name) => fitting.filter((other) => !aligned || length.get(other) === length.get(name)))
      .filter((pool) => pool.length >= NAMES_IN_A_PAIR);
    const knownNouns = keep(report, 'nouns', nouns, (noun) => isKnown(tokenizer, ` ${noun}`));
    if (pools.length === 0 || knownNouns.length === 0)
      throw new InputError(
        `docstring: ${fitting.length} of ${args.length} arguments stand in one or two tokens after a prompt` +
          `${aligned ? ' (aligned pairs need arguments of equal length)' : ''} and ${knownNouns.length} nouns are known; ` +
          `at least ${NAMES_IN_A_PAIR} and 1 are needed: give your own prompt pairs`,
      );

    return (random) => {
      const template = random.pick(templates);
      const [name, ...drawn] = random.sample(random.pick(pools), NAMES_IN_A_PAIR) as [string, ...string[]];
      const [a, b, c, d, ...fresh] = drawn as [string, string, string, string, ...string[]];
      const scene = Object.fromEntries([...'pqrstu'].map((slot) => [slot, random.pick(knownNouns)]));
      const clean = { a, b, c, d, a2: a, b2: b };
      const [e, f, g, h] = fresh as [string, string, string, string];
      const changed = {
        'new-arguments': { a: e, b: f, c: g, d: h, a2: e, b2: f },
        'new-definition': { ...clean, a: e, b: f, c: g, d: h },
        'new-answer': { ...clean, c: g },
      }[corruption]!;
      return {
        group: template.id,
        clean: fill(template, { ...scene, function: name, ...clean }),
        corrupted: fill(template, { ...scene, function: name, ...changed }),
        answers: [` ${c}`],
        distractors: [a, b, d].map((other) => ` ${other}`),
      };
    };
  },
};
