import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, expect, it, vi } from 'vitest';
import { fetchOpenBlas, OPENBLAS_LIBRARY, openBlasIn } from '../../../src/engine/native/openblas.js';
import { InputError } from '../../../src/errors.js';
import { temporaryFolder } from '../../support/temporary-folder.js';
import { fakePython } from './fake-python.js';

const folder = temporaryFolder();
afterEach(() => vi.unstubAllEnvs());

it('is found where a wheel was unpacked, and said to be incomplete where a part is missing', () => {
  const site = join(folder, 'site');
  expect(() => openBlasIn(site)).toThrow(
    new InputError(`${site}: no ${join('scipy_openblas32', 'include', 'cblas.h')}`),
  );
  const library = join(site, 'scipy_openblas32', 'lib', OPENBLAS_LIBRARY);
  const header = join(site, 'scipy_openblas32', 'include', 'cblas.h');
  for (const file of [header, library]) mkdirSync(dirname(file), { recursive: true });
  writeFileSync(header, '');
  expect(() => openBlasIn(site)).toThrow(`${site}: no ${join('scipy_openblas32', 'lib', OPENBLAS_LIBRARY)}`);
  writeFileSync(library, '');
  expect(openBlasIn(site)).toEqual({ include: dirname(header), library: dirname(library) });
});

it('refuses a wheel that is not the one it knows, and one without the library, leaving nothing behind', async () => {
  vi.stubEnv('ORTHOSCOPE_CACHE', join(folder, 'cache'));
  const fetchWith = (wheel: string) =>
    fetchOpenBlas({ python: join(fakePython(folder, { download: [wheel] }).bin, 'python3') });
  const known = 'scipy_openblas32-0.3.34.481.3-py3-none-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl';
  await expect(fetchWith(known)).rejects.toThrow(/its SHA-256 is .*, not 0595f94c/);
  await expect(fetchWith('scipy_openblas32-9-py3-none-any.whl')).rejects.toThrow('no scipy_openblas32');
  expect(readdirSync(join(folder, 'cache', 'openblas'))).toEqual([]);
});
