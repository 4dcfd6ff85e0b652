/** The command line that stands for given settings: `complete` of what is read from it is the same again. */
import { kebabCase } from '../case.js';
import { PRESET_NAMES, type Preset } from './choices.js';
import { type Command, type Settings, tableOf } from './commands.js';
import { defaultOf, type Table } from './table.js';
import { isSwitch, writeValue } from './text.js';

/**
 * Words of a command line: the positional settings, and every other one that differs from its default. Of the presets
 * that has the fewest such.
 * @example commandWords('train', settings) // ['orthoscope', 'train', 'gpt2', '--task', 'ioi', '--steps', '100']
 */
export function commandWords<Of extends Command>(command: Of, values: Partial<Settings<Of>>): string[] {
  const settings = tableOf(command);
  const presets: readonly Preset[] = 'preset' in settings ? PRESET_NAMES : ['default'];
  const [flags] = presets
    .map((preset) => flagsOf(settings, { ...values, ...('preset' in settings && { preset }) }, preset))
    .sort((a, b) => a.length - b.length);
  const positional = Object.keys(settings).filter((key) => settings[key]!.positional);
  const places = positional.flatMap((key) => [(values as Record<string, unknown>)[key]].flat().map(String));
  return ['orthoscope', ...command.split(' '), ...places, ...flags!];
}

function flagsOf(settings: Table, values: Record<string, unknown>, preset: Preset): string[] {
  return Object.entries(settings).flatMap(([key, setting]) => {
    const value = values[key];
    const usual = key === 'preset' ? 'default' : (defaultOf(setting, preset) ?? null);
    if (setting.positional || value === undefined || JSON.stringify(value) === JSON.stringify(usual))
      return [];
    const name = kebabCase(key);
    if (isSwitch(setting)) return [value ? `--${name}` : `--no-${name}`];
    // A value that begins with a dash would be taken for a flag.
    return writeValue(setting, value).flatMap((text) =>
      text.startsWith('-') ? [`--${name}=${text}`] : [`--${name}`, text],
    );
  });
}

/** Words as a POSIX shell takes them. */
export function shellCommand(words: readonly string[]): string {
  return words.map(quoted).join(' ');
}

function quoted(word: string): string {
  return /^[\w./:@%+=,-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
