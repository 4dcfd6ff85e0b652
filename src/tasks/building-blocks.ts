/** The IOI task out of published building blocks: a folder of sentences with slots, names, places and objects. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { InputError } from '../errors.js';
import { describeJson } from '../formats/json-file.js';
import { readJsonRows } from '../formats/json-rows.js';
import { ioiOf } from './ioi.js';
import type { Task, Template } from './task.js';

/** Slots as the MIB benchmark calls them, and as our sentences do. */
const SLOTS: Record<string, string> = {
  name_A: 'A',
  name_B: 'B',
  name_C: 'S',
  place: 'place',
  object: 'object',
};

/** Whether a path is such a folder. */
export function hasBuildingBlocks(path: string): boolean {
  return existsSync(join(path, 'templates.json')) && existsSync(join(path, 'names.json'));
}

/** @throws InputError if one of the four lists is missing, or holds something else than texts or sentences with slots */
export async function readBuildingBlocks(folder: string): Promise<Task> {
  const list = async (name: string): Promise<string[]> => {
    const path = join(folder, `${name}.json`);
    const items = await readJsonRows(path);
    const odd = items.find((item) => typeof item !== 'string' || item.trim() === '');
    if (items.length === 0 || odd !== undefined)
      throw new InputError(`${path}: expected a list of texts, found ${describeJson(odd)} in it`);
    return items as string[];
  };
  const sentences = await list('templates');
  return ioiOf({
    templates: sentences.map((text, at) => templateOf(text, at + 1, join(folder, 'templates.json'))),
    names: await list('names'),
    places: await list('places'),
    objects: await list('objects'),
  });
}

function templateOf(text: string, number: number, path: string): Template {
  const found = new Set([...text.matchAll(/\{(\w+)\}/g)].map(([, slot]) => slot!));
  const unknown = [...found].find((slot) => !Object.hasOwn(SLOTS, slot));
  const missing = ['name_A', 'name_B', 'name_C'].find((slot) => !found.has(slot));
  if (unknown !== undefined || missing !== undefined)
    throw new InputError(
      `${path}: sentence ${number} has ${unknown === undefined ? `no {${missing}}` : `{${unknown}}`}; slots are {${Object.keys(SLOTS).join('}, {')}}`,
    );
  return { id: `${number}`, text: text.replace(/\{(\w+)\}/g, (_, slot: string) => `{${SLOTS[slot]}}`) };
}
