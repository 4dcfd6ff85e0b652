/** Writes docs/licences.md: what an installed orthoscope brings along, by package-lock.json, and under which licence. */
import { readFileSync, writeFileSync } from 'node:fs';

const root = new URL('..', import.meta.url);
const { packages } = JSON.parse(readFileSync(new URL('package-lock.json', root), 'utf8'));
const rows = Object.entries(packages)
  .filter(([path, { dev, devOptional }]) => path !== '' && !dev && !devOptional)
  .map(([path, { version, license, optional, peer }]) => {
    const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
    return {
      name,
      version,
      license: license ?? 'not stated',
      note: optional ? 'optional' : peer ? 'peer' : '',
    };
  })
  .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : a.version < b.version ? -1 : 1));
const unstated = rows.filter(({ license }) => license === 'not stated');
const counts = new Map();
for (const { license } of rows) counts.set(license, (counts.get(license) ?? 0) + 1);
const lines = [
  '# Licences',
  '',
  'Made by `npm run docs` from `package-lock.json`; do not edit it here.',
  '',
  'orthoscope is under the MIT licence. Its package holds its own code and the embedded model alone; what it needs is installed beside it:',
  '',
  '| package | version | licence | |',
  '| --- | --- | --- | --- |',
  ...rows.map(({ name, version, license, note }) => `| \`${name}\` | ${version} | ${license} | ${note} |`),
  '',
  `${rows.length} packages: ${[...counts]
    .sort((a, b) => b[1] - a[1])
    .map(([license, count]) => `${license} ${count}`)
    .join(', ')}.`,
  '',
];
writeFileSync(new URL('docs/licences.md', root), lines.join('\n'));
if (unstated.length > 0) console.error(`no licence stated: ${unstated.map(({ name }) => name).join(', ')}`);
