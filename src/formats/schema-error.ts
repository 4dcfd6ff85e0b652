/** What a schema finds wrong with a value, as the one line of an InputError. */
import type { z } from 'zod';
import { InputError } from '../errors.js';
import { describeJson } from './json-file.js';

type Issue = z.core.$ZodIssue;
type Path = readonly PropertyKey[];

/** Faults shown; of a file of another kind there may be hundreds. */
const SHOWN = 3;

const TYPES: Record<string, string> = {
  number: 'a number',
  int: 'a whole number',
  string: 'text',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
  record: 'an object',
};

/**
 * One line for all that a schema found wrong, e.g.
 * `plan.yaml:3:8: steps "many": expected a whole number` or
 * `runs/a/manifest.json: seeds.run: missing; host.cores 0: must be more than 0`.
 * @param where what the message begins with: a file, a place in it, a flag
 * @param value what was checked: faults are shown with what was found
 * @param spelled how a path is written, joined with dots unless given
 */
export function inputErrorOf(
  error: z.ZodError,
  where: string,
  value: unknown,
  spelled: (path: Path) => string = (path) => path.join('.'),
): InputError {
  const faults = error.issues.flatMap((issue) => faultsOf(issue, []));
  const shown = faults.slice(0, SHOWN).map(({ path, text }) => {
    const found = path.reduce<unknown>((outer, key) => (outer as Record<PropertyKey, unknown>)?.[key], value);
    if (found === undefined) return `${spelled(path)}: missing`.replace(/^: /, '');
    const subject = [spelled(path), quoted(found)].filter((part) => part !== '').join(' ');
    return subject === '' ? text : `${subject}: ${text}`;
  });
  if (faults.length > SHOWN) shown.push(`and ${faults.length - SHOWN} more`);
  return new InputError(`${where}: ${shown.join('; ')}`);
}

interface Fault {
  path: Path;
  text: string;
}

/** An issue's faults: one, unless it is a choice of shapes. */
function faultsOf(issue: Issue, outer: Path): Fault[] {
  const path = [...outer, ...issue.path];
  if (issue.code !== 'invalid_union' || issue.errors.length === 0) return [{ path, text: textOf(issue) }];
  const shapes = issue.errors.map((issues) => issues.flatMap((inner) => faultsOf(inner, path)));
  // A shape that is wrong only inside is the one that was meant; the nearest, if there are several.
  const meant = shapes
    .filter((faults) => faults.every((fault) => fault.path.length > path.length))
    .sort((a, b) => a.length - b.length)[0];
  if (meant) return meant;
  const texts = [...new Set(shapes.map(([fault]) => fault!.text))];
  return [{ path, text: texts.join(' or ').replaceAll(' or expected ', ' or ') }];
}

function textOf(issue: Issue): string {
  switch (issue.code) {
    case 'invalid_type':
      return `expected ${TYPES[issue.expected] ?? issue.expected}`;
    case 'invalid_value': {
      const values = issue.values.map((value) => JSON.stringify(value));
      return values.length === 1 ? `expected ${values[0]}` : `choose one of ${values.join(', ')}`;
    }
    case 'too_small':
      return `must be ${issue.inclusive ? 'at least' : 'more than'} ${issue.minimum}${unitOf(issue.origin)}`;
    case 'too_big':
      return `must be ${issue.inclusive ? 'at most' : 'less than'} ${issue.maximum}${unitOf(issue.origin)}`;
    case 'unrecognized_keys':
      return `unknown key ${issue.keys.map((key) => JSON.stringify(key)).join(', ')}`;
    default:
      return issue.message;
  }
}

function unitOf(origin: string): string {
  if (origin === 'string') return ' characters long';
  return origin === 'array' ? ' items long' : '';
}

/** A short value as it stands; objects and lists are named by their keys already. */
function quoted(value: unknown): string {
  if (typeof value === 'object' && value !== null) return '';
  if (typeof value === 'number') return String(value);
  return describeJson(value).replace(/^the \w+ /, '');
}
