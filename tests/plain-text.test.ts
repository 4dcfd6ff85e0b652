/** What data may do to a terminal: nothing. */
import { describe, expect, it } from 'vitest';
import { InputError } from '../src/errors.js';
import { oneLine, printable } from '../src/plain-text.js';

describe('texts from outside', () => {
  it('are shown without what a terminal would obey', () => {
    expect(printable('a\u001b[2J\u009bm\u202eb\n\tc')).toBe('a\\u001b[2J\\u009bm\\u202eb\n\tc');
    expect(printable('é 🙂 − σ')).toBe('é 🙂 − σ');
    // In JSON the spelling means the same.
    const value = { a: 'x\u007f\u009b\u2066' };
    expect(JSON.parse(printable(JSON.stringify(value)))).toEqual(value);
  });

  it('become one short line in messages, whose end stays', () => {
    expect(oneLine('a\r\n  b\u0000')).toBe('a b\\u0000');
    expect(oneLine('\u0000'.repeat(1e6)).length).toBeLessThan(1100);
    const { message } = new InputError(`file\u001b[31m: ${'x'.repeat(1e6)}; do that`);
    expect(message.length).toBeLessThan(1100);
    expect(message).toMatch(/^file\\u001b\[31m: x+ … x+; do that$/);
  });
});
