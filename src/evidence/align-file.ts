/** `aligned.json`: subspaces learned in components, held against singular directions. Its schema. */
import { z } from 'zod';
import { sha256 } from '../formats/file-hash.js';
import { measuredHow } from './measured.js';

const number = z.number();

/** What a subspace shares with the span of some singular directions. */
const shared = z.object({
  /** How many these directions are. */
  directions: number,
  /** Σ cos² of the principal angles: dimensions that both share, where angles are 0 or right. */
  dimensions: number,
  /** What a random subspace shares with them in the mean. */
  chance: number,
  /** Principal angles in radians, smallest first. */
  angles: z.array(number),
});

/** Mean KL(full ‖ model) on the test pairs, where of all the components only this is kept. */
const kl = z.object({
  learned: number,
  /** As many singular directions, the largest σ first. */
  top_sigma: number,
  /** The circuit's directions, however many. */
  circuit: number,
  /** Random subspaces of the size, in the mean. */
  random: number,
  nothing: number,
});

const component = z.object({
  component: z.string(),
  /** Dimensions of the subspace, and of all that the component can write (of QK, read). */
  size: number,
  span: number,
  shared: z.object({ top_sigma: shared, circuit: shared.nullable() }),
  /** The fewest singular directions, from the largest σ, that hold 95 % of the subspace. */
  holding: number,
});
export type AlignedComponent = z.infer<typeof component>;

const alignment = z.object({
  schema_version: z.literal(1),
  measured: z.object({
    ...measuredHow,
    /** Pairs that subspaces were learned and measured on. */
    train: z.object({ source: z.string(), hash: sha256, pairs: number }),
    test: z.object({ source: z.string(), hash: sha256, pairs: number }),
  }),
  steps: number,
  components: z.array(component),
  /** Of the two starts, the one with the lower KL on the validation pairs. */
  start: z.enum(['random', 'singular']),
  kl,
  seconds: number,
});
/** The content of `aligned.json`. */
export type Alignment = z.infer<typeof alignment>;
