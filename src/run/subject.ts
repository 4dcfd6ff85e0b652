/** The model that a command works on, opened and checked before anything long begins. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type ModelFolder, resolveModel } from '../formats/model-folder.js';
import { openTokenizer, type Tokenizer } from '../formats/tokenizer.js';
import { openModel } from '../models/open-model.js';
import type { Model } from '../models/weights.js';
import type { LongCall } from '../progress.js';
import { subjectSettings } from '../settings/run-settings.js';
import { defaultsOf, type Values } from '../settings/table.js';

export interface Subject {
  source: ModelFolder;
  model: Model;
  /** Null where the folder has none: prompts must then be given as token ids. */
  tokenizer: Tokenizer | null;
}

/** How a subject is read; as settings say unless given. */
export type SubjectOptions = Partial<Values<typeof subjectSettings>> & LongCall;

const DEFAULTS = defaultsOf(subjectSettings);

/**
 * Opens a subject; its files stay open until its model is closed.
 * @param model a local folder or a hub id
 * @throws InputError if it cannot be found or read
 */
export async function openSubject(
  model: string,
  { onProgress, signal, ...options }: SubjectOptions,
): Promise<Subject> {
  const { form, qkSplit, rotaryOffsets, bos } = { ...DEFAULTS, ...options };
  const source = await resolveModel(model, { onProgress, signal });
  const opened = await openModel(source.folder, form, { by: qkSplit, offsets: rotaryOffsets });
  try {
    return { source, model: opened, tokenizer: await tokenizerOf(opened, bos) };
  } catch (error) {
    await opened.close();
    throw error;
  }
}

/** Opens a subject for `work`, as {@link openSubject} does, and closes its files afterwards, whatever happens. */
export async function withSubject<T>(
  model: string,
  options: SubjectOptions,
  work: (subject: Subject) => T | Promise<T>,
): Promise<T> {
  const subject = await openSubject(model, options);
  try {
    return await work(subject);
  } finally {
    await subject.model.close();
  }
}

async function tokenizerOf({ path }: Model, bos: (typeof DEFAULTS)['bos']): Promise<Tokenizer | null> {
  if (!existsSync(join(path, 'tokenizer.json'))) return null;
  return openTokenizer(path, { bos });
}
