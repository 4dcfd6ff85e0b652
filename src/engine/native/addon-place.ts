/** Where what `orthoscope engine link` builds lies: in the package tfjs-node-gpu, which looks there for its addon. */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { InputError } from '../../errors.js';

const require = createRequire(import.meta.url);

/** The folder of tfjs-node-gpu. @throws InputError if this optional package was left out of the installation */
export function addonPackage(): string {
  try {
    return dirname(require.resolve('@tensorflow/tfjs-node-gpu/package.json'));
  } catch {
    throw new InputError(
      '@tensorflow/tfjs-node-gpu is not installed; run: npm install --ignore-scripts @tensorflow/tfjs-node-gpu',
    );
  }
}

/** Where the package looks for its addon. 8 is the highest version of Node's binary interface it knows. */
export function addonPath(packageFolder: string): string {
  return join(packageFolder, 'lib', 'napi-v8', 'tfjs_binding.node');
}

/** The addon with OpenBLAS's products (`products.cc`), where there is OpenBLAS. */
export function productsPath(packageFolder: string): string {
  return join(dirname(addonPath(packageFolder)), 'orthoscope_products.node');
}
