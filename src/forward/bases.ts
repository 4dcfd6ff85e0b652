/**
 * A layer's directions on the engine: for each kind a pair "read, write" with coefficients = read(input) and output =
 * write(coefficients), which as it stands equals the plain matrix.
 */
import * as tf from '@tensorflow/tfjs-core';
import type { Directions } from '../decompose/directions.js';
import { augmentedHead } from '../decompose/factors.js';
import type { Engine } from '../engine/engine.js';
import { FrozenLinear } from '../engine/ops/linear.js';
import { tidy } from '../engine/ops/tidy.js';
import { toTensor } from '../engine/tensor.js';
import type { Architecture } from '../models/architecture.js';
import { componentName, type Kind } from '../models/components.js';
import { transpose } from '../models/matrix.js';
import type { LayerWeights, Linear } from '../models/weights.js';
import type { PlainLayer } from './plain-layer.js';

/**
 * What is added to what some of a matrix's directions write (`narrow.ts`): what the plain matrix does, or an output that
 * is known, [rows, cols] or [1, cols]. Null where all directions are there.
 */
export type Rest = 'plain' | (() => tf.Tensor2D);

/** Coefficients of one matrix: y = x·U (bias row included), output = Σ_k c_k σ_k v_k. */
export interface MatrixBasis {
  /** [rows, rank], the bias row as its bias. */
  read: FrozenLinear;
  /** [rank, cols]: diag(σ)·Vᵀ. */
  write: FrozenLinear;
  rest: Rest | null;
}

/** All query heads of a layer, side by side. */
export interface QueryKeyBasis {
  /** [dModel, heads·rank]: x → [1,x]·u_k. */
  read: FrozenLinear;
  /**
   * Without rotary positions: [dModel, heads·rank], x → σ_k [1,x]·v_k, used in place of the keys.
   * With them: null, and `back` returns the coefficients to head space before the rotation; by plane, they
   * are there already.
   */
  keys: FrozenLinear | null;
  /**
   * [heads, rank, dHead]: U^T [b_Q; W_Q] of each head, or the directions' own (`head`); null without rotary positions,
   * and by plane.
   */
  back: tf.Tensor3D | null;
}

/** All heads of a layer, side by side; read from the attention's result z of each head, not from the stream. */
export interface OutputValueBasis {
  /** [heads, dHead, rank]: [W_O]·V, so that z·read + readBias = σ_k [1,context]·u_k; or the directions' own (`head`). */
  read: tf.Tensor3D;
  /** [heads, 1, rank]: the row b_O/H times V, likewise; null without an output bias. */
  readBias: tf.Tensor3D | null;
  /** [heads·rank, dModel]: V^T. */
  write: FrozenLinear;
  rest: Rest | null;
}

/** The bases of a layer's kinds; null, or absent, where a kind has none. */
export interface LayerBases {
  qk: QueryKeyBasis | null;
  ov: OutputValueBasis | null;
  /** MLP matrices by kind. */
  mlp: Partial<Record<Kind, MatrixBasis>>;
}

export const NO_BASES: LayerBases = { qk: null, ov: null, mlp: {} };

/**
 * Uploads the bases of a layer.
 * @param plain the layer's weights on the engine
 * @param directions of the kinds, but QK by plane
 * @param kinds those that are wanted; directions of others are not needed
 * @param qkByPlane QK's coefficients are the head's own coordinates
 */
export function uploadBases(
  engine: Engine,
  architecture: Architecture,
  layer: number,
  weights: LayerWeights,
  plain: PlainLayer,
  directions: Map<string, Directions>,
  kinds: readonly Kind[],
  qkByPlane = false,
): LayerBases {
  const frozen: Freeze = (weight, rows, cols, bias) => FrozenLinear.upload(engine, weight, rows, cols, bias);
  const mlp: LayerBases['mlp'] = {};
  for (const kind of kinds) {
    if (kind === 'qk' || kind === 'ov') continue;
    const { u, s, vt, component } = directions.get(componentName(kind, layer))!;
    const { rows, cols, rank } = component;
    const biased = rows > matrixOf(weights, kind).rows;
    mlp[kind] = {
      read: frozen(
        biased ? u.subarray(rank) : u,
        rows - Number(biased),
        rank,
        biased ? u.subarray(0, rank) : null,
      ),
      write: frozen(scaleRows(vt, s, cols), rank, cols, null),
      rest: null,
    };
  }
  const heads = (kind: Kind) =>
    Array.from(
      { length: architecture.nHeads },
      (_, head) => directions.get(componentName(kind, layer, head))!,
    );
  const queryKey = () =>
    qkByPlane
      ? { read: plain.query, keys: null, back: null }
      : queryKeyBasis(heads('qk'), weights, architecture, frozen);
  return {
    qk: kinds.includes('qk') ? queryKey() : null,
    ov: kinds.includes('ov') ? outputValueBasis(heads('ov'), weights, architecture, frozen) : null,
    mlp,
  };
}

