/** Settings as flags: how yargs is told of them, and how what it found is read. A config file has the same keys. */
import type { Argv, Options } from 'yargs';
import { kebabCase } from '../src/case.js';
import { InputError } from '../src/errors.js';
import { CONFIG_FLAG, type Command, DRY_RUN_FLAG, OUTPUT_FLAGS, tableOf } from '../src/settings/commands.js';
import type { Setting, Table } from '../src/settings/table.js';
import { choicesOf, defaultText, isNumber, isSwitch, readValue } from '../src/settings/text.js';
import { INDEX } from './index.js';

/** What yargs found, by the settings' names. */
export type Found = Record<string, unknown>;

function flagsOf(command: Command): Table {
  return { ...tableOf(command), ...OUTPUT_FLAGS, ...(INDEX[command].estimates && DRY_RUN_FLAG) };
}

/** Every flag's name, for suggestions. */
export function flagNames(command: Command): string[] {
  return [...Object.keys(flagsOf(command)).map(kebabCase), 'config', 'help'];
}

/** Names of the switches that all of these commands have. */
export function sharedSwitches(commands: readonly Command[]): string[] {
  const [first, ...others] = commands.map((command) =>
    Object.entries(flagsOf(command)).flatMap(([key, setting]) => (isSwitch(setting) ? [kebabCase(key)] : [])),
  );
  return first!.filter((name) => others.every((names) => names.includes(name)));
}

/** @param shown whether help or completions are asked for: values are then not read */
export function declare(yargs: Argv, command: Command, shown: boolean): Argv {
  const flags: Table = { ...flagsOf(command), ...CONFIG_FLAG };
  for (const [key, setting] of Object.entries(flags))
    if (setting.positional) yargs.positional(key, { type: 'string', describe: setting.describe });
    else yargs.option(kebabCase(key), optionOf(setting, shown));
  return yargs;
}

function optionOf(setting: Setting, shown: boolean): Options {
  const { describe, group, repeatable } = setting;
  const text: Options = isSwitch(setting) ? { type: 'boolean' } : { type: 'string', array: repeatable };
  // Parsing lays out the help each time, and what is hidden costs it nothing.
  if (!shown) return { ...text, hidden: true };
  const choices = choicesOf(setting);
  const standard = defaultText(setting);
  return {
    ...(isNumber(setting) ? { type: 'number' } : text),
    describe,
    group: `${group}:`,
    ...(standard !== null && { defaultDescription: standard }),
    // Only shown: values are checked with the others, and better explained.
    ...(choices.length > 0 && { choices }),
  };
}

/**
 * The settings that flags and config file give, flags first.
 * @throws InputError naming the flag, or file, line and column
 */
export async function given(found: Found, command: Command): Promise<Found> {
  const flags = flagsOf(command);
  const values: Found = {};
  for (const [key, setting] of Object.entries(flags))
    if (found[key] !== undefined) values[key] = checkedValue(setting, key, found[key]);
  if (found.config === undefined) return values;
  const path = String(checkedValue(CONFIG_FLAG.config, 'config', found.config));
  const { readText, SettingsFile } = await import('../src/settings/yaml.js');
  const file = new SettingsFile(await readText(path), path, flags, command);
  return { ...file.settings(file.root), ...values };
}

function checkedValue(setting: Setting, key: string, raw: unknown): unknown {
  const flag = setting.positional ? key : `--${kebabCase(key)}`;
  const single = !setting.repeatable && !setting.positional;
  if (Array.isArray(raw) && single) throw new InputError(`${flag}: is given twice; leave one out`);
  const items = [raw].flat();
  if (items.length === 0 || items.includes(''))
    throw new InputError(`${flag}: has no value; give one or leave it out`);
  const read = readValue(setting, raw);
  if ('value' in read) return read.value;
  throw new InputError(`${flag} ${items.join(' ')}: ${read.problem}`);
}
