/** The parts that a task's prompt pairs come in. */
export const SPLITS = ['train', 'validation', 'test'] as const;
export type Split = (typeof SPLITS)[number];

/** Numbers of prompt pairs. */
export type SplitCounts = Record<Split, number>;
