/** Values as text: what flags, config files and plans say, and what is printed for them. */
import { z } from 'zod';
import { didYouMean } from '../closest.js';
import type { Entry } from './table.js';

const innermost = ({ schema }: Entry): z.ZodType =>
  schema instanceof z.ZodNullable ? (schema.unwrap() as z.ZodType) : schema;

/** Whether it is on or off, so that its flag needs no value. */
export const isSwitch = (setting: Entry): boolean => innermost(setting) instanceof z.ZodBoolean;

/** What can be chosen, null's word included; empty where anything goes. */
export function choicesOf(setting: Entry): string[] {
  const schema = innermost(setting);
  const item = schema instanceof z.ZodArray ? schema.element : schema;
  if (!(item instanceof z.ZodEnum)) return [];
  return [...item.options.map(String), ...(setting.none === undefined ? [] : [setting.none])];
}

function isList(setting: Entry): boolean {
  const schema = innermost(setting);
  return schema instanceof z.ZodArray || schema instanceof z.ZodTuple;
}

/**
 * @param raw text of a flag, or what YAML makes of it
 * @returns the value, or what is wrong and what is allowed
 */
export function readValue(setting: Entry, raw: unknown): { value: unknown } | { problem: string } {
  if (raw === null || raw === '') return { problem: 'has no value; give one or leave it out' };
  const candidates = candidatesOf(setting, raw);
  let fault: z.core.$ZodIssue | undefined;
  for (const candidate of candidates) {
    const result = setting.schema.safeParse(candidate);
    if (result.success) return { value: result.data };
    fault ??= result.error.issues[0]!;
  }
  return { problem: problemOf(setting, candidates[0], fault!) };
}

/** The ways to understand it, the likeliest first. */
function candidatesOf(setting: Entry, raw: unknown): unknown[] {
  const list = isList(setting);
  // What cannot be read so must not pass for an absence.
  if (setting.text) return [setting.text.read(String(raw)) ?? undefined];
  if (Array.isArray(raw)) return [raw, raw.map(String)];
  if (typeof raw !== 'string') return list ? [[raw], [String(raw)]] : [raw, String(raw)];
  if (raw === setting.none) return [null];
  if (!list) return [numeric(raw), raw];
  const parts = setting.repeatable ? [raw] : raw.split(',').map((part) => part.trim());
  return [parts.map(numeric), parts];
}

function numeric(text: string): number | string {
  return text.trim() !== '' && Number.isFinite(Number(text)) ? Number(text) : text;
}

function problemOf(setting: Entry, tried: unknown, { path, message }: z.core.$ZodIssue): string {
  const [at] = path;
  const item = Array.isArray(tried) && typeof at === 'number' ? tried[at] : tried;
  const named = item !== tried && Array.isArray(tried) && tried.length > 1 ? `"${String(item)}": ` : '';
  const none = setting.none === undefined ? '' : `, or ${setting.none}`;
  return named + message + none + didYouMean(String(item), choicesOf(setting));
}

/** What {@link readValue} reads it from; several where the flag comes several times. */
export function writeValue(setting: Entry, value: unknown): string[] {
  if (value === null) return [setting.none ?? 'none'];
  if (setting.repeatable) return (value as unknown[]).map(String);
  if (setting.text) return [setting.text.write(value as never)];
  return [Array.isArray(value) ? value.join(',') : String(value)];
}

/** The default as help and docs show it; null where the setting must be given. */
export function defaultText(setting: Entry): string | null {
  if (setting.otherwise !== undefined) return setting.otherwise;
  if (setting.default === undefined) return null;
  if (setting.default === null && setting.none === undefined) return null;
  const shown = (value: unknown) => writeValue(setting, value).join(', ');
  const others = Object.entries(setting.presets ?? {}).map(([preset, value]) => `${preset}: ${shown(value)}`);
  return shown(setting.default) + (others.length > 0 ? ` (${others.join(', ')})` : '');
}

/** Whether nothing but a number will do. */
export const isNumber = (setting: Entry): boolean =>
  setting.text === undefined && innermost(setting) instanceof z.ZodNumber;
