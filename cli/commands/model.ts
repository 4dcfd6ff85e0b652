/** `orthoscope model`: what a folder holds, and what the model says next. */
import type { CommandModule } from 'yargs';
import { describeModel, type ModelDescription } from '../../src/run/describe-model.js';
import { inContext } from '../context.js';
import { commonSettings, type Flags, maskingFlags, modelFlags } from '../options.js';

export const modelCommand: CommandModule<object, Flags> = {
  command: 'model <model>',
  describe: 'What a model folder holds; with --prompt, its tokens and the likeliest next ones',
  builder: (yargs) =>
    yargs.positional('model', { type: 'string', describe: 'Folder or hub id' }).options({
      prompt: { type: 'string', describe: 'Text to continue' },
      form: modelFlags.form,
      'qk-split': modelFlags['qk-split'],
      'rotary-offsets': modelFlags['rotary-offsets'],
      bos: modelFlags.bos,
      engine: maskingFlags.engine,
    }),
  handler: (flags) =>
    inContext(flags, async (context) => {
      const { form, qkSplit, rotaryOffsets, bos, engine } = commonSettings(
        { seed: 0, ...flags },
        flags.model as string,
      );
      const prompt = (flags.prompt as string | undefined) ?? null;
      const options = { form, qkSplit, rotaryOffsets, bos, engine };
      const description = await describeModel(flags.model as string, options, prompt, context);
      context.result(description, text(description));
    }),
};

function text({ family, shape, rotary, components, directions, bos, prompt }: ModelDescription): string {
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
    bos === null ? 'no tokenizer' : `prompts begin ${bos ? 'with' : 'without'} a beginning-of-text token`,
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
