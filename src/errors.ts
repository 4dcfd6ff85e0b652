/** The one error that means "the input is wrong": the command line turns it into exit code 2. */
import { oneLine } from './plain-text.js';

/**
 * Thrown for anything the user can put right. The message is one line: what was found, where,
 * and what to do, e.g. `models/a/config.json: no "model_type"; point at a Hugging Face folder`. What it quotes
 * from a file cannot steer a terminal: control characters are spelled out, and a long message is cut in its middle.
 */
export class InputError extends Error {
  /** Always `InputError`. */
  override name = 'InputError';

  constructor(message: string) {
    super(oneLine(message));
  }
}

/** Thrown when a run was stopped on request after its state was saved: exit code 130. */
export class InterruptedError extends Error {
  /** Always `InterruptedError`. */
  override name = 'InterruptedError';
}

/** Throws {@link InterruptedError} if the signal has fired. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new InterruptedError('interrupted');
}
