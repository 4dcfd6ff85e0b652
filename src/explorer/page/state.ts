/** What a reader chose, in the page's address: so that it can be shared, and that Back works. */
import { createContext } from 'preact';
import { useContext } from 'preact/hooks';
import { AS_FOUND, BASES, type Edit, MOST_MASK } from '../edit.js';
import type { Data, Members, Size } from './data.js';

export const VIEWS = {
  summary: 'Summary',
  model: 'Model',
  directions: 'Directions',
  prompts: 'Prompts',
  sweep: 'Sweep',
  compare: 'Compare',
  try: 'Try',
  pins: 'Pins',
  report: 'Report',
} as const;

/** Those of the navigation, and cards that are opened from them. */
export type View = keyof typeof VIEWS | 'component' | 'direction' | 'prompt';

/** What a reader marked: all that a saved file holds. */
export interface Marks {
  pins: string[];
  /** Names of one's own, by direction. */
  names: Record<string, string>;
  notes: Record<string, string>;
  /** Directions by group. */
  groups: Record<string, string[]>;
}

export interface State extends Marks {
  view: View;
  /** Of a card: what it is of. */
  of: string;
  size: Size;
  /** How lists are sorted. */
  sort: string;
  /** Text that lists are filtered by. */
  filter: string;
  /** Which head's attention is shown. */
  head: string;
  /** Of a prompt's card: another prompt, to be seen beside it. */
  beside: string;
  /** The circuit as a reader changed it, and others that were put aside, by name. */
  edit: Edit;
  drafts: Record<string, Edit>;
}

const NONE: State = {
  view: 'summary',
  of: '',
  size: null,
  sort: '',
  filter: '',
  head: '',
  beside: '',
  edit: AS_FOUND,
  drafts: {},
  pins: [],
  names: {},
  notes: {},
  groups: {},
};

/** @returns the defaults for whatever an address does not say, or says wrongly */
export function readState(hash: string): State {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split('?');
  const [view = '', ...rest] = path.split('/');
  const given = new URLSearchParams(query);
  const size = given.get('size');
  const json = <T>(key: string, none: T): T => {
    try {
      return (JSON.parse(given.get(key)!) as T) ?? none;
    } catch {
      return none;
    }
  };
  return {
    ...NONE,
    view: isView(view) ? view : 'summary',
    of: decoded(rest.join('/')),
    size: size !== null && /^\d+$/.test(size) ? Number(size) : null,
    sort: given.get('sort') ?? '',
    filter: given.get('filter') ?? '',
    head: given.get('head') ?? '',
    beside: given.get('beside') ?? '',
    edit: checkedEdit(json('edit', null)) ?? AS_FOUND,
    drafts: record(json('drafts', {}), checkedEdit),
    ...checkedMarks({
      pins: given.get('pins')?.split(',') ?? [],
      names: json('names', {}),
      notes: json('notes', {}),
      groups: json('groups', {}),
    }),
  };
}

export function writeState(state: State): string {
  const { view, of, size, sort, filter, head, beside, edit, pins, ...records } = state;
  const query = new URLSearchParams();
  if (size !== null) query.set('size', String(size));
  for (const [key, value] of Object.entries({ sort, filter, head, beside })) if (value) query.set(key, value);
  if (pins.length > 0) query.set('pins', pins.join(','));
  if (isChanged(edit)) query.set('edit', JSON.stringify(edit));
  for (const [key, value] of Object.entries(records))
    if (Object.keys(value).length > 0) query.set(key, JSON.stringify(value));
  const text = query.toString();
  return `#/${view}${of ? `/${encodeURIComponent(of)}` : ''}${text ? `?${text}` : ''}`;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Marks of a file or an address that anybody may have written: what has another shape is dropped. */
export function checkedMarks(given: unknown): Marks {
  const { pins, names, notes, groups } = Object(given) as Partial<Record<keyof Marks, unknown>>;
  const strings = (value: unknown): string[] =>
    Array.isArray(value) ? value.filter((item): item is string => typeof item === 'string') : [];
  const text = (item: unknown) => (typeof item === 'string' ? item : null);
  return {
    pins: [...new Set(strings(pins))],
    names: record(names, text),
    notes: record(notes, text),
    groups: record(groups, (item) => (Array.isArray(item) ? strings(item) : null)),
  };
}

function record<T>(value: unknown, read: (item: unknown) => T | null): Record<string, T> {
  return Object.fromEntries(
    Object.entries(Object(value) as Record<string, unknown>).flatMap(([key, item]) => {
      const own = read(item);
      return own === null ? [] : [[key, own]];
    }),
  );
}

/** Null where it is none. */
function checkedEdit(given: unknown): Edit | null {
  const { base, changes } = Object(given) as Partial<Record<keyof Edit, unknown>>;
  const known = BASES.find((each) => each === base);
  if (!known || !Array.isArray(changes)) return null;
  const fits = ([name, to, ...rest]: unknown[]) =>
    typeof name === 'string' &&
    (to === 'swap' || (typeof to === 'number' && to >= 0 && to <= MOST_MASK)) &&
    rest.length === 0;
  return { base: known, changes: changes.filter((each) => Array.isArray(each) && fits(each)) };
}

export function isChanged({ base, changes }: Edit): boolean {
  return base !== 'circuit' || changes.length > 0;
}

function isView(view: string): view is View {
  return Object.hasOwn(VIEWS, view) || ['component', 'direction', 'prompt'].includes(view);
}

/** A run to be held beside the page's own. */
export interface OtherRun {
  name: string;
  data: Data;
}

export interface Explorer {
  data: Data;
  other: OtherRun | null;
  setOther(other: OtherRun | null): void;
  state: State;
  /** Which directions views show as kept. */
  members: Members;
  /** Changes part of the state; a new view is a new entry of the history. */
  go(changes: Partial<State>): void;
  /** The address of a state that differs from this one. */
  link(changes: Partial<State>): string;
  /** Changes the circuit, in a way that can be undone. */
  edit(edit: Edit): void;
  /** Takes the last change back; null where there is none. */
  undo: (() => void) | null;
}

export const ExplorerContext = createContext<Explorer | null>(null);

export function useExplorer(): Explorer {
  return useContext(ExplorerContext)!;
}
