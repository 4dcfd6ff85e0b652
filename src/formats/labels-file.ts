/**
 * `labels.csv` of a run: what its directions are called. A column `rule` holds what was written by rule and `label` what
 * counts: the same, until somebody edits it. What was edited is never written over.
 */
import { existsSync } from 'node:fs';
import { InputError } from '../errors.js';
import { writeText } from './atomic-file.js';
import { readRows } from './table-file.js';

export interface Label {
  label: string;
  rule: string;
}

/** By direction, e.g. `L9H6.ov.28`. */
export type Labels = ReadonlyMap<string, Label>;

/** @throws InputError if the file is none of labels; empty where there is no file */
export async function readLabels(path: string): Promise<Labels> {
  const found = new Map<string, Label>();
  if (!existsSync(path)) return found;
  for await (const { line, fields } of readRows(path)) {
    const { direction, label, rule } = fields;
    if (typeof direction !== 'string')
      throw new InputError(`${path}:${line}: no "direction"; a row has direction, label and rule`);
    if (found.has(direction))
      throw new InputError(`${path}:${line}: ${direction} comes twice; leave one of them`);
    // Empty cells are left out.
    found.set(direction, { label: String(label ?? ''), rule: String(rule ?? '') });
  }
  return found;
}

/** What was edited stays; the rest becomes what the rule says now. Directions without a rule stay as they are. */
export function withRules(labels: Labels, rules: ReadonlyMap<string, string>): Labels {
  const merged = new Map(labels);
  for (const [direction, rule] of rules) {
    const before = labels.get(direction);
    merged.set(direction, { label: before && isEdited(before) ? before.label : rule, rule });
  }
  return merged;
}

/** Whether somebody wrote the label; an emptied one is given back to the rule. */
export function isEdited({ label, rule }: Label): boolean {
  return label !== '' && label !== rule;
}

export function writeLabels(path: string, labels: Labels): Promise<void> {
  const rows = [...labels].map(([direction, { label, rule }]) =>
    [direction, label, rule].map(cell).join(','),
  );
  return writeText(path, `${['direction,label,rule', ...rows].join('\n')}\n`);
}

function cell(text: string): string {
  return /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
