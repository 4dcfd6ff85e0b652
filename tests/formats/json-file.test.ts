import { truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { InputError } from '../../src/errors.js';
import { duplicateKey } from '../../src/formats/duplicate-key.js';
import { fileError } from '../../src/formats/file-error.js';
import { parseData, readJson } from '../../src/formats/json-file.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();
const path = join(folder, 'a.json');

it('reads an object, with or without a byte order mark', async () => {
  writeFileSync(path, '\uFEFF{"a": [1]}');
  expect(await readJson(path)).toEqual({ a: [1] });
});

it.each([
  ['', /a\.json: not valid JSON/],
  ['{"a": 1', /a\.json: not valid JSON/],
  ['[]', /expected a JSON object, found a list/],
  ['null', /expected a JSON object, found null/],
  ['"x"', /found the string "x"/],
])('refuses %j', async (text, message) => {
  writeFileSync(path, text);
  const error: Error = await readJson(path).then(
    () => expect.fail('accepted'),
    (caught) => caught,
  );
  expect(error.message).toMatch(message);
  expect(error.name).toBe('InputError');
  expect(error.message).not.toContain('\n');
});

it('refuses what is nested so deeply that walking it would exhaust the stack', async () => {
  const path = join(folder, 'deep.json');
  for (const [open, close] of [
    ['{"a":', '}'],
    ['[', ']'],
  ] as const) {
    writeFileSync(path, `{"a":${open.repeat(199)}1${close.repeat(199)}}`);
    await readJson(path);
    writeFileSync(path, `{"a":${open.repeat(1e5)}1${close.repeat(1e5)}}`);
    await expect(readJson(path)).rejects.toThrow(
      /deep\.json: not valid JSON \(nested more than 200 levels deep\)/,
    );
  }
});

it('says which file is missing', async () => {
  await expect(readJson(join(folder, 'none.json'))).rejects.toThrow(/none\.json: no such file/);
  await expect(readJson(folder)).rejects.toThrow(/is a folder/);
});

it('finds a repeated key at any depth, and no other', () => {
  expect(duplicateKey('{"a":1,"b":{"a":2}}')).toBe(null);
  expect(duplicateKey('[{"a":1},{"a":2}]')).toBe(null);
  expect(duplicateKey('{"a":"a","b":"a:","c":["a","a"]}')).toBe(null);
  expect(duplicateKey('{"a":1,"b":{"x":1, "x" :2}}')).toBe('x');
  expect(duplicateKey('{"a":{},"\\u0061":1}')).toBe('a');
  expect(duplicateKey('{"\\"{":1,"b":[],"\\"{":2}')).toBe('"{');
  fc.assert(fc.property(fc.json(), (text) => duplicateKey(text) === null));
});

it('refuses a file of gigabytes', async () => {
  const large = join(folder, 'large.json');
  writeFileSync(large, '');
  // Of zeros that take no room on the disk.
  truncateSync(large, 3 * 2 ** 30);
  await expect(readJson(large)).rejects.toThrow(/large\.json: too large to be what it should be/);
  // What Node throws where a file's text is longer than texts may be.
  expect(fileError(new RangeError('Invalid string length'), 'a.json')).toBeInstanceOf(InputError);
});

it("takes Python's NaN and infinities in data for what is not given, and strings as they are", () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string(), (a, b) => {
      const [first, second] = [JSON.stringify(a), JSON.stringify(`${b} NaN`)];
      const text = `{${first}:[NaN,${second},-Infinity],"\\\\":Infinity}`;
      expect(parseData(text)).toEqual({ [a]: [null, `${b} NaN`, null], '\\': null });
    }),
  );
  const long = '\\"'.repeat(2_000_000);
  expect(parseData(`["${long}",NaN]`)).toEqual([long.replaceAll('\\', ''), null]);
  // A string that never ends, with a quote at every second place.
  expect(() => parseData(`["${'\\"'.repeat(500_000)}`)).toThrow(SyntaxError);
  expect(() => parseData('[NaN')).toThrow(SyntaxError);
});
