/** Reads `metrics.json` and holds it to the shape that evaluation gives it. */
import { z } from 'zod';
import { InputError } from '../errors.js';
import type { Metrics } from '../evaluate/evaluate.js';
import { readJson } from '../formats/json-file.js';
import { KINDS } from '../settings/choices.js';

const number = z.number();
const figure = number.nullable();
const interval = z.tuple([number, number]).nullable();

/** The same for each of the scores of a prompt. */
function perScore<T>(each: T) {
  return {
    kl: each,
    exact_match: each,
    accuracy: each,
    full_accuracy: each,
    logit_diff: each,
    full_logit_diff: each,
    prob_diff: each,
    full_prob_diff: each,
  };
}

const size = z.looseObject({
  l1: number,
  directions: number,
  active: number,
  relative_sparsity: number,
  full_sparsity: number,
});

const masks = size.extend({
  n: number,
  ...perScore(figure),
  by_kind: z.partialRecord(z.enum(KINDS), size),
  confidence: z.looseObject(perScore(interval)),
});

const controlScores = {
  kl: figure,
  exact_match: figure,
  accuracy: figure,
  logit_diff: figure,
  prob_diff: figure,
};
const control = z.looseObject({
  active: number,
  ...controlScores,
  sd: z.looseObject(controlScores).optional(),
  seeds: number.optional(),
});

const schema = z.looseObject({
  schema_version: z.literal(1),
  threshold: number,
  splits: z
    .record(
      z.string(),
      masks.extend({
        binarised: masks,
        before_rounding: masks.extend({ binarised: masks }).nullable(),
        controls: z
          .looseObject({
            random: control,
            random_by_kind: control,
            top_sigma: control,
            inverted: control,
            all_on: control,
            all_off: control,
          })
          .nullable(),
      }),
    )
    .refine((splits) => Object.keys(splits).length > 0, 'holds no split'),
}) satisfies z.ZodType<Metrics>;

/**
 * @returns what the file holds, more than this program knows included
 * @throws InputError if the file is missing or holds no metrics that this program knows
 */
export async function readMetrics(path: string): Promise<Metrics> {
  const content: unknown = await readJson(path);
  const result = schema.safeParse(content);
  // Not the parsed copy, whose keys stand in another order.
  if (result.success) return content as Metrics;
  const issue = result.error.issues[0]!;
  throw new InputError(`${path}: ${issue.path.join('.') || 'the metrics'}: ${issue.message}; evaluate again`);
}
