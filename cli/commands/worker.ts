/** `orthoscope worker`: takes work from a queue, or shares that of a training, until it is told to stop. */
import { work } from '../../src/commands/worker.js';
import type { Handler } from '../context.js';

export const worker: Handler<'worker'> = async (settings, context) => {
  const { done, folder } = await work(settings, context);
  const text =
    folder === null
      ? `shared the work of ${done} ${done === 1 ? 'command' : 'commands'}`
      : `${done} runs done; their folders are kept in ${folder}`;
  context.result({ done }, text);
};
