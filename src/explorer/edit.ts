/** A circuit that somebody changed: what the page asks for, and masks that follow. Pure, for both sides. */

export const BASES = ['circuit', 'full', 'none'] as const;

/**
 * What becomes of a direction: a mask, or at the last token a swap, with its mean coefficient on training prompts whose
 * answer is what this prompt speaks against.
 */
export type To = number | 'swap';

export interface Edit {
  /** What the changes are made to: the circuit as found, all directions, or none. */
  base: (typeof BASES)[number];
  /**
   * By name, the later over the earlier. A name is a head (`L2H3`), a component (`L2H3.ov`) or a direction
   * (`L2H3.ov.4`).
   */
  changes: readonly (readonly [name: string, to: To])[];
}

export const AS_FOUND: Edit = { base: 'circuit', changes: [] };

/** Largest mask: 1 keeps a direction as it is, 2 doubles by how much it differs from what replaces it. */
export const MOST_MASK = 2;

/** A component with masks, and where they lie in the flat vector. */
export interface Place {
  name: string;
  start: number;
  directions: number;
}

/**
 * @param found masks of the circuit, 0 or 1, [directions]; what is not in `places` stays as it is here
 * @returns the masks (1 where a direction is swapped), which are swapped, ascending, and names that nothing is called by
 */
export function editedMasks(
  places: readonly Place[],
  found: Float32Array,
  { base, changes }: Edit,
): { masks: Float32Array; swapped: number[]; unknown: string[] } {
  const masks = found.slice();
  if (base !== 'circuit')
    for (const { start, directions } of places)
      masks.fill(Number(base === 'full'), start, start + directions);
  const swapped = new Set<number>();
  const set = (flat: number, to: To) => {
    masks[flat] = to === 'swap' ? 1 : to;
    if (to === 'swap') swapped.add(flat);
    else swapped.delete(flat);
  };
  const unknown: string[] = [];
  for (const [name, to] of changes) {
    let matched = false;
    for (const { name: own, start, directions } of places) {
      if (own === name || own.startsWith(`${name}.`))
        for (let index = 0; index < directions; index++) set(start + index, to);
      else {
        const index = indexOf(name, own);
        if (index === null || index >= directions) continue;
        set(start + index, to);
      }
      matched = true;
    }
    if (!matched) unknown.push(name);
  }
  return { masks, swapped: [...swapped].sort((a, b) => a - b), unknown };
}

/** Of `L2H3.ov.4` in `L2H3.ov`: 4. */
function indexOf(name: string, component: string): number | null {
  if (!name.startsWith(`${component}.`)) return null;
  const rest = name.slice(component.length + 1);
  return /^(0|[1-9]\d*)$/.test(rest) ? Number(rest) : null;
}

/** The edit with one more change; changes that it hides are dropped. `to` null: as the base has it. */
export function changed({ base, changes }: Edit, name: string, to: To | null): Edit {
  const others = changes.filter(([own]) => own !== name && !own.startsWith(`${name}.`));
  return { base, changes: to === null ? others : [...others, [name, to]] };
}
