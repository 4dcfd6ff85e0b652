/** Indirect object identification: two people are named, one acts again, the other one receives. */
import { InputError } from '../errors.js';
import { MEN, WOMEN } from './names.js';
import { keep } from './report.js';
import { type Draw, fill, type Task, type TaskSetting, type Template } from './task.js';
import { isKnown, nameLength } from './token-fit.js';
import { words } from './words.js';

const names = [...WOMEN, ...MEN];

const places = words(`
  store school park library market garden office station
  beach museum restaurant hospital church farm bank hotel
`);

/** Each begins with a consonant, as the templates say "a". */
const objects = words(`
  drink book ring letter ball bottle ticket gift
  map key cake coat hat lamp basket flower
  phone camera
`);

const templates = [
  { id: 'gave', text: 'When {A} and {B} went to the {place}, {S} gave a {object} to' },
  { id: 'handed', text: 'After {A} and {B} came back from the {place}, {S} handed a {object} to' },
  { id: 'passed', text: 'While {A} and {B} were waiting at the {place}, {S} passed a {object} to' },
  { id: 'showed', text: 'Yesterday {A} and {B} met near the {place}. {S} showed a {object} to' },
  { id: 'offered', text: 'One day {A} and {B} walked past the {place}, and {S} offered a {object} to' },
];

const verbs = words('went gave came handed waiting passed met showed walked offered');

const corruptions = [
  { id: 'new-names', summary: 'all three names become new, different ones' },
  { id: 'swap-subject', summary: 'the second subject becomes the receiver, which turns the answer round' },
  { id: 'new-subject', summary: 'the second subject becomes a new name, so that nobody is named twice' },
];

/** Two in the clean prompt, three new ones in the corrupted one. */
const NAMES_IN_A_PAIR = 5;

/** What sentences are made of. {A} and {B} are the first mentions, {S} is the subject's second one. */
export interface IoiParts {
  templates: readonly Template[];
  names: readonly string[];
  places: readonly string[];
  objects: readonly string[];
}

export const ioi: Task = ioiOf({ templates, names, places, objects }, { verbs });

/** @param templateWords see {@link Task} */
export function ioiOf(parts: IoiParts, templateWords: Task['templateWords'] = {}): Task {
  const { templates, ...words } = parts;
  return {
    name: 'ioi',
    summary: '"When Mary and John went to the store, John gave a drink to" → " Mary"',
    score: 'accuracy',
    counts: { train: 1000, validation: 200, test: 1000 },
    templates,
    corruptions,
    words,
    templateWords,
    prepare: (setting) => prepare(parts, setting),
  };
}

function prepare(
  { names, places, objects }: IoiParts,
  { tokenizer, aligned, templates, corruption, report }: TaskSetting,
): Draw {
  const length = new Map(names.map((name) => [name, nameLength(tokenizer, name)]));
  const fitting = keep(report, 'names', names, (name) => length.get(name) !== null);
  // A pair draws all its names from one pool; one pool a name, so that every name is as likely as the next.
  const pools = fitting
    .map((name) => fitting.filter((other) => !aligned || length.get(other) === length.get(name)))
    .filter((pool) => pool.length >= NAMES_IN_A_PAIR);
  const knownPlaces = keep(report, 'places', places, (place) => isKnown(tokenizer, ` ${place}`));
  const knownObjects = keep(report, 'objects', objects, (object) => isKnown(tokenizer, ` ${object}`));
  const objectsFor = new Map(
    templates.map((template) => [template, knownObjects.filter((object) => hasItsArticle(template, object))]),
  );
  const scenes = templates.filter((template) => objectsFor.get(template)!.length > 0);
  if (scenes.length < templates.length)
    keep(report, 'templates whose article an object has', templates, (each) => scenes.includes(each), idOf);
  if (pools.length === 0 || scenes.length === 0 || knownPlaces.length === 0 || knownObjects.length === 0)
    throw new InputError(
      `ioi: ${fitting.length} of ${names.length} names stand in one or two tokens after a prompt` +
        `${aligned ? ' (aligned pairs need names of equal length)' : ''}, ` +
        `${knownPlaces.length} places and ${knownObjects.length} objects are known; ` +
        `at least ${NAMES_IN_A_PAIR}, 1 and 1 are needed: give your own prompt pairs`,
    );

  return (random) => {
    const template = random.pick(scenes);
    const order = random.pick(['ABBA', 'BABA']);
    const [receiver, subject, a, b, c] = random.sample(random.pick(pools), NAMES_IN_A_PAIR);
    const scene = { place: random.pick(knownPlaces), object: random.pick(objectsFor.get(template)!) };
    const [first, second] = order === 'ABBA' ? [receiver, subject] : [subject, receiver];
    const clean = { A: first, B: second, S: subject };
    const changed = {
      'new-names': { A: a, B: b, S: c },
      'swap-subject': { ...clean, S: receiver },
      'new-subject': { ...clean, S: c },
    }[corruption]!;
    return {
      group: `${template.id}/${order}`,
      clean: fill(template, { ...scene, ...clean }),
      corrupted: fill(template, { ...scene, ...changed }),
      answers: [` ${receiver}`],
      distractors: [` ${subject}`],
    };
  };
}

const idOf = ({ id }: Template) => id;

/** Whether the template puts "an" in front of an object that begins with a vowel, and "a" in front of others. */
function hasItsArticle({ text }: Template, object: string): boolean {
  return text.includes(' an {object}') === /^[aeiou]/i.test(object) || !/ an? \{object\}/.test(text);
}
