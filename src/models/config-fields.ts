/** Reads fields of a `config.json` with errors that name the file, the field and what was found. */
import { InputError } from '../errors.js';
import type { ModelConfig } from './adapter.js';
import type { Activation } from './architecture.js';

/** Hugging Face's names of activation functions, and ours. */
const ACTIVATIONS: Record<string, Activation> = {
  gelu: 'gelu',
  gelu_new: 'gelu_new',
  gelu_fast: 'gelu_new',
  gelu_pytorch_tanh: 'gelu_new',
  relu: 'relu',
  silu: 'silu',
  swish: 'silu',
};

export class ConfigFields {
  constructor(
    private readonly config: ModelConfig,
    private readonly where: string,
  ) {}

  /** A positive integer; `fallback` where the field is absent or null. */
  count(field: string, fallback?: number): number {
    const value = this.config[field] ?? fallback;
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value <= 0)
      throw this.wrong(field, 'a positive whole number');
    return value;
  }

  /** A positive number. */
  number(field: string, fallback?: number): number {
    const value = this.config[field] ?? fallback;
    if (typeof value !== 'number' || !Number.isFinite(value) || value <= 0)
      throw this.wrong(field, 'a positive number');
    return value;
  }

  flag(field: string, fallback: boolean): boolean {
    const value = this.config[field] ?? fallback;
    if (typeof value !== 'boolean') throw this.wrong(field, 'true or false');
    return value;
  }

  activation(field: string, fallback: string): Activation {
    const value = this.config[field] ?? fallback;
    const activation = typeof value === 'string' ? ACTIVATIONS[value] : undefined;
    if (!activation) throw this.wrong(field, `one of ${Object.keys(ACTIVATIONS).join(', ')}`);
    return activation;
  }

  /** An error about one field, to throw. */
  wrong(field: string, wanted: string): InputError {
    return new InputError(
      `${this.where}: "${field}" is ${JSON.stringify(this.config[field]) ?? 'missing'}; it must be ${wanted}`,
    );
  }
}
