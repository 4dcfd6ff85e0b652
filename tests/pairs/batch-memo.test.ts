import { expect, it, vi } from 'vitest';
import { BatchMemo } from '../../src/pairs/batch-memo.js';

it('makes a thing once for a batch, however its indices come', () => {
  const memo = new BatchMemo();
  const make = vi.fn(() => ({}));
  const first = memo.get([3, 1], 'a', make);
  expect(memo.get([3, 1], 'a', make)).toBe(first);
  expect(memo.get([3, 1], 'b', make)).not.toBe(first);
  expect(make).toHaveBeenCalledTimes(2);
});

it.each([[[1, 3]], [[3]], [[3, 1, 2]], [[]]])('forgets it for another batch, %j', (other) => {
  const memo = new BatchMemo();
  const first = memo.get([3, 1], 'a', () => ({}));
  expect(memo.get(other, 'a', () => ({}))).not.toBe(first);
  expect(memo.get([3, 1], 'a', () => ({}))).not.toBe(first);
});

it('does not see a change of the indices that it was given', () => {
  const memo = new BatchMemo();
  const indices = [1, 2];
  const first = memo.get(indices, 'a', () => ({}));
  indices[0] = 5;
  expect(memo.get(indices, 'a', () => ({}))).not.toBe(first);
});
