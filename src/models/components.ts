/** The parts of a transformer that are decomposed: their names, shapes and ranks (paper.md, "Notation"). */
import { HEAD_KINDS, type Kind, MLP_KINDS } from '../settings/choices.js';
import type { Architecture } from './architecture.js';
import { DEFAULT_SPLIT, type QkSplit } from './qk-split.js';

export type { Kind };

/** Where a component is in a model, and its name there. */
export interface ComponentPlace {
  /** `L9H6.qk`, `L9H6.ov`, `L4.mlp_in`, `L4.mlp_out`; gated: `L4.mlp_gate`, `L4.mlp_up`, `L4.mlp_down`. */
  name: string;
  kind: Kind;
  layer: number;
  /** Query head; undefined for MLP matrices. */
  head?: number;
}

/** A part of a model that is decomposed: the scores or the output of a head, or a matrix of an MLP. */
export interface Component extends ComponentPlace {
  /** Rows of the augmented matrix: input width, plus one where there is a bias row. */
  rows: number;
  cols: number;
  /** Number of directions; of QK by plane, of planes. */
  rank: number;
  /** Directions counted for this component when heads are counted at full width (full sparsity). */
  fullWidth: number;
}

/** A component's name, e.g. `L9H6.qk` or `L4.mlp_in`. */
export function componentName(kind: Kind, layer: number, head?: number): string {
  return head === undefined ? `L${layer}.${kind}` : `L${layer}H${head}.${kind}`;
}

/** Reads what {@link componentName} writes; null for any other text. A model may lack the component all the same. */
export function parseComponentName(name: string): ComponentPlace | null {
  const [, layer, head, kind] = /^L(\d+)(?:H(\d+))?\.([a-z_]+)$/.exec(name) ?? [];
  const kinds: readonly string[] = head === undefined ? MLP_KINDS : HEAD_KINDS;
  if (kind === undefined || !kinds.includes(kind)) return null;
  const place = {
    kind: kind as Kind,
    layer: Number(layer),
    ...(head !== undefined && { head: Number(head) }),
  };
  // `L07.mlp_in` would be a second name of the same component.
  return componentName(place.kind, place.layer, place.head) === name ? { name, ...place } : null;
}

/** Neighbouring directions of a component; both ends belong to it. */
export interface DirectionRange {
  component: ComponentPlace;
  first: number;
  last: number;
}

/** A range's name, e.g. `L9H6.qk.0-7`. */
export function directionRangeName({ component, first, last }: DirectionRange): string {
  return `${component.name}.${first}-${last}`;
}

/**
 * Reads the name of a range (`L9H6.qk.0-7`), of one direction (`L9H6.qk.28`), or of a whole component (`L9H6.qk`),
 * whose range goes on to infinity since its name does not say how many directions it has; null for any other text.
 */
export function parseDirectionRange(text: string): DirectionRange | null {
  const [, name, first, last = first] = /^(.+?)(?:\.(\d+)(?:-(\d+))?)?$/.exec(text) ?? [];
  const component = parseComponentName(name ?? '');
  if (!component) return null;
  return first === undefined
    ? { component, first: 0, last: Number.POSITIVE_INFINITY }
    : { component, first: Number(first), last: Number(last) };
}

export function isHead({ kind }: Component): boolean {
  return kind === 'qk' || kind === 'ov';
}

/** The kinds that a model of this architecture has, in the order in which directions are laid out. */
export function kindsOf(architecture: Architecture): Kind[] {
  return architecture.gatedMlp
    ? ['qk', 'ov', 'mlp_gate', 'mlp_up', 'mlp_down']
    : ['qk', 'ov', 'mlp_in', 'mlp_out'];
}

/** The kinds that have something to decompose, in order: planes are the head's own coordinates (`QkSplit`). */
export function decomposedKinds(
  { architecture, qkSplit }: { architecture: Architecture; qkSplit: QkSplit },
  kinds: readonly Kind[],
): Kind[] {
  const byPlane = architecture.rotary !== undefined && qkSplit.by === 'plane';
  return kindsOf(architecture).filter((kind) => kinds.includes(kind) && !(byPlane && kind === 'qk'));
}

/** Directions of components that have another number of them than their matrix has ranks, by name: those of other bases. */
export type Ranks = Readonly<Record<string, number>>;

/**
 * Every component of a model, layer by layer, kind by kind, head by head: 37,020 directions for GPT-2 small.
 * This order is the order of the flat mask vector.
 */
export function listComponents(
  architecture: Architecture,
  kinds: readonly Kind[] = kindsOf(architecture),
  split: QkSplit = DEFAULT_SPLIT,
  ranks: Ranks = {},
): Component[] {
  const components: Component[] = [];
  for (let layer = 0; layer < architecture.nLayers; layer++) {
    for (const kind of kindsOf(architecture)) {
      if (!kinds.includes(kind)) continue;
      const heads = kind === 'qk' || kind === 'ov' ? architecture.nHeads : undefined;
      const shape = componentShape(architecture, kind, split);
      if (heads === undefined) components.push({ name: componentName(kind, layer), kind, layer, ...shape });
      else
        for (let head = 0; head < heads; head++)
          components.push({ name: componentName(kind, layer, head), kind, layer, head, ...shape });
    }
  }
  return components.map((component) => withRank(component, ranks[component.name]));
}

/** A component with so many directions, where that is given. At full width an MLP's matrix counts all of them. */
export function withRank(component: Component, rank: number | undefined): Component {
  if (rank === undefined || rank === component.rank) return component;
  return { ...component, rank, fullWidth: isHead(component) ? component.fullWidth : rank };
}

function componentShape(
  { dModel: d, dHead: h, dMlp: m, biases, rotary }: Architecture,
  kind: Kind,
  split: QkSplit,
): Pick<Component, 'rows' | 'cols' | 'rank' | 'fullWidth'> {
  switch (kind) {
    case 'qk': {
      const rows = d + Number(biases.q);
      // A plane is of rank two: half as many fill the width.
      if (rotary && split.by === 'plane') return { rows, cols: h, rank: h / 2, fullWidth: rows / 2 };
      // Rotary heads are split in head space (docs/maths.md, "Rotary positions"); others on the key's stream.
      const cols = rotary && split.by === 'rotary' ? h : d + Number(biases.k);
      return { rows, cols, rank: Math.min(h, rows, cols), fullWidth: rows };
    }
    case 'ov': {
      const rows = d + Number(biases.v || biases.o);
      return { rows, cols: d, rank: Math.min(h + Number(biases.o), rows, d), fullWidth: d };
    }
    case 'mlp_in':
    case 'mlp_up':
    case 'mlp_gate': {
      const rows = d + Number(kind === 'mlp_gate' ? biases.mlpGate : biases.mlpIn);
      const rank = Math.min(rows, m);
      return { rows, cols: m, rank, fullWidth: rank };
    }
    case 'mlp_out':
    case 'mlp_down': {
      const rows = m + Number(biases.mlpOut);
      const rank = Math.min(rows, d);
      return { rows, cols: d, rank, fullWidth: rank };
    }
  }
}
