/** `orthoscope decompose`: fills the store with a model's singular directions. */
import type { CommandModule } from 'yargs';
import { formatByteSize } from '../../src/formats/byte-size.js';
import { count, duration } from '../../src/report/figures.js';
import {
  type DecompositionEstimate,
  type DecompositionSummary,
  decomposeOnly,
  estimateDecomposition,
} from '../../src/run/decomposition.js';
import { inContext } from '../context.js';
import { commonSettings, dryRunFlag, type Flags, modelFlags } from '../options.js';

export const decomposeCommand: CommandModule<object, Flags> = {
  command: 'decompose <model>',
  describe: 'Singular directions of every head and MLP matrix, into the store',
  builder: (yargs) =>
    yargs
      .positional('model', { type: 'string', describe: 'Folder or hub id' })
      .options({ ...modelFlags, ...dryRunFlag }),
  handler: (flags) =>
    inContext(flags, async (context) => {
      const options = { ...commonSettings(flags, flags.model as string), ...context };
      if (flags.dryRun === true) {
        const estimate = await estimateDecomposition(options);
        context.result(estimate, estimateText(estimate));
      } else {
        const summary = await decomposeOnly(options);
        context.result(summary, summaryText(summary));
      }
    }),
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
