/** What a reader chose, in the page's address: so that it can be shared, and that Back works. */
import { createContext } from 'preact';
import { useContext } from 'preact/hooks';
import type { Data, Size } from './data.js';

export const VIEWS = {
  summary: 'Summary',
  model: 'Model',
  directions: 'Directions',
  prompts: 'Prompts',
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
}

const NONE: State = {
  view: 'summary',
  of: '',
  size: null,
  sort: '',
  filter: '',
  head: '',
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
    ...checkedMarks({
      pins: given.get('pins')?.split(',') ?? [],
      names: json('names', {}),
      notes: json('notes', {}),
      groups: json('groups', {}),
    }),
  };
}

export function writeState({ view, of, size, sort, filter, head, pins, ...marks }: State): string {
  const query = new URLSearchParams();
  if (size !== null) query.set('size', String(size));
  for (const [key, value] of Object.entries({ sort, filter, head })) if (value) query.set(key, value);
  if (pins.length > 0) query.set('pins', pins.join(','));
  for (const [key, value] of Object.entries(marks))
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
  const record = <T>(value: unknown, read: (item: unknown) => T | null): Record<string, T> =>
    Object.fromEntries(
      Object.entries(Object(value) as Record<string, unknown>).flatMap(([key, item]) => {
        const own = read(item);
        return own === null ? [] : [[key, own]];
      }),
    );
  const text = (item: unknown) => (typeof item === 'string' ? item : null);
  return {
    pins: [...new Set(strings(pins))],
    names: record(names, text),
    notes: record(notes, text),
    groups: record(groups, (item) => (Array.isArray(item) ? strings(item) : null)),
  };
}

function isView(view: string): view is View {
  return Object.hasOwn(VIEWS, view) || ['component', 'direction', 'prompt'].includes(view);
}

export interface Explorer {
  data: Data;
  state: State;
  /** Changes part of the state; a new view is a new entry of the history. */
  go(changes: Partial<State>): void;
  /** The address of a state that differs from this one. */
  link(changes: Partial<State>): string;
}

export const ExplorerContext = createContext<Explorer | null>(null);

export function useExplorer(): Explorer {
  return useContext(ExplorerContext)!;
}
