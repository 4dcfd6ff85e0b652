/** Inputs for the fuzz: samples of a format, changed at random, byte by byte or within what they mean. */
import type { Random } from '../src/random.js';

/** Texts that programs take for something else: names of JavaScript, of files, of a terminal, of a number. */
const TEXTS = [
  '',
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'hasOwnProperty',
  '\0',
  'a\0b',
  '../../../../etc/passwd',
  '/etc/passwd',
  '..',
  '.',
  '-',
  'C:\\x',
  '\u001b[2J\u001b]0;x\u0007',
  '\u009b31m',
  '\u202egnp.exe',
  '\ud800',
  '\ufeff',
  'é́🙂',
  'NaN',
  'Infinity',
  '-0',
  '1e999',
  '0x10',
  'null',
  '%s%n',
  '$(x)',
  '<script>alert(1)</script>',
  'x'.repeat(300),
  'L0H0.ov',
  'F32',
];

const NUMBERS = [
  0,
  -0,
  -1,
  0.5,
  1e17,
  -1e17,
  1e308,
  5e-324,
  2 ** 31,
  2 ** 31 - 1,
  2 ** 32,
  2 ** 53,
  2 ** 53 + 2,
  -(2 ** 63),
  255,
  65536,
  1e9,
];

/** A text in place of a number in JSON; some of them end what a parser takes. */
const LITERALS = [
  '1e999',
  '-1e999',
  'NaN',
  'Infinity',
  '1E400',
  '00',
  '-',
  '1.',
  '9'.repeat(400),
  '{}',
  '[]',
];

/** A value of any kind. */
export function anyValue(random: Random, levels = 3): unknown {
  switch (random.integer(levels > 0 ? 9 : 5)) {
    case 0:
      return null;
    case 1:
      return random.uniform() < 0.5;
    case 2:
      return random.pick(NUMBERS);
    case 3:
    case 4:
      return random.pick(TEXTS);
    case 5:
      return Array.from({ length: random.integer(4) }, () => anyValue(random, levels - 1));
    case 6:
      return Object.fromEntries(
        Array.from({ length: random.integer(4) }, () => [random.pick(TEXTS), anyValue(random, levels - 1)]),
      );
    case 7:
      return new Array(random.integer(2000)).fill(anyValue(random, 0));
    default: {
      let value = anyValue(random, 0);
      const list = random.uniform() < 0.5;
      for (let level = random.integer(1000); level > 0; level--) value = list ? [value] : { a: value };
      return value;
    }
  }
}

/** A JSON value, changed in one to three places. */
export function changedValue(value: unknown, random: Random): unknown {
  let changed = structuredClone(value);
  for (let times = 1 + random.integer(3); times > 0; times--) changed = changeOnce(changed, random);
  return changed;
}

function changeOnce(value: unknown, random: Random): unknown {
  if (typeof value !== 'object' || value === null || random.uniform() < 0.15) return anyValue(random);
  const keys = Object.keys(value);
  const holder = value as Record<string, unknown>;
  if (keys.length === 0 || random.uniform() < 0.15) {
    // Defined, so that "__proto__" becomes a key like any other, as JSON.parse makes it.
    Object.defineProperty(holder, random.pick(TEXTS), {
      value: anyValue(random),
      enumerable: true,
      writable: true,
      configurable: true,
    });
    return value;
  }
  const key = random.pick(keys);
  const what = random.uniform();
  if (what < 0.1) delete holder[key];
  else if (what < 0.15)
    Object.defineProperty(holder, random.pick(TEXTS), {
      value: holder[key],
      enumerable: true,
      writable: true,
      configurable: true,
    });
  else holder[key] = changeOnce(holder[key], random);
  return value;
}

/** JSON text of a changed value; now and then with a literal that no value has. */
export function changedJson(value: unknown, random: Random): string {
  const text = JSON.stringify(changedValue(value, random)) ?? 'undefined';
  if (random.uniform() > 0.1) return text;
  const numbers = [...text.matchAll(/-?\d+(\.\d+)?/g)];
  if (numbers.length === 0) return text;
  const { index, 0: number } = random.pick(numbers);
  return text.slice(0, index) + random.pick(LITERALS) + text.slice(index + number.length);
}

/** Bytes flipped, cut, doubled, put in, or replaced by numbers of all widths. */
export function changedBytes(sample: Uint8Array, random: Random): Buffer {
  let bytes = Buffer.from(sample);
  for (let times = 1 + random.integer(4); times > 0; times--) {
    const at = random.integer(bytes.length + 1);
    const length = random.integer(Math.min(64, bytes.length - at) + 1);
    switch (random.integer(7)) {
      case 0:
        if (at < bytes.length) bytes[at] = bytes[at]! ^ (1 << random.integer(8));
        break;
      case 1:
        bytes = bytes.subarray(0, at);
        break;
      case 2:
        bytes = Buffer.concat([bytes.subarray(0, at + length), bytes.subarray(at)]);
        break;
      case 3:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)]);
        break;
      case 4:
        bytes = Buffer.concat([bytes.subarray(0, at), Buffer.from(random.pick(TEXTS)), bytes.subarray(at)]);
        break;
      case 5:
        if (at + 8 <= bytes.length)
          bytes.writeBigUInt64LE(BigInt.asUintN(64, BigInt(Math.trunc(random.pick(NUMBERS)))), at);
        break;
      default:
        for (let i = at; i < Math.min(at + length, bytes.length); i++) bytes[i] = random.integer(256);
    }
  }
  return bytes;
}

const TOKEN = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?|[A-Za-z_]+|[[\]{}:,;|=\n]/g;

/** Words, numbers and marks of a text exchanged, doubled or left out. */
export function changedText(sample: string, random: Random): string {
  let text = sample;
  for (let times = 1 + random.integer(3); times > 0; times--) {
    const tokens = [...text.matchAll(TOKEN)];
    if (tokens.length === 0) return random.pick(TEXTS);
    const { index, 0: token } = random.pick(tokens);
    const other = random.pick([
      () => '',
      () => random.pick(TEXTS),
      () => String(random.pick(NUMBERS)),
      () => random.pick(LITERALS),
      () => random.pick(tokens)[0],
      () => token + token,
      () => token.repeat(random.integer(200)),
      () => '[{'.repeat(random.integer(300)),
      () => '&a *a ',
      () => '"',
    ])();
    text = text.slice(0, index) + other + text.slice(index + token.length);
  }
  return text;
}
