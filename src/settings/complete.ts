/** Settings from what somebody gives, to what is recorded of them, and back. */
import { resolve } from 'node:path';
import { kebabCase, snakeCase } from '../case.js';
import { didYouMean } from '../closest.js';
import { InputError } from '../errors.js';
import { namedFile } from '../formats/data-files.js';
import type { Manifest } from '../formats/manifest.js';
import type { Preset } from './choices.js';
import { type Command, type Given, type Settings, tableOf } from './commands.js';
import { defaultOf, type Setting, type Table, type Values } from './table.js';
import { readValue } from './text.js';

type Loose = Record<string, unknown>;

/**
 * Every setting of a command: what is given, and defaults for the rest.
 * @param base defaults that go before the table's
 * @throws InputError if a value is not allowed, one is missing, or the command has no such setting
 * @example
 * complete('train', { model: 'gpt2', task: 'ioi', preset: 'reference', steps: 100 }).batchSize // 64
 */
export function complete<Of extends Command>(
  command: Of,
  given: Given<Of>,
  base: Partial<Settings<Of>> = {},
): Settings<Of> {
  const settings = tableOf(command);
  for (const [key, value] of Object.entries(given))
    if (value !== undefined && !Object.hasOwn(settings, key))
      throw new InputError(
        `${command}: "${key}" is none of its settings${didYouMean(key, Object.keys(settings))}`,
      );
  const { preset } = given as { preset?: Preset };
  const values = Object.entries(settings).map(([key, setting]) => {
    // A value may be null: that is what was asked for, and no absence.
    const value = [given, base].map((values) => (values as Loose)[key]).find((value) => value !== undefined);
    return [key, checked(key, setting, value === undefined ? defaultOf(setting, preset) : value)];
  });
  return Object.fromEntries(values) as Settings<Of>;
}

function checked(key: string, setting: Setting, value: unknown): unknown {
  const flag = setting.positional ? `<${kebabCase(key)}>` : `--${kebabCase(key)}`;
  if (value === undefined) throw new InputError(`${flag} is missing: ${setting.describe}`);
  const result = setting.schema.safeParse(value);
  if (result.success) return result.data;
  throw new InputError(`${flag} ${String(value)}: ${result.error.issues[0]!.message}`);
}

const isRecorded = ({ determines, recorded }: Setting): boolean => determines && recorded !== false;

/** What a manifest says of a command's settings: those that the result follows from, with absolute paths. */
export function recorded<Of extends Command>(command: Of, values: Partial<Settings<Of>>): Loose {
  const entries = Object.entries(tableOf(command))
    .filter(([, setting]) => isRecorded(setting))
    .map(([key, setting]) => [key, written(setting, (values as Loose)[key])]);
  return Object.fromEntries(entries);
}

function written({ path, repeatable, text }: Setting, value: unknown): unknown {
  if (value === null || value === undefined) return value;
  if (path) return repeatable ? (value as string[]).map(absolute) : resolve(value as string);
  return text ? text.write(value as never) : value;
}

/** Of `FILE` or `NAME=FILE`, the file; a pipe has no path. */
function absolute(item: string): string {
  const { name, path } = namedFile(item);
  return path === '-' ? item : (name === null ? '' : `${name}=`) + resolve(path);
}

/**
 * A manifest's settings as those of a table, whether or not it is that of the command that made it: what both have.
 * What an older version did not record is left out.
 * @throws InputError if a value is not allowed
 */
export function settingsOf<Of extends Table>(table: Of, { settings }: Manifest): Partial<Values<Of>> {
  const entries = Object.entries(table)
    .filter(([key, setting]) => isRecorded(setting) && settings[key] !== undefined)
    .map(([key, setting]) => [key, readRecorded(key, setting, settings[key])]);
  return Object.fromEntries(entries) as Partial<Values<Of>>;
}

function readRecorded(key: string, setting: Setting, raw: unknown): unknown {
  if (raw === null && setting.schema.safeParse(null).success) return null;
  const read = readValue(setting, raw);
  if ('value' in read) return read.value;
  throw new InputError(`the manifest's settings: ${snakeCase(key)} ${JSON.stringify(raw)}: ${read.problem}`);
}
