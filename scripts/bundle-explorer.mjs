/** Bundles the explorer's page (src/explorer/page) into dist/explorer, with the licences of what it is made of. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
process.chdir(root);

const { metafile } = await build({
  entryPoints: { page: 'src/explorer/page/main.tsx' },
  outdir: 'dist/explorer',
  bundle: true,
  minify: true,
  format: 'iife',
  target: ['chrome111', 'firefox113', 'safari16.4'],
  tsconfig: 'src/explorer/page/tsconfig.json',
  charset: 'utf8',
  legalComments: 'none',
  metafile: true,
  logLevel: 'warning',
});

const packages = new Set(
  Object.keys(metafile.inputs).flatMap(
    (path) => /^.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.slice(0, 2).join('\0') ?? [],
  ),
);
const notices = [...packages].sort().map((entry) => {
  const [folder, name] = entry.split('\0');
  const at = folder.replace(/\/$/, '');
  const { version, license } = JSON.parse(readFileSync(`${at}/package.json`, 'utf8'));
  const file = readdirSync(at).find((each) => /^licen[cs]e/i.test(each));
  if (!file) throw new Error(`${name}: has no licence file`);
  return `${name} ${version} (${license})\n\n${readFileSync(`${at}/${file}`, 'utf8').trim()}\n`;
});
mkdirSync('dist/explorer', { recursive: true });
writeFileSync(
  'dist/explorer/LICENCES.txt',
  `The explorer's page (page.js) contains:\n\n${notices.join(`\n${'-'.repeat(72)}\n\n`)}`,
);
