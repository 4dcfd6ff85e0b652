/** What a setting is: everything that flags, plans, jobs, manifests, pages and docs say of it, they take from here. */
import type { z } from 'zod';
import type { Preset } from './choices.js';

export interface Entry {
  /** Of the value as programs have it. Its message says all that is allowed. */
  schema: z.ZodType;
  /** What it is unless given; absent: it must be given. */
  default?: unknown;
  /** The default under other presets, where they have another. */
  presets?: Partial<Record<Preset, unknown>>;
  /** One line. */
  describe: string;
  /** The default in words, where its value says too little. */
  otherwise?: string;
  /** The word that means null, where null can be asked for. */
  none?: string;
  /** A file or folder, by its path. */
  path?: true;
  /** How its value is written as text, where that is not how a program has it. */
  text?: { read(text: string): unknown; write(value: never): string };
  /** The flag may come several times; its values may hold commas. */
  repeatable?: true;
  /** Given by its place on the command line, without a flag's name. */
  positional?: true;
  /** False: noted elsewhere than among a run's settings, if at all. */
  recorded?: false;
}

export interface Traits {
  /** Heading in help and docs. */
  group: string;
  /** Whether the result follows from it; else it says where the work is done, or when. */
  determines: boolean;
}

export type Setting = Entry & Traits;

/** Settings by their names in programs. */
export type Table = Readonly<Record<string, Setting>>;

/** Settings of one theme. */
export function table<const Entries extends Record<string, Entry>>(
  traits: Traits,
  entries: Entries,
): { [Key in keyof Entries]: Entries[Key] & Traits } {
  const settings = Object.entries(entries).map(([key, entry]) => [key, { ...entry, ...traits }]);
  return Object.fromEntries(settings);
}

/** The values of a table's settings. */
export type Values<Of extends Table> = {
  -readonly [Key in keyof Of]: z.output<Of[Key]['schema']>;
};

export function defaultOf(setting: Entry, preset: Preset = 'default'): unknown {
  const { presets } = setting;
  return presets && preset in presets ? presets[preset] : setting.default;
}

/** Every default of a table whose settings all have one. */
export function defaultsOf<Of extends Table>(settings: Of, preset?: Preset): Values<Of> {
  const defaults = Object.entries(settings).map(([key, setting]) => [key, defaultOf(setting, preset)]);
  return Object.fromEntries(defaults);
}

/** The schemas of a table's settings, as parts of a larger one. */
export function schemasOf<Of extends Table>(
  settings: Of,
): { -readonly [Key in keyof Of]: Of[Key]['schema'] } {
  const schemas = Object.entries(settings).map(([key, { schema }]) => [key, schema]);
  return Object.fromEntries(schemas);
}
