/** A model's files and what is loaded of them on the engine. One thing is done after the other, until it is closed. */
import { type Engine, openEngine } from '../engine/engine.js';
import { InputError } from '../errors.js';
import { promptPairsOf } from '../formats/prompt-pairs.js';
import { encodePairs } from '../formats/token-pairs.js';
import { MaskedModel } from '../forward/masked-model.js';
import { type Component, type Kind, kindsOf, listComponents } from '../models/components.js';
import type { LongCall } from '../progress.js';
import { decomposeSubject } from '../run/decomposition.js';
import type { Subject } from '../run/subject.js';
import type { RunSettings } from './masked-prompts.js';

/** Text, or token ids. */
export type Prompt = string | ArrayLike<number>;

export class OpenedModel {
  #engine: Engine | null = null;
  /** The unmasked model with the directions of some kinds. */
  #loaded: { kinds: readonly Kind[]; model: MaskedModel } | null = null;
  /** What was asked for last. */
  #last: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(
    readonly subject: Subject,
    readonly settings: RunSettings,
  ) {}

  get name(): string {
    return this.subject.source.name;
  }

  get components(): Component[] {
    const { architecture, qkSplit } = this.subject.model;
    return listComponents(architecture, undefined, qkSplit);
  }

  /** @throws InputError if there is none of that name */
  component(name: string): Component {
    const { components } = this;
    const found = components.find((component) => component.name === name);
    if (found) return found;
    throw new InputError(
      `${name}: is no component of ${this.name}; they are called as ${components[0]!.name}`,
    );
  }

  /** @throws InputError if the prompt is empty or too long, or is text and there is no tokenizer */
  encode(prompt: Prompt): Int32Array {
    const { model, tokenizer } = this.subject;
    const record = typeof prompt === 'string' ? { clean: prompt } : { clean_ids: Array.from(prompt) };
    return encodePairs(promptPairsOf([record]), tokenizer, model.architecture)[0]!.clean;
  }

  decomposition(call: LongCall) {
    return decomposeSubject(this.subject, { ...this.settings, ...call, components: null });
  }

  /** The unmasked model, with the directions of these kinds at least. To be called in turn. */
  async load(kinds: readonly Kind[], call: LongCall): Promise<MaskedModel> {
    if (this.#loaded && kinds.every((kind) => this.#loaded!.kinds.includes(kind))) return this.#loaded.model;
    const all = kindsOf(this.subject.model.architecture).filter(
      (kind) => kinds.includes(kind) || this.#loaded?.kinds.includes(kind),
    );
    const decomposition = all.length > 0 ? await this.decomposition(call) : null;
    this.#engine ??= await openEngine(this.settings);
    this.#loaded?.model.dispose();
    this.#loaded = null;
    const model = await MaskedModel.load(this.#engine, this.subject.model, decomposition, {
      kinds: all,
      ...call,
    });
    this.#loaded = { kinds: all, model };
    return model;
  }

  /** @throws InputError if it was closed */
  inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closed) throw new InputError(`${this.name}: is closed; open it again`);
    const result = this.#last.then(work);
    this.#last = result.catch(() => {});
    return result;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#last;
    this.#loaded?.model.dispose();
    await this.subject.model.close();
  }
}
