/** `orthoscope view`: the page with the engine behind it. */
import { view as viewRun } from '../../src/commands/view.js';
import type { Handler } from '../context.js';

export const view: Handler<'view'> = (settings, context) =>
  viewRun(settings, {
    ...context,
    onReady: (url) => {
      context.result({ url }, url);
      context.onNote('open this address on this machine; Ctrl-C ends it');
    },
  });
