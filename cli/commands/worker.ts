/** `orthoscope worker`: takes runs of sweeps, and shards of scorings, from a queue until it is told to stop. */
import { work } from '../../src/commands/worker.js';
import type { Handler } from '../context.js';

export const worker: Handler<'worker'> = async (settings, context) => {
  const { done, folder } = await work(settings, context);
  context.result({ done }, `${done} runs done; their folders are kept in ${folder}`);
};
