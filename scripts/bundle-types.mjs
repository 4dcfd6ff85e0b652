/** Bundles the declarations that users of the library see into one file, dist/index.d.ts, free of internal modules. */
import { fileURLToPath } from 'node:url';
import { rollup } from 'rollup';
import { dts } from 'rollup-plugin-dts';

const root = fileURLToPath(new URL('..', import.meta.url));
const bundle = await rollup({ input: `${root}dist/src/index.d.ts`, external: /^[^./]/, plugins: [dts()] });
await bundle.write({ file: `${root}dist/index.d.ts`, format: 'es' });
await bundle.close();
