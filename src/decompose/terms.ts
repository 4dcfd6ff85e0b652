/** A matrix as a sum of terms, left column times right row, that need not be orthogonal to each other. */
import type { Component } from '../models/components.js';
import type { Directions } from './directions.js';

export interface Terms {
  /** [rows, terms]. */
  left: Float32Array;
  /** [terms, cols]; of rotary QK [terms, dHead], and terms add up to the query matrix. */
  right: Float32Array;
  /** Of OV: [dHead, one more with an output bias, terms], of which `left` is the values' matrix times it. */
  head?: Float32Array;
}

/**
 * Terms as directions: u_k and v_k have length one (or none), and σ_k is the product of their lengths.
 * @param component its rank is the number of terms
 */
export function termsAsDirections(
  component: Component,
  { left, right, head }: Terms,
  rotary: boolean,
): Directions {
  const { kind, rank, rows } = component;
  const cols = right.length / rank;
  const [a, b] = [columnLengths(left, rows, rank), rowLengths(right, rank, cols)];
  const inverse = (length: number) => (length > 0 ? 1 / length : 0);
  const s = a.map((length, k) => length * b[k]!);
  const u = left.map((value, at) => value * inverse(a[at % rank]!));
  const vt = right.map((value, at) => value * inverse(b[Math.floor(at / cols)]!));
  if (kind === 'qk' && rotary)
    // [b_Q; W_Q] = Σ u_k (σ_k v_k).
    return { component, u, s, vt, head: vt.map((value, at) => value * s[Math.floor(at / cols)]!) };
  if (!head) return { component, u, s, vt };
  // σ_k u_k = left_k |right_k|.
  return { component, u, s, vt, head: head.map((value, at) => value * b[at % rank]!) };
}

function columnLengths(matrix: Float32Array, rows: number, cols: number): Float32Array {
  const squares = new Float64Array(cols);
  for (let r = 0; r < rows; r++) for (let c = 0; c < cols; c++) squares[c]! += matrix[r * cols + c]! ** 2;
  return Float32Array.from(squares, Math.sqrt);
}

function rowLengths(matrix: Float32Array, rows: number, cols: number): Float32Array {
  return Float32Array.from({ length: rows }, (_, r) => {
    let square = 0;
    for (let c = 0; c < cols; c++) square += matrix[r * cols + c]! ** 2;
    return Math.sqrt(square);
  });
}