type Freeze = (weight: Float32Array, rows: number, cols: number, bias: Float32Array | null) => FrozenLinear;

function matrixOf(weights: LayerWeights, kind: Kind): Linear {
  if (kind === 'mlp_gate') return weights.mlpGate!;
  return kind === 'mlp_out' || kind === 'mlp_down' ? weights.mlpOut : weights.mlpIn;
}

function queryKeyBasis(
  heads: Directions[],
  weights: LayerWeights,
  architecture: Architecture,
  freeze: Freeze,
): QueryKeyBasis {
  const { dModel: d, dHead } = architecture;
  const { rank, rows, cols } = heads[0]!.component;
  const width = heads.length * rank;
  const read = sideBySide(
    heads.map(({ u }) => u),
    rows,
    rank,
  );
  const asLinear = (matrix: Float32Array, augmented: boolean) =>
    augmented
      ? freeze(matrix.subarray(width), d, width, matrix.subarray(0, width))
      : freeze(matrix, d, width, null);
  if (!architecture.rotary) {
    const keys = sideBySide(
      heads.map(({ s, vt }) => transpose(scaleRows(vt, s, cols), rank, cols)),
      cols,
      rank,
    );
    return { read: asLinear(read, rows > d), keys: asLinear(keys, cols > d), back: null };
  }
  const back = tf.tidy(() =>
    tf.stack(
      heads.map(({ u, component, head: own }) => {
        if (own) return toTensor(own, [rank, dHead]);
        const query = toTensor(augmentedHead(weights.q, component.head!, dHead), [rows, dHead]);
        return tf.matMul(toTensor(u, [rows, rank]), query, true, false);
      }),
    ),
  ) as tf.Tensor3D;
  return { read: asLinear(read, rows > d), keys: null, back };
}

function outputValueBasis(
  heads: Directions[],
  weights: LayerWeights,
  architecture: Architecture,
  freeze: Freeze,
): OutputValueBasis {
  const { dModel: d, dHead, nHeads } = architecture;
  const { rank } = heads[0]!.component;
  const write = new Float32Array(nHeads * rank * d);
  heads.forEach(({ vt }, head) => write.set(vt, head * rank * d));
  const basis = tidy(() => {
    const own = heads.flatMap(({ head }) => head ?? []);
    if (own.length === nHeads) {
      const rows = dHead + Number(weights.o.bias !== null);
      const all = tf.stack(own.map((head) => toTensor(head, [rows, rank]))) as tf.Tensor3D;
      return {
        read: tf.slice(all, 0, [nHeads, dHead, rank]),
        readBias: weights.o.bias ? tf.slice(all, [0, dHead, 0], [nHeads, 1, rank]) : null,
      };
    }
    const v = toTensor(write, [nHeads, rank, d]);
    const output = toTensor(weights.o.weight, [nHeads, dHead, d]);
    const read = tf.matMul(output, v, false, true) as tf.Tensor3D;
    if (!weights.o.bias) return { read, readBias: null };
    const share = tf.div(toTensor(weights.o.bias, [1, 1, d]), nHeads);
    return { read, readBias: tf.matMul(tf.tile(share, [nHeads, 1, 1]), v, false, true) as tf.Tensor3D };
  });
  return { ...basis, write: freeze(write, nHeads * rank, d, null), rest: null };
}

/** [rows, n·width] from n matrices [rows, width]. */
function sideBySide(matrices: Float32Array[], rows: number, width: number): Float32Array {
  const total = matrices.length * width;
  const out = new Float32Array(rows * total);
  matrices.forEach((matrix, i) => {
    for (let r = 0; r < rows; r++)
      out.set(matrix.subarray(r * width, (r + 1) * width), r * total + i * width);
  });
  return out;
}

function scaleRows(matrix: Float32Array, factors: Float32Array, cols: number): Float32Array {
  return matrix.map((value, at) => value * factors[Math.floor(at / cols)]!);
}

/** One kind's bases in the place of a layer's own. */
export function withKind(own: LayerBases, { qk, ov, mlp }: LayerBases): LayerBases {
  return { qk: qk ?? own.qk, ov: ov ?? own.ov, mlp: { ...own.mlp, ...mlp } };
}

/** With what the rest writes, where not all directions wrote. */
export function withRest(
  written: tf.Tensor2D,
  { rest }: { rest: Rest | null },
  plain: () => tf.Tensor2D,
): tf.Tensor2D {
  if (!rest) return written;
  return tf.add(written, rest === 'plain' ? plain() : rest());
}

export function disposeBases({ qk, ov, mlp }: LayerBases): void {
  for (const linear of [qk?.read, qk?.keys, ov?.write]) linear?.dispose();
  for (const { read, write } of Object.values(mlp)) {
    read.dispose();
    write.dispose();
  }
  for (const tensor of [qk?.back, ov?.read, ov?.readBias]) tensor?.dispose();
}
