/** What `--workers` asks for on each engine, and who shares a batch then. */
import { beforeAll, expect, it } from 'vitest';
import { SVD_BASIS } from '../../src/decompose/basis.js';
import type { Engine, EngineName } from '../../src/engine/engine.js';
import { InputError } from '../../src/errors.js';
import { resolveModel } from '../../src/formats/model-folder.js';
import { packageFile } from '../../src/package-file.js';
import type { Subject } from '../../src/run/subject.js';
import { decompositionThreads, planFor, poolOf } from '../../src/run/workbench.js';
import { openForTest } from '../support/open-model.js';
import { pretendGpus } from '../support/pretend-gpus.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();
const path = packageFile('models/embedded');
let subject: Subject;
beforeAll(async () => {
  subject = { source: await resolveModel(path), model: await openForTest(path), tokenizer: null };
});

async function plan(name: EngineName, workers: number | null) {
  const engine = { name } as Engine;
  const options = {
    components: null,
    store: null,
    storeDtype: 'f32' as const,
    workers,
    memory: null,
    engine: 'auto' as const,
    positions: 'last' as const,
    ...SVD_BASIS,
  };
  const work = { lengths: new Array<number>(100).fill(14), batchSize: 64 };
  const { workers: sharing, devices } = await planFor(subject, work, engine, options);
  return { sharing, devices, decomposing: decompositionThreads(engine, options) };
}

it('shares a batch out over threads on wasm, over GPUs on native-gpu, and not at all elsewhere', async () => {
  pretendGpus(folder, 4, '2,0,3');
  expect(await plan('wasm', 3)).toEqual({ sharing: 3, devices: [], decomposing: 3 });
  expect(await plan('native-cpu', 3)).toEqual({ sharing: 1, devices: [], decomposing: 3 });
  expect(await plan('native-gpu', 2)).toEqual({ sharing: 2, devices: ['2', '0'], decomposing: null });
  for (const workers of [1, null])
    expect(await plan('native-gpu', workers)).toMatchObject({ sharing: 1, devices: [] });
});

it('refuses more GPUs than there are', async () => {
  pretendGpus(folder, 1);
  await expect(plan('native-gpu', 2)).rejects.toThrow(InputError);
});

it('opens a process for each device, which sees that one', async () => {
  const pool = poolOf({ devices: ['3', 'GPU-1f'], workers: 2 })('../tests/pool/process-jobs.mjs');
  const seen = [1, 2].map(() => pool.run<string>('variable', 'CUDA_VISIBLE_DEVICES'));
  expect(await Promise.all(seen)).toEqual(['3', 'GPU-1f']);
  await expect(pool.run('die', 'SIGKILL')).rejects.toThrow(/^CUDA device 3: its process ended with SIGKILL/);
  await pool.close();
});
