import { expect, it } from 'vitest';
import { address, addressText, parseAddress } from '../../src/settings/address.js';

it.each([
  ['7400', '127.0.0.1', 7400, '127.0.0.1:7400'],
  ['gpu-2.lab:7400', 'gpu-2.lab', 7400, 'gpu-2.lab:7400'],
  ['0.0.0.0:0', '0.0.0.0', 0, '0.0.0.0:0'],
  ['[fe80::1]:80', 'fe80::1', 80, '[fe80::1]:80'],
])('reads %s', (given, host, port, shown) => {
  expect(address.safeParse(given).success).toBe(true);
  expect(parseAddress(given)).toEqual({ host, port });
  expect(addressText(parseAddress(given))).toBe(shown);
});

it.each(['', 'host', ':7400', 'host:', 'a b:1', 'fe80::1:80', 'http://host:80', 'host:65536', '99999'])(
  'refuses "%s"',
  (given) => {
    expect(address.safeParse(given).success).toBe(false);
  },
);
