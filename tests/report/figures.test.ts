import { describe, expect, it } from 'vitest';
import { count, decimal, duration, percent, percentage } from '../../src/report/figures.js';

describe('decimal', () => {
  it.each<[number | null, string]>([
    [0.02146, '0.021'],
    [10.104, '10.104'],
    [-0.25, '−0.250'],
    [0, '0.000'],
    [2.3e-7, '<0.001'],
    [-2.3e-7, '>−0.001'],
    [null, '–'],
    [Number.NaN, '–'],
  ])('%s is %s', (value, text) => expect(decimal(value)).toBe(text));
});

describe('percent', () => {
  it.each<[number | null, string]>([
    [0.965, '96.5 %'],
    [0, '0.0 %'],
    [1, '100.0 %'],
    [0.99999, '>99.9 %'],
    [0.9994, '99.9 %'],
    [0.00001, '<0.1 %'],
    [null, '–'],
  ])('%s is %s', (value, text) => expect(percent(value)).toBe(text));

  it('comes without its sign inside intervals', () => expect(percentage(0.5)).toBe('50.0'));
});

describe('count', () => {
  it.each<[number, string]>([
    [37020, '37,020'],
    [0, '0'],
    [1778.25, '1,778.3'],
  ])('%s is %s', (value, text) => expect(count(value)).toBe(text));
});

describe('duration', () => {
  it.each<[number, string]>([
    [0.42, '0.4 s'],
    [59.97, '1 min 0 s'],
    [64.2, '1 min 4 s'],
    [3599.7, '1 h 0 min'],
    [7500, '2 h 5 min'],
  ])('%s seconds are %s', (value, text) => expect(duration(value)).toBe(text));
});
