/** Reads fields of a `config.json` with errors that name the file, the field and what was found. */
import { InputError } from '../errors.js';
import { describeJson } from '../formats/json-file.js';
import type { ModelConfig } from './adapter.js';
import type { Activation } from './architecture.js';

/** Hugging Face's names of activation functions, and ours; names of one function stand for one. */
const ACTIVATIONS: Record<string, Activation> = {
  gelu: 'gelu',
  gelu_python: 'gelu',
  gelu_new: 'gelu_new',
  gelu_accurate: 'gelu_new',
  gelu_fast: 'gelu_new',
  gelu_python_tanh: 'gelu_new',
  gelu_pytorch_tanh: 'gelu_new',
  relu: 'relu',
  silu: 'silu',
  swish: 'silu',
};

export class ConfigFields {
  /** @param otherNames what transformers takes for a field as well, by the field's own name */
  constructor(
    private readonly config: ModelConfig,
    private readonly where: string,
    private readonly otherNames: Readonly<Record<string, string>> = {},
  ) {}

  /** As the file has it; null and a missing field are both undefined. */
  value(field: string): unknown {
    return this.config[this.nameOf(field)] ?? undefined;
  }

  /** A positive integer; `fallback` where the field is absent or null. Arrays are made of it, so it has a limit. */
  count(field: string, fallback?: number, most = 2 ** 31 - 1): number {
    const value = this.value(field) ?? fallback;
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value <= 0)
      throw this.wrong(field, 'a positive whole number');
    if (value > most) throw this.wrong(field, `${most} at most`);
    return value;
  }

  layers(field: string, fallback?: number): number {
    return this.count(field, fallback, 10_000);
  }

  /** A positive number. */
  number(field: string, fallback?: number): number {
    const value = this.value(field) ?? fallback;
    if (typeof value !== 'number' || !Number.isFinite(value) || value <= 0)
      throw this.wrong(field, 'a positive number');
    return value;
  }

  /** So many positive numbers. */
  numbers(field: string, count: number): number[] {
    const value = this.value(field);
    const fits = (each: unknown) => typeof each === 'number' && Number.isFinite(each) && each > 0;
    if (!Array.isArray(value) || value.length !== count || !value.every(fits))
      throw this.wrong(field, `a list of ${count} positive numbers`);
    return value as number[];
  }

  flag(field: string, fallback: boolean): boolean {
    const value = this.value(field) ?? fallback;
    if (typeof value !== 'boolean') throw this.wrong(field, 'true or false');
    return value;
  }

  activation(field: string, fallback: string): Activation {
    const value = this.value(field) ?? fallback;
    const activation =
      typeof value === 'string' && Object.hasOwn(ACTIVATIONS, value) ? ACTIVATIONS[value] : undefined;
    if (!activation) throw this.wrong(field, `one of ${Object.keys(ACTIVATIONS).join(', ')}`);
    return activation;
  }

  /** An error about one field, to throw. */
  wrong(field: string, wanted: string): InputError {
    const name = this.nameOf(field);
    const found = this.config[name];
    const shown = Array.isArray(found) ? JSON.stringify(found).slice(0, 80) : describeField(found);
    return new InputError(`${this.where}: "${name}" is ${shown}; it must be ${wanted}`);
  }

  private nameOf(field: string): string {
    const other = this.otherNames[field];
    return this.config[field] === undefined && other !== undefined && this.config[other] !== undefined
      ? other
      : field;
  }
}

function describeField(value: unknown): string {
  if (value === undefined) return 'missing';
  return typeof value === 'object' ? describeJson(value) : JSON.stringify(value).slice(0, 80);
}
