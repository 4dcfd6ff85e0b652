/**
 * The study of seeds on the embedded model: `node dist/bench/study.js [--out FOLDER]`, after `npm run build`. Runs
 * bench/study/plan.yaml, what is complete in the folder aside, and writes its tables to bench/study/.
 */
import { copyFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { sweep } from '../src/commands/sweep.js';
import { packageFile } from '../src/package-file.js';
import { readResults } from '../src/sweep/results.js';
import { stability } from '../src/sweep/stability.js';
import { SUMMARY_DEFAULTS } from '../src/sweep/summary.js';
import { SweepFolder } from '../src/sweep/sweep-folder.js';
import { componentTable, settingName, stabilityTable, summaryTable } from '../src/sweep/table.js';

const { values: options } = parseArgs({ options: { out: { type: 'string', default: 'sweeps/study' } } });
const file = (name: string) => packageFile(`bench/study/${name}`);

const { summaries } = await sweep(
  { plan: file('plan.yaml'), out: options.out, local: true },
  { onNote: (line) => console.error(line) },
);
const found = await stability(await readResults([new SweepFolder(options.out)]), SUMMARY_DEFAULTS);
const components = found.map((entry) => `${settingName(entry, found)}\n\n${componentTable(entry)}`);
const block = (text: string) => `\`\`\`\n${text}\n\`\`\`\n`;
writeFileSync(
  file('tables.md'),
  [
    '# Seeds on the embedded model\n',
    'Made by `node dist/bench/study.js` from `plan.yaml`; every run is in `sweep.json`.\n',
    '## Figures and Pareto front\n',
    block(summaryTable(summaries)),
    '## Stability\n',
    block(stabilityTable(found)),
    '## Stability by component\n',
    ...components.map(block),
  ].join('\n'),
);
copyFileSync(new SweepFolder(options.out).file('sweep.json'), file('sweep.json'));
