/**
 * Labels of the embedded model's heads beside what they attend to: `node dist/bench/head-table.js [--task ioi] [--pairs N]
 * [--model FOLDER --engine NAME]`, after `npm run build`. A row for each head: the class of keys that gets most of the
 * last token's attention beyond its share of the keys, the QK direction that by itself gives this class most, its label by rule, and whether the label
 * names the class; then the head's figures on random tokens that are repeated, as `heads` has them.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { heads } from '../src/commands/heads.js';
import { interpret } from '../src/commands/interpret.js';
import type { EngineChoice } from '../src/engine/engine.js';
import type { Reading } from '../src/interpret/readings.js';
import { percent } from '../src/report/figures.js';

const option = (name: string, fallback: string) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : process.argv[at + 1]!;
};
const [model, task] = [option('model', 'embedded'), option('task', 'ioi')];
const engine = option('engine', 'wasm') as EngineChoice;
const folder = mkdtempSync(join(tmpdir(), 'orthoscope-heads-'));
try {
  const { summary } = await interpret({
    ...{ run: model, task, testPairs: Number(option('pairs', '200')), engine },
    ...{ directions: 'all', kinds: ['qk'], top: 10_000, out: join(folder, 'reading') },
  });
  const named = await heads({ run: model, engine });
  const byHead = new Map<string, Reading[]>();
  for (const reading of summary.top)
    byHead.set(reading.component, [...(byHead.get(reading.component) ?? []), reading]);
  console.log(
    '| head | looks most at | strongest direction for it | label by rule | agrees | on random tokens |',
  );
  console.log('|---|---|---|---|---|---|');
  let agreeing = 0;
  for (const { head, attention } of named.heads) {
    const own = byHead.get(`${head}.qk`)!;
    const [most] = own[0]!.role!.classes.toSorted(
      (a, b) => b.attention.full - b.chance - (a.attention.full - a.chance),
    );
    const alone = ({ role }: Reading) =>
      role!.classes.find((each) => each.class === most!.class)!.attention.alone;
    const [strongest] = own.toSorted((a, b) => alone(b) - alone(a));
    const agrees = strongest!.label!.includes(`looks for ${most!.class} (`);
    agreeing += Number(agrees);
    const [[name, share]] = Object.entries(attention).toSorted(([, a], [, b]) => b - a) as [[string, number]];
    console.log(
      `| ${head} | ${most!.class} (${percent(most!.attention.full)}, by chance ${percent(most!.chance)}) | ${strongest!.direction} (${percent(alone(strongest!))} alone) | ` +
        `${strongest!.label} | ${agrees ? 'yes' : 'no'} | ${name} ${percent(share)} |`,
    );
  }
  console.log(`\n${agreeing} of ${named.heads.length} labels name the class that the head looks at most`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
