/** `orthoscope train`: learns masks into a run folder. */
import { estimateTrain, train as trainMasks } from '../../src/commands/train.js';
import type { Handler } from '../context.js';
import { runEstimateText } from '../estimate-text.js';

export const train: Handler<'train'> = async (settings, context) => {
  if (context.dryRun) {
    const estimate = await estimateTrain(settings, context);
    context.result(estimate, runEstimateText(estimate));
    return;
  }
  const { run, result } = await trainMasks(settings, context);
  const { steps, masks: values } = result;
  const masks = run.file('masks.safetensors');
  const active = values.reduce((sum, mask) => sum + Number(mask > 0.5), 0);
  context.result(
    { run: run.path, masks, steps, active, directions: values.length },
    `${steps} steps; ${active} of ${values.length} directions above 0.5\nmasks  ${masks}`,
  );
};
