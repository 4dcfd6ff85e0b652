/** Finds the folder that a MODEL argument means: one on this disk, or a model of the Hugging Face hub. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { InputError } from '../errors.js';
import { packageFile } from '../package-file.js';
import type { HubOptions } from './hub.js';

/** The name of the model that comes with the program, wherever that is installed. */
export const EMBEDDED = 'embedded';

export interface ModelFolder {
  folder: string;
  /** How it is named from anywhere on this machine: `embedded`, a hub id, or an absolute path. */
  name: string;
  /** Hub id, or the folder's name. */
  id: string;
  /** Commit hash; null for a folder of the user's own. */
  revision: string | null;
}

/** `name` or `org/name`. */
const HUB_ID = /^[A-Za-z0-9][\w.-]*(\/[A-Za-z0-9][\w.-]*)?$/;

/**
 * A local folder wins over a hub id of the same name; a folder that is called `embedded` must be named `./embedded`.
 * @throws InputError if it is neither, or the folder has no config.json; and see `downloadModel`
 */
export async function resolveModel(model: string, options: HubOptions = {}): Promise<ModelFolder> {
  const embedded = packageFile('models/embedded');
  if (model === EMBEDDED || resolve(model) === embedded)
    return { folder: embedded, name: EMBEDDED, id: EMBEDDED, revision: null };
  if (existsSync(model)) {
    if (!statSync(model).isDirectory())
      throw new InputError(
        model.endsWith('.gguf')
          ? `${model}: is GGUF, which is not read; point at the folder of safetensors that it was made from`
          : `${model}: is a file; point at the folder that holds config.json`,
      );
    if (!existsSync(join(model, 'config.json'))) throw new InputError(`${model}: ${withoutConfig(model)}`);
    return { folder: model, name: resolve(model), id: basename(resolve(model)), revision: null };
  }
  if (!HUB_ID.test(model)) throw new InputError(`${model}: no such folder, and not a hub id (org/name)`);
  // Loaded only here: most runs use a local folder, and workers never come this way.
  const { downloadModel } = await import('./hub.js');
  return { id: model, name: model, ...(await downloadModel(model, options)) };
}

/** What a folder without config.json may be. */
function withoutConfig(folder: string): string {
  const names = readdirSync(folder);
  if (names.includes('config.json'))
    return 'config.json is a link to a file that is not there: the download was not finished; fetch the model again';
  if (names.includes('snapshots') && names.includes('blobs'))
    return "is a model's place in the hub's cache; give its hub id, or a folder below snapshots";
  const gguf = names.find((name) => name.endsWith('.gguf'));
  if (gguf)
    return `holds ${gguf}: GGUF is not read; point at the folder of safetensors that it was made from`;
  return 'no config.json in this folder; point at a Hugging Face model folder';
}
