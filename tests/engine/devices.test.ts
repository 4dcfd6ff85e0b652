import { expect, it } from 'vitest';
import { cudaDevices, visibleDevices } from '../../src/engine/devices.js';
import { InputError } from '../../src/errors.js';
import { pretendGpus } from '../support/pretend-gpus.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();

it.each<[string | undefined, number, string[]]>([
  [undefined, 3, ['0', '1', '2']],
  [undefined, 0, []],
  ['', 3, []],
  ['-1', 3, []],
  ['NoDevFiles', 3, []],
  ['2,0', 3, ['2', '0']],
  [' 1 , 2 ', 3, ['1', '2']],
  ['0,3,1', 3, ['0']],
  ['1,-1,2', 3, ['1']],
  ['0,1', 0, ['0', '1']],
  [
    'GPU-8932f937-d72c-4106-c12f-20bd9faed9f6,GPU-1f',
    2,
    ['GPU-8932f937-d72c-4106-c12f-20bd9faed9f6', 'GPU-1f'],
  ],
  ['MIG-41b36874-7331-5db6-b1ca-9a0a3b6a7e4e', 1, ['MIG-41b36874-7331-5db6-b1ca-9a0a3b6a7e4e']],
])('CUDA_VISIBLE_DEVICES=%j shows of %i GPUs %j', (setting, found, names) => {
  expect(visibleDevices(setting, found)).toEqual(names);
});

it('shares out the first of the GPUs that may be used', async () => {
  pretendGpus(folder, 4);
  expect(await cudaDevices(2)).toEqual(['0', '1']);
  pretendGpus(folder, 4, '3,1,2');
  expect(await cudaDevices(2)).toEqual(['3', '1']);
});

it('refuses more than there are, and says how many were found and where', async () => {
  pretendGpus(folder, 2);
  await expect(cudaDevices(3)).rejects.toThrow(
    new InputError(
      '--workers 3: on the engine native-gpu that is 3 GPUs, and only 2 can be used (nvidia-smi lists 2); give at most 2',
    ),
  );
  pretendGpus(folder, 8, '5');
  await expect(cudaDevices(2)).rejects.toThrow(
    'only 1 can be used (nvidia-smi lists 8, CUDA_VISIBLE_DEVICES is "5"); give at most 1',
  );
});
