/** Values that a schema allows, drawn at random: of the schemas that settings have. */
import fc, { type Arbitrary } from 'fast-check';
import { z } from 'zod';

export function arbitraryOf(schema: z.ZodType): Arbitrary<unknown> {
  if (schema instanceof z.ZodNullable)
    return fc.option(arbitraryOf(schema.unwrap() as z.ZodType), { freq: 4 });
  if (schema instanceof z.ZodEnum) return fc.constantFrom(...schema.options);
  if (schema instanceof z.ZodLiteral) return fc.constantFrom(...schema.values);
  if (schema instanceof z.ZodBoolean) return fc.boolean();
  if (schema instanceof z.ZodNumber) return numbers(schema);
  if (schema instanceof z.ZodArray)
    return fc.array(arbitraryOf(schema.element as z.ZodType), { minLength: 1, maxLength: 3 });
  if (schema instanceof z.ZodTuple)
    return fc.tuple(...schema.def.items.map((item) => arbitraryOf(item as z.ZodType)));
  if (schema instanceof z.ZodUnion)
    return fc.oneof(...schema.options.map((option) => arbitraryOf(option as z.ZodType)));
  if (schema instanceof z.ZodObject) {
    const fields = Object.entries(schema.shape).map(([key, field]) => [key, arbitraryOf(field as z.ZodType)]);
    return fc.record(Object.fromEntries(fields)).filter((value) => schema.safeParse(value).success);
  }
  if (schema instanceof z.ZodString)
    return fc
      .oneof(fc.string({ minLength: 1, maxLength: 9 }), fc.constantFrom(...AWKWARD))
      .filter((text) => !text.includes('\0') && schema.safeParse(text).success);
  throw new Error(`no values are known of a schema "${schema.def.type}"`);
}

/** Texts that a shell, a flag parser or YAML may take for something else. */
const AWKWARD = [
  '-1',
  '--seed',
  '5',
  '1e3',
  'none',
  'true',
  'null',
  '~',
  "a b'c",
  '"$(x)"',
  '`;*\\',
  'a=b',
  'host:7400',
  'ä',
  '#',
];

function numbers(schema: z.ZodNumber): Arbitrary<number> {
  const { minValue, maxValue, isInt } = schema;
  const [min, max] = [Math.max(minValue ?? -1e9, -1e9), Math.min(maxValue ?? 1e9, 1e9)];
  const drawn = isInt ? fc.integer({ min, max }) : fc.double({ min, max, noNaN: true });
  // The ends may be excluded; and there is no negative zero in text.
  return drawn.filter((value) => !Object.is(value, -0) && schema.safeParse(value).success);
}
