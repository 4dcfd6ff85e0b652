/** `orthoscope decompose`: fills the store with a model's singular directions. */
import {
  type DecompositionSummary,
  estimateDecompose,
  decompose as fillStore,
} from '../../src/commands/decompose.js';
import { formatByteSize } from '../../src/formats/byte-size.js';
import { count, duration } from '../../src/report/figures.js';
import type { DecompositionEstimate } from '../../src/run/decomposition.js';
import type { Handler } from '../context.js';

export const decompose: Handler<'decompose'> = async (settings, context) => {
  if (context.dryRun) {
    const estimate = await estimateDecompose(settings, context);
    context.result(estimate, estimateText(estimate));
  } else {
    const summary = await fillStore(settings, context);
    context.result(summary, summaryText(summary));
  }
};

function summaryText(summary: DecompositionSummary): string {
  const { components, directions, clusters, clustered_directions: clustered } = summary;
  const lines = [
    `${count(components)} components, ${count(directions)} directions; ` +
      `${summary.computed_layers} of ${summary.layers} layers computed, the others were there`,
  ];
  if (clusters > 0)
    lines.push(
      `${count(clustered)} directions lie in ${count(clusters)} clusters of nearly equal singular values: ` +
        'within a cluster they are arbitrary',
    );
  return [...lines, `key  ${summary.key}`, `in  ${summary.folder}`].join('\n');
}

function estimateText(estimate: DecompositionEstimate): string {
  const { missing_layers: missing, layers, workers, seconds } = estimate;
  if (missing === 0) return `all ${layers} layers are in the store; nothing to compute`;
  return [
    `${missing} of ${layers} layers to compute, ${(estimate.flops / 1e12).toPrecision(3)} TFLOP`,
    `time    about ${duration(seconds)} on ${workers} ${workers === 1 ? 'thread' : 'threads'}`,
    `memory  ${formatByteSize(estimate.memory_bytes)}`,
    `disk    ${formatByteSize(estimate.disk_bytes)}`,
  ].join('\n');
}
