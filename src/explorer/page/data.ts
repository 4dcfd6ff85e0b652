/** The run as the page has it: what is there at once, and what is unpacked when it is asked for. */
import type { PromptCard } from '../../interpret/prompt-card.js';
import { type Edit, editedMasks } from '../edit.js';
import type { BlockName, Core, DirectionCard, SnapshotComponent, ValueName } from '../snapshot.js';
import { parsed } from './text.js';

export interface Place extends SnapshotComponent {
  /** Of its first direction among all. */
  start: number;
}

/** Which directions count as kept: the circuit's, or so many with the largest soft masks. */
export type Size = number | null;

/** Likewise, or those that masks of a changed circuit keep. */
export type Members = Size | Float32Array;

export class Data {
  readonly places: readonly Place[];
  readonly byName: ReadonlyMap<string, Place>;
  readonly size: number;
  readonly #cardAt: ReadonlyMap<number, number>;
  readonly #lines = new Map<BlockName, Promise<string[]>>();
  #ranks: Int32Array | null = null;
  #found: Float32Array | null = null;

  private constructor(
    readonly core: Core,
    readonly values: Partial<Record<ValueName, Float32Array>>,
  ) {
    let start = 0;
    this.places = core.components.map((component) => {
      const place = { ...component, start };
      start += component.directions;
      return place;
    });
    this.size = start;
    this.byName = new Map(this.places.map((place) => [place.name, place]));
    this.#cardAt = new Map(core.cards.map((flat, at) => [flat, at]));
  }

  /** The run that this page is of. */
  static async load(): Promise<Data> {
    return Data.from(await unpack('core'));
  }

  /** A run from what its page holds of it at once. */
  static from(bytes: ArrayBuffer): Data {
    const length = new DataView(bytes).getUint32(0, true);
    const core = parsed<Core>(new TextDecoder().decode(new Uint8Array(bytes, 4, length)));
    const size = core.components.reduce((sum, { directions }) => sum + directions, 0);
    const values = core.values.map((name, at): [ValueName, Float32Array] => [
      name,
      new Float32Array(bytes, 4 + length + 4 * size * at, size),
    ]);
    return new Data(core, Object.fromEntries(values));
  }

  placeOf(flat: number): Place {
    let [low, high] = [0, this.places.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.places[middle]!.start <= flat) low = middle;
      else high = middle - 1;
    }
    return this.places[low]!;
  }

  name(flat: number): string {
    const { name, start } = this.placeOf(flat);
    return `${name}.${flat - start}`;
  }

  /** @returns null for a name of no direction */
  flatOf(name: string): number | null {
    const [, component, index] = /^(.+)\.(\d+)$/.exec(name) ?? [];
    const place = this.byName.get(component ?? '');
    return place && Number(index) < place.directions ? place.start + Number(index) : null;
  }

  mask(flat: number): number {
    return this.values.masks![flat]!;
  }

  isKept(flat: number, members: Members): boolean {
    if (typeof members === 'number') return this.#rank(flat) < members;
    return (members ?? this.values.masks!)[flat]! > this.core.threshold;
  }

  keptOf({ start, directions }: Place, members: Members): number {
    let kept = 0;
    for (let flat = start; flat < start + directions; flat++) kept += Number(this.isKept(flat, members));
    return kept;
  }

  kept(members: Members): number {
    return this.places.reduce((sum, place) => sum + this.keptOf(place, members), 0);
  }

  /** Masks of a changed circuit; names that this run does not have are passed over. */
  edited(edit: Edit): Float32Array {
    this.#found ??= this.values.masks!.map((mask) => Number(mask > this.core.threshold));
    return editedMasks(this.places, this.#found, edit).masks;
  }

  /** By how much KL grows when the direction is dropped from the circuit; null where that is not known. */
  rests(flat: number): { kl: number; estimated: boolean } | null {
    const { dropped, estimate } = this.values;
    const measured = known(dropped?.[flat]);
    if (measured !== null) return { kl: measured, estimated: false };
    const kl = known(estimate?.[flat]);
    return kl === null ? null : { kl, estimated: true };
  }

  hasCard(flat: number): boolean {
    return this.#cardAt.has(flat);
  }

  async card(flat: number): Promise<DirectionCard | null> {
    const at = this.#cardAt.get(flat);
    return at === undefined ? null : parsed<DirectionCard>((await this.#linesOf('cards'))[at]!);
  }

  async allCards(): Promise<DirectionCard[]> {
    return (await this.#linesOf('cards')).map((line) => parsed<DirectionCard>(line));
  }

  async prompt(id: string): Promise<PromptCard | null> {
    const at = this.core.prompts.findIndex((prompt) => prompt.id === id);
    return at === -1 ? null : parsed<PromptCard>((await this.#linesOf('prompts'))[at]!);
  }

  #linesOf(name: BlockName): Promise<string[]> {
    const known = this.#lines.get(name);
    if (known) return known;
    const lines = unpack(name).then((bytes) => new TextDecoder().decode(bytes).split('\n').slice(0, -1));
    this.#lines.set(name, lines);
    return lines;
  }

  /** From 0: the largest soft mask first. */
  #rank(flat: number): number {
    if (!this.#ranks) {
      const soft = this.values.soft ?? this.values.masks!;
      const order = Int32Array.from(soft.keys()).sort((a, b) => soft[b]! - soft[a]! || a - b);
      this.#ranks = new Int32Array(order.length);
      order.forEach((own, rank) => {
        this.#ranks![own] = rank;
      });
    }
    return this.#ranks[flat]!;
  }
}

export function known(value: number | undefined): number | null {
  return value === undefined || Number.isNaN(value) ? null : value;
}

function unpack(name: BlockName): Promise<ArrayBuffer> {
  const element = document.getElementById(`block-${name}`)!;
  const text = element.textContent!;
  element.remove();
  return unpacked(text);
}

/** @param base64 of a compressed block */
export async function unpacked(base64: string): Promise<ArrayBuffer> {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
  return new Response(stream).arrayBuffer();
}
