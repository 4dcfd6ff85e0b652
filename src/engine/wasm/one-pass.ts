/** Offers TensorFlow.js the operations of one pass (`ops/one-pass.ts`) as kernels of assembly/. */
import * as tf from '@tensorflow/tfjs-core';
import type { OnePass } from '../ops/one-pass.js';
import { headOperations, type Operation } from './heads.js';
import { product, productOfActivated } from './products.js';
import type { TensorKernels } from './tensor-memory.js';

/** Registers all of them for the wasm backend. */
export function offerOnePass(kernels: TensorKernels): void {
  for (const [kernelName, operation] of Object.entries(operations(kernels)))
    tf.registerKernel({
      kernelName,
      backendName: 'wasm',
      kernelFunc: ({ inputs, attrs }) => {
        const settings = { kind: 0, heads: 0, shared: 0, factor: 0, flag: false, ...attrs };
        return operation(Object.values(inputs) as tf.TensorInfo[], settings);
      },
    });
}

/** Those whose inputs and results are arrays or rows; heads have their own. */
function operations(kernels: TensorKernels): Partial<Record<OnePass, Operation>> {
  const { calls, address, create } = kernels;
  return {
    ...headOperations(kernels),
    OrthoscopeActivate([x], { kind }) {
      const y = create(x!.shape);
      calls.activate({ kind, n: sizeOf(x!), x: address(x!), y: address(y) });
      return [y];
    },
    OrthoscopeActivatePull([dy, x], { kind }) {
      const dx = create(x!.shape);
      calls.activatePull({ kind, n: sizeOf(x!), dy: address(dy!), x: address(x!), dx: address(dx) });
      return [dx];
    },
    OrthoscopeProductOfActivated([x, b, bias], settings) {
      return [productOfActivated(kernels, x!, null, b!, bias ?? null, settings)];
    },
    OrthoscopeProductOfActivatedPull([dy, x, b], settings) {
      return [productOfActivated(kernels, x!, dy!, b!, null, settings)];
    },
    OrthoscopeGate([gates, up], { kind }) {
      const y = create(gates!.shape);
      const given = { gates: address(gates!), up: address(up!) };
      calls.gate({ kind, n: sizeOf(gates!), ...given, y: address(y) });
      return [y];
    },
    OrthoscopeGatePull([dy, gates, up], { kind }) {
      const [dGates, dUp] = [create(gates!.shape), create(gates!.shape)];
      const given = { dy: address(dy!), gates: address(gates!), up: address(up!) };
      calls.gatePull({ kind, n: sizeOf(gates!), ...given, dGates: address(dGates), dUp: address(dUp) });
      return [dGates, dUp];
    },
    OrthoscopeNormalise([x], { factor: epsilon, flag }) {
      const [y, rates] = [create(x!.shape), create([...x!.shape.slice(0, -1), 1])];
      const to = { y: address(y), rates: address(rates) };
      calls.normalise({ ...rowsOf(x!), centred: Number(flag), epsilon, x: address(x!), ...to });
      return [y, rates];
    },
    OrthoscopeNormalisePull([dy, y, rates], { flag }) {
      const dx = create(dy!.shape);
      const given = { dy: address(dy!), y: address(y!), rates: address(rates!) };
      calls.normalisePull({ ...rowsOf(dy!), centred: Number(flag), ...given, dx: address(dx) });
      return [dx];
    },
    OrthoscopeDivergence([logits, teacher], { factor, flag: withoutGradient }) {
      const { rows, width } = rowsOf(logits!);
      const [kl, dLogits] = [create([rows]), create(withoutGradient ? [0] : logits!.shape)];
      const given = { logits: address(logits!), teacher: address(teacher!) };
      const d = withoutGradient ? 0 : address(dLogits);
      calls.divergence({ rows, width, factor, ...given, kl: address(kl), d });
      return [kl, dLogits];
    },
    OrthoscopeSoftmax([scores, bias], { factor: scale }) {
      const weights = create(scores!.shape);
      const given = { scores: address(scores!), bias: address(bias!) };
      calls.softmax({
        ...rowsOf(scores!),
        period: rowsOf(bias!).rows,
        scale,
        ...given,
        weights: address(weights),
      });
      return [weights];
    },
    OrthoscopeSoftmaxPull([dWeights, weights], { factor: scale }) {
      const dScores = create(weights!.shape);
      const given = { dWeights: address(dWeights!), weights: address(weights!) };
      calls.softmaxPull({ ...rowsOf(weights!), scale, ...given, dScores: address(dScores) });
      return [dScores];
    },
    OrthoscopeBiasedProduct([a, b, bias], { flag: transposeB }) {
      return [product(kernels, { a: a!, b: b!, bias, transposeA: false, transposeB })!];
    },
    OrthoscopeCut([x], { kind: batch, heads: count, flag: last }) {
      const { rows, width } = rowsOf(x!);
      const y = create([batch * count, width]);
      const [whole, kept] = [(rows / batch) * width, count * width];
      const from = address(x!) + (last ? 4 * (whole - kept) : 0);
      calls.copyRowsF32({ rows: batch, cols: kept, from, fromRow: whole, to: address(y), toRow: kept });
      return [y];
    },
    OrthoscopeJoin([first, last], { kind: batch }) {
      const { width, rows } = rowsOf(first!);
      const y = create([rows + rowsOf(last!).rows, width]);
      const [start, end] = [sizeOf(first!) / batch, sizeOf(last!) / batch];
      const into = { rows: batch, toRow: start + end };
      const to = address(y);
      calls.copyRowsF32({ ...into, cols: start, from: address(first!), fromRow: start, to });
      calls.copyRowsF32({ ...into, cols: end, from: address(last!), fromRow: end, to: to + 4 * start });
      return [y];
    },
    OrthoscopeMix([own, base, mask]) {
      const [mixed, difference] = [create(own!.shape), create(own!.shape)];
      const { rows, width } = rowsOf(own!);
      const given = { own: address(own!), base: address(base!), mask: address(mask!) };
      const to = { mixed: address(mixed), difference: address(difference) };
      calls.mix({ rows, width, step: rowsOf(base!).rows === 1 ? 0 : width, ...given, ...to });
      return [mixed, difference];
    },
    OrthoscopeMixPull([gradient, difference, mask]) {
      const [dOwn, dMask] = [create(gradient!.shape), create(mask!.shape)];
      const given = {
        gradient: address(gradient!),
        difference: address(difference!),
        mask: address(mask!),
      };
      calls.mixPull({ ...rowsOf(gradient!), ...given, dOwn: address(dOwn), dMask: address(dMask) });
      return [dOwn, dMask];
    },
  };
}

function sizeOf({ shape }: tf.TensorInfo): number {
  return tf.util.sizeFromShape(shape);
}

/** Its last axis, and how many of those it has. */
function rowsOf(x: tf.TensorInfo): { rows: number; width: number } {
  const width = x.shape.at(-1)!;
  return { rows: width === 0 ? 0 : sizeOf(x) / width, width };
}
