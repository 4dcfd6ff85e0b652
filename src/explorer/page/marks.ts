/** Changes of marks: pins and groups. */
import type { Marks } from './state.js';

export function togglePin({ pins }: Marks, name: string): Pick<Marks, 'pins'> {
  return { pins: pins.includes(name) ? pins.filter((each) => each !== name) : [...pins, name] };
}

/** @param to empty: into no group; groups without members go */
export function regroup({ groups }: Marks, name: string, to: string): Pick<Marks, 'groups'> {
  const without = Object.entries(groups).map(([key, members]): [string, string[]] => [
    key,
    members.filter((each) => each !== name),
  ]);
  const others = Object.fromEntries(without.filter(([, members]) => members.length > 0));
  return { groups: to ? { ...others, [to]: [...(others[to] ?? []), name] } : others };
}

export function groupOf({ groups }: Marks, name: string): string {
  return Object.entries(groups).find(([, members]) => members.includes(name))?.[0] ?? '';
}

/**
 * What a key does to a direction in a list: `p` pins it, a digit puts it into the group of that name or out of it.
 * @returns null for other keys
 */
export function markedByKey(marks: Marks, name: string, key: string): Partial<Marks> | null {
  if (key === 'p') return togglePin(marks, name);
  if (/^\d$/.test(key)) return regroup(marks, name, groupOf(marks, name) === key ? '' : key);
  return null;
}
