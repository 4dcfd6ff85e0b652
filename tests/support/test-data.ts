/** Models, figures and prompts that tests read: those that the project carries, and those that only some machines have. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, it } from 'vitest';
import { cacheFolder } from '../../src/formats/cache-folder.js';

/** A file or folder, and in a few words what this machine lacks of it; null where it is there. */
export interface TestData {
  path: string;
  missing: string | null;
}

/** A model's folder and the file of its figures under masks. */
export interface GoldenModel extends TestData {
  figures: string;
}

/** Absolute path of a file in tests/golden, which the project carries. */
export function goldenFile(path: string): string {
  return fileURLToPath(new URL(`../golden/${path}`, import.meta.url));
}

/** A file of the folder that may lie beside the project; the project cannot carry it. */
function beside(path: string): TestData {
  const whole = fileURLToPath(new URL(`../../../shared/${path}`, import.meta.url));
  return { path: whole, missing: existsSync(whole) ? null : `no ../shared/${path}` };
}

/** A random model in GPT-2's layout. */
export const GPT2_RANDOM: GoldenModel = {
  path: goldenFile('gpt2-random-2l'),
  figures: goldenFile('gpt2-random-2l/golden.json'),
  missing: null,
};

const story = beside('data/llama-tinystories-656k');
const storyFigures = beside('golden/llama-tinystories-656k/golden.json');
/** A trained model in Llama's layout. */
export const TINY_STORIES: GoldenModel = {
  path: story.path,
  figures: storyFigures.path,
  missing: story.missing ?? storyFigures.missing,
};

/** Some of the matrices of GPT-2 small, and singular values of all its heads. */
export const GPT2_SMALL_PART = beside('data/gpt2-small-partial');
export const PROMPT_SETS = beside('data/prompt-datasets');

const smolLm2 = join(cacheFolder(), 'models', 'smollm2-135m');
/** SmolLM2-135M in float16. Its maker writes tokenizer_config.json last. */
export const SMOLLM2: TestData = {
  path: smolLm2,
  missing: existsSync(join(smolLm2, 'tokenizer_config.json'))
    ? null
    : '../shared/tools/get-smollm2.py makes its folder, .ci/run says where',
};

/** `describe`, or where the data are missing one skipped test that says so; the body then does not run. */
export function describeWith({ missing }: Pick<TestData, 'missing'>, title: string, body: () => void): void {
  if (missing) it.skip(`${title} [skipped: ${missing}]`, () => {});
  else describe(title, body);
}
