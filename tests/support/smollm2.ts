/** The real model that `.ci/run` makes by ../shared/tools/get-smollm2.py; tests that need it skip where it is absent. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { cacheFolder } from '../../src/formats/cache-folder.js';

export const SMOLLM2 = join(cacheFolder(), 'models', 'smollm2-135m');

/** Written last. */
export const HAS_SMOLLM2 = existsSync(join(SMOLLM2, 'tokenizer_config.json'));

export const NO_SMOLLM2 = '../shared/tools/get-smollm2.py makes its folder, .ci/run says where';
