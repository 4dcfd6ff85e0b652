import { expect, it } from 'vitest';
import { MaskLayout } from '../../src/forward/layout.js';
import { listComponents } from '../../src/models/components.js';
import { GPT2_SMALL } from '../support/architectures.js';

it('counts the directions of GPT-2 small as the paper does', () => {
  expect(new MaskLayout(GPT2_SMALL).size).toBe(37_020);
  expect(listComponents(GPT2_SMALL).reduce((sum, { fullWidth }) => sum + fullWidth, 0)).toBe(239_772);
});

it('lays components out without gaps, in order, heads of a kind side by side', () => {
  const layout = new MaskLayout(GPT2_SMALL, ['mlp_out', 'qk']);
  expect(layout.kinds).toEqual(['qk', 'mlp_out']);
  let next = 0;
  for (const component of layout.components) {
    expect(layout.of(component)).toEqual({ start: next, length: component.rank });
    next += component.rank;
  }
  expect(layout.size).toBe(next);
  expect(layout.block(1, 'qk')).toEqual({ start: 12 * 64 + 768, length: 12 * 64 });
  expect(layout.block(0, 'ov')).toBeUndefined();
});

it('marks what lies beyond a rank, component by component', () => {
  const layout = new MaskLayout(GPT2_SMALL, ['qk', 'mlp_in']);
  const marks = layout.beyondRank(100);
  for (const component of layout.components) {
    const { start, length } = layout.of(component);
    expect([...marks.subarray(start, start + length)]).toEqual(
      Array.from({ length }, (_, k) => Number(k >= 100)),
    );
  }
});

it('splits into views of the vector', () => {
  const layout = new MaskLayout(GPT2_SMALL, ['ov']);
  const values = new Float32Array(layout.size);
  layout.split(values).get('L0H1.ov')!.fill(1);
  expect(values.indexOf(1)).toBe(65);
  expect(values.lastIndexOf(1)).toBe(129);
});
