/** What can be chosen from, as flags, plans and files spell it. The rooms that a list is about import it from here. */

/** How weights are written; part of every stored decomposition's identity (docs/maths.md, "Weight forms"). */
export const WEIGHT_FORMS = ['reference', 'folded'] as const;
export type WeightForm = (typeof WEIGHT_FORMS)[number];

/** How the scores of heads with rotary positions are split into directions (docs/maths.md, "Rotary positions"). */
export const QK_SPLITS = ['rotary', 'plane', 'offset'] as const;
export const DEFAULT_QK_SPLIT = { by: 'rotary', offsets: 64 } as const;

export const HEAD_KINDS = ['qk', 'ov'] as const;
export const MLP_KINDS = ['mlp_gate', 'mlp_in', 'mlp_up', 'mlp_out', 'mlp_down'] as const;
/** In the order of data flow through a block. */
export const KINDS = [...HEAD_KINDS, ...MLP_KINDS] as const;
/** What a component is: the scores (`qk`) or the output (`ov`) of a head, or a matrix of an MLP. */
export type Kind = (typeof KINDS)[number];

/**
 * The directions that are masked: singular ones, a random orthonormal basis of the same span, principal components of
 * what components read or write, neurons and head dimensions, or those of a file (docs/maths.md, "Other bases").
 */
export const BASES = ['svd', 'random', 'principal', 'coordinates', 'loaded'] as const;

/** Positions on which OV and MLP masks act: the last one of each prompt, or every one. */
export const POSITIONS = ['last', 'all'] as const;
export type Positions = (typeof POSITIONS)[number];

/**
 * What a masked-out OV or MLP coefficient becomes: that of the corrupted prompt (`interchange`), the mean over
 * the data set's clean prompts (`mean`), nothing (`zero`), or that of another clean prompt (`resample`).
 */
export const REPLACEMENTS = ['interchange', 'mean', 'zero', 'resample'] as const;
export type Replacement = (typeof REPLACEMENTS)[number];

/** `native` is the GPU if TensorFlow sees one, else the CPU; `auto` is native, else wasm. */
export const ENGINE_CHOICES = ['auto', 'native', 'native-gpu', 'native-cpu', 'wasm', 'webgpu'] as const;
export type EngineChoice = (typeof ENGINE_CHOICES)[number];

/** Number format of u and vt in the store. f16 takes half the disk and rounds each entry by up to 5e-4 of itself. */
export const STORE_DTYPES = ['f32', 'f16'] as const;
export type StoreDtype = (typeof STORE_DTYPES)[number];

/** Whether a beginning-of-text token precedes prompts; `auto` does as the tokenizer says. */
export const BOS_CHOICES = ['auto', 'always', 'never'] as const;

export const LOSSES = ['kl', 'logit_diff', 'cross_entropy'] as const;
export type LossKind = (typeof LOSSES)[number];

/** Where soft masks are cut for the rounding phase: at ½, or where the circuit is best on the validation pairs. */
export const CUTS = ['half', 'validation'] as const;

/** Sets of defaults for training: ours, the published schedule, and ours against an adversary. */
export const PRESET_NAMES = ['default', 'reference', 'robust'] as const;
export type Preset = (typeof PRESET_NAMES)[number];

/** Positions of a prompt that `score` reads: the last token, all, or the tokens of the answer. */
export const SCORED_POSITIONS = ['last', 'all', 'answer'] as const;
export type ScoredPositions = (typeof SCORED_POSITIONS)[number];

/** What `score` does with prompts longer than the model's context. */
export const LONG_PROMPTS = ['window', 'refuse'] as const;
export type LongPrompts = (typeof LONG_PROMPTS)[number];

export const VALUE_TYPES = ['f32', 'f16'] as const;
export type ValueType = (typeof VALUE_TYPES)[number];

/** What the strongest directions are strongest in. */
export const RANKINGS = ['cohens_d', 'auroc', 'mean_difference', 'mean', 'variance'] as const;
export type Ranking = (typeof RANKINGS)[number];

/**
 * What an intervention makes of a coefficient: the corrupted prompt's (`corrupted`), the mean over prompts whose answer is
 * this one's distractor (`opposite`), the mean over all (`mean`), nothing (`ablate`), a multiple (`scale`), a value
 * (`set`), or more by a value (`add`); `project` takes what a direction writes along out of the stream, whoever wrote it.
 */
export const CHANGES = ['corrupted', 'opposite', 'mean', 'ablate', 'scale', 'set', 'add', 'project'] as const;
export type ChangeKind = (typeof CHANGES)[number];

/** Methods that rank directions, in the order of tables (docs/evidence.md, "Against other methods"). */
export const RANKING_METHODS = [
  'learned',
  'learned_robust',
  'learned_heads',
  'learned_neurons',
  'attribution',
  'attribution_heads',
  'integrated',
  'conductance',
  'patching',
  'patching_heads',
  'greedy',
  'sparse_attention',
  'sigma',
  'difference',
  'random',
] as const;
export type RankingMethod = (typeof RANKING_METHODS)[number];

/** What a circuit is written as: JSON of our own, masks, or a graph of EAP-IG. */
export const CIRCUIT_FORMATS = ['circuit', 'masks', 'mib'] as const;

/** What stands for a token where directions are read by tokens: its embedding, or that and what layer 0's MLP adds. */
export const EMBEDDINGS = ['plain', 'mlp0'] as const;
