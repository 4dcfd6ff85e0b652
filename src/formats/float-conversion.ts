/** Converts stored number formats to float32 and back: f16, bf16 (IEEE 754 round to nearest, ties to even), f64. */

const HALF_VALUES = 0x10000;
let halves: Float32Array | undefined;

/** float32 value of each of the 65,536 halves: a look-up is several times as fast as the arithmetic. */
function halfTable(): Float32Array {
  if (halves) return halves;
  halves = new Float32Array(HALF_VALUES);
  for (let bits = 0; bits < HALF_VALUES; bits++) {
    const exponent = (bits >> 10) & 0x1f;
    const fraction = bits & 0x3ff;
    let value: number;
    if (exponent === 0x1f) value = fraction ? Number.NaN : Number.POSITIVE_INFINITY;
    else if (exponent === 0) value = fraction * 2 ** -24;
    else value = (1 + fraction / 1024) * 2 ** (exponent - 15);
    halves[bits] = bits & 0x8000 ? -value : value;
  }
  return halves;
}

/** Writes the float32 values of f16 numbers into `out`, from its start. */
export function f16ToF32(source: Uint16Array, out: Float32Array): void {
  const table = halfTable();
  for (let i = 0; i < source.length; i++) out[i] = table[source[i]!]!;
}

/** Writes the float32 values of bf16 numbers into `out`, from its start: bf16 is the upper half of a float32. */
export function bf16ToF32(source: Uint16Array, out: Float32Array): void {
  const bits = new Uint32Array(out.buffer, out.byteOffset, source.length);
  for (let i = 0; i < source.length; i++) bits[i] = source[i]! << 16;
}

/** The f16 numbers nearest to float32 values; beyond ±65,519 this is an infinity. */
export function f32ToF16(source: Float32Array): Uint16Array {
  const bits = new Uint32Array(source.buffer, source.byteOffset, source.length);
  const out = new Uint16Array(source.length);
  for (let i = 0; i < source.length; i++) {
    const sign = (bits[i]! >>> 16) & 0x8000;
    const magnitude = bits[i]! & 0x7fffffff;
    let half: number;
    if (magnitude > 0x7f800000) half = 0x7e00;
    else if (magnitude >= 0x47800000) half = 0x7c00;
    // Below 2^-14 halves are subnormal: multiples of 2^-24, and Math.abs · 2^24 is exact.
    else if (magnitude < 0x38800000) half = roundToEven(Math.abs(source[i]!) * 2 ** 24);
    // Rebias the exponent from 127 to 15, then drop 13 bits; a carry into the exponent is right, up to infinity.
    else half = dropBits(magnitude - 0x38000000, 13);
    out[i] = sign | half;
  }
  return out;
}

/** The bf16 numbers nearest to float32 values. */
export function f32ToBf16(source: Float32Array): Uint16Array {
  const bits = new Uint32Array(source.buffer, source.byteOffset, source.length);
  const out = new Uint16Array(source.length);
  for (let i = 0; i < source.length; i++) {
    // Rounding could carry a NaN's fraction away and leave an infinity: keep the upper half, made quiet.
    const notANumber = (bits[i]! & 0x7fffffff) > 0x7f800000;
    out[i] = notANumber ? (bits[i]! >>> 16) | 0x40 : dropBits(bits[i]!, 16);
  }
  return out;
}

/** `bits` without its lowest `count` bits, rounded to nearest, ties to even. */
function dropBits(bits: number, count: number): number {
  const kept = bits >>> count;
  const rest = bits & ((1 << count) - 1);
  const half = 1 << (count - 1);
  return rest > half || (rest === half && kept & 1) ? kept + 1 : kept;
}

function roundToEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}
