/** Finds a TensorFlow whose C++ library an addon can be built against: in a folder, or in the Python at hand. */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { InputError } from '../../errors.js';
import { runCommand } from './run-command.js';

export const LIBRARIES = ['libtensorflow_cc.so.2', 'libtensorflow_framework.so.2'] as const;

const NEEDED = [...LIBRARIES, join('include', 'tensorflow', 'c', 'c_api.h')];

/** Prints where Python would import tensorflow from, without importing it. */
const ASK_PYTHON =
  'import importlib.util as u; s = u.find_spec("tensorflow"); print(*(s.submodule_search_locations or ()) if s else ())';

/**
 * The folder with the libraries and their headers: `folder` itself, or the `tensorflow` in it if it is an
 * unpacked wheel or a site-packages.
 * @throws InputError that names what is missing
 */
export function tensorflowIn(folder: string): string {
  const candidates = [resolve(folder), resolve(folder, 'tensorflow')];
  const complete = candidates.find((candidate) => missingIn(candidate).length === 0);
  if (complete) return complete;
  const nearest = candidates.find((candidate) => missingIn(candidate).length < NEEDED.length);
  if (nearest)
    throw new InputError(`${nearest}: no ${missingIn(nearest)[0]}; this TensorFlow cannot be linked to`);
  throw new InputError(
    `${folder}: no ${LIBRARIES[0]} here or in tensorflow/; point at an unpacked TensorFlow wheel or a site-packages`,
  );
}

/** The TensorFlow of a Python environment, or undefined if it has none that can be linked to. */
export async function tensorflowOfPython(python: string): Promise<string | undefined> {
  const { code, stdout } = await runCommand(python, ['-c', ASK_PYTHON]);
  const folder = stdout.trim();
  return code === 0 && folder && missingIn(folder).length === 0 ? folder : undefined;
}

/** The first of `python3` and `python` that is a Python 3, or undefined. */
export async function findPython(): Promise<string | undefined> {
  for (const python of ['python3', 'python']) {
    const { code } = await runCommand(python, ['-c', 'import sys; sys.exit(sys.version_info[0] != 3)']);
    if (code === 0) return python;
  }
  return undefined;
}

function missingIn(folder: string): string[] {
  return NEEDED.filter((name) => !existsSync(join(folder, name)));
}
