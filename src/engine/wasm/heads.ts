/** Operations of one pass on heads, apart, [heads, batch, positions, width], or side by side, [batch·positions, heads·width]. */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { OnePassSettings } from '../ops/one-pass.js';
import type { TensorKernels } from './tensor-memory.js';

/** Inputs in the operation's order, all float32. */
export type Operation = (inputs: TensorInfo[], settings: Required<OnePassSettings>) => TensorInfo[];

interface HeadsShape {
  apart: boolean;
  heads: number;
  batch: number;
  positions: number;
  width: number;
}

/** @param lie prompts and heads, where they lie side by side */
function headsOf({ shape }: TensorInfo, lie: { batch: number; heads: number }): HeadsShape {
  if (shape.length === 4) {
    const [heads, batch, positions, width] = shape as [number, number, number, number];
    return { apart: true, heads, batch, positions, width };
  }
  const [rows, cols] = shape as [number, number];
  return { apart: false, ...lie, positions: rows / lie.batch, width: cols / lie.heads };
}

export function headOperations({ calls, address, create }: TensorKernels) {
  const attention = (
    [q, k, v]: readonly [TensorInfo, TensorInfo, TensorInfo],
    { kind: batch, heads, shared, factor: scale }: Required<OnePassSettings>,
  ) => {
    const of = {
      q: headsOf(q, { batch, heads }),
      k: headsOf(k, { batch, heads: shared }),
      v: headsOf(v, { batch, heads: shared }),
    };
    return {
      batch: of.q.batch,
      heads: of.q.heads,
      shared: of.k.heads,
      queries: of.q.positions,
      keys: of.k.positions,
      width: of.q.width,
      depth: of.v.width,
      scale,
      q: address(q),
      qApart: Number(of.q.apart),
      k: address(k),
      kApart: Number(of.k.apart),
      v: address(v),
      vApart: Number(of.v.apart),
    };
  };
  return {
    OrthoscopeAttend([q, k, v, bias], settings) {
      const given = attention([q!, k!, v!], settings);
      const { batch, heads, queries, keys, depth } = given;
      const [z, weights] = [create([batch * queries, heads * depth]), create([heads, batch, queries, keys])];
      const biases = bias!.shape[1]!;
      calls.attend({ ...given, biases, bias: address(bias!), weights: address(weights), z: address(z) });
      return [z, weights];
    },
    OrthoscopeAttendPull([dz, q, k, v, weights], settings) {
      const given = attention([q!, k!, v!], settings);
      const [dq, dk, dv] = [create(q!.shape), create(k!.shape), create(v!.shape)];
      calls.attendPull({
        ...given,
        dz: address(dz!),
        weights: address(weights!),
        dq: address(dq),
        dk: settings.flag ? address(dk) : 0,
        dv: address(dv),
      });
      return [dq, dk, dv];
    },
    OrthoscopeRotate([x, cos, sin], { kind: batch, heads, factor: sign }) {
      const y = create(x!.shape);
      const of = headsOf(x!, { batch, heads });
      const { width, positions } = of;
      const [rows, dims] = cos!.shape as [number, number];
      // The last row is for the last position.
      const skipped = 4 * (rows - positions) * dims;
      const table = { cos: address(cos!) + skipped, sin: address(sin!) + skipped };
      const repeats = of.apart ? 1 : of.heads;
      const all = of.heads * of.batch * positions;
      const sizes = { rows: all, width, dims, positions, repeats };
      calls.rotatePositions({ ...sizes, sign, x: address(x!), ...table, y: address(y) });
      return [y];
    },
  } satisfies Record<string, Operation>;
}
