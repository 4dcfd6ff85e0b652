/** `orthoscope model`: what a folder holds, and what the model says next. */
import { describeModel, type ModelDescription } from '../../src/commands/model.js';
import type { Handler } from '../context.js';

export const model: Handler<'model'> = async (settings, context) => {
  const description = await describeModel(settings, context);
  context.result(description, text(description));
};

function text({
  family,
  shape,
  rotary,
  components,
  directions,
  bos,
  notes,
  prompt,
}: ModelDescription): string {
  const heads =
    shape.nKvHeads === shape.nHeads
      ? `${shape.nHeads} heads`
      : `${shape.nHeads} query heads over ${shape.nKvHeads} key/value heads`;
  const positions = rotary
    ? `rotary positions on ${rotary.dims} of ${shape.dHead} dimensions`
    : 'learned positions';
  const lines = [
    `${family}: ${shape.nLayers} layers, width ${shape.dModel}, ${heads}, MLP ${shape.dMlp}${shape.gatedMlp ? ', gated' : ''}`,
    `${positions}, ${shape.nVocab} tokens, prompts of at most ${shape.nPositions}`,
    `${components} components, ${directions} directions`,
    ...notes,
    ...(bos === null ? ['no tokenizer'] : []),
  ];
  if (prompt) {
    const { mean_log_probability: mean, tokens, next } = prompt;
    lines.push('', tokens.map((token) => JSON.stringify(token)).join(' '));
    if (mean !== null) lines.push(`mean log-probability ${mean.toFixed(3)}`);
    for (const { token, log_probability } of next)
      lines.push(`${log_probability.toFixed(3).padStart(8)}  ${JSON.stringify(token)}`);
  }
  return lines.join('\n');
}
