/**
 * Labels of heads beside what they attend to, after `npm run build`:
 *
 *     node dist/bench/head-table.js [--task ioi] [--pairs N] [--model FOLDER --engine NAME] [--most N]
 *
 * A row for each head, or with `--most` for the N of each name on random tokens whose figures are largest: the class of
 * keys that gets most of the last token's attention beyond its share of the keys, the QK direction that by itself gives
 * this class most, its label by rule, and whether the label names the class; then the head's largest figure on random
 * tokens that are repeated, as `heads` has it, and the offsets that it looks back by there, whatever names say.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { heads, type NamedHead } from '../src/commands/heads.js';
import { interpret } from '../src/commands/interpret.js';
import type { EngineChoice } from '../src/engine/engine.js';
import { PATTERNS } from '../src/interpret/generic-sequences.js';
import type { Reading } from '../src/interpret/readings.js';
import { percent } from '../src/report/figures.js';

const { values: options } = parseArgs({
  options: {
    model: { type: 'string', default: 'embedded' },
    engine: { type: 'string', default: 'wasm' },
    task: { type: 'string', default: 'ioi' },
    pairs: { type: 'string', default: '200' },
    most: { type: 'string' },
  },
});
const { model, task } = options;
const engine = options.engine as EngineChoice;
const folder = mkdtempSync(join(tmpdir(), 'orthoscope-heads-'));
try {
  const named = await heads({ run: model, engine });
  const listed = options.most === undefined ? named.heads : strongest(named.heads, Number(options.most));
  const { summary } = await interpret({
    ...{ run: model, task, testPairs: Number(options.pairs), engine },
    ...{ directions: listed.map(({ head }) => `${head}.qk`).join(','), top: 10_000 },
    out: join(folder, 'reading'),
  });
  const byHead = new Map<string, Reading[]>();
  for (const reading of summary.top)
    byHead.set(reading.component, [...(byHead.get(reading.component) ?? []), reading]);
  console.log(
    '| head | looks most at | strongest direction for it | label by rule | agrees | on random tokens | looks back by |',
  );
  console.log('|---|---|---|---|---|---|---|');
  let agreeing = 0;
  for (const { head, attention, offsets } of listed) {
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
    const back = offsets.map((each) => `${each.offset} (${percent(each.share)})`).join(', ');
    console.log(
      `| ${head} | ${most!.class} (${percent(most!.attention.full)}, by chance ${percent(most!.chance)}) | ${strongest!.direction} (${percent(alone(strongest!))} alone) | ` +
        `${strongest!.label} | ${agrees ? 'yes' : 'no'} | ${name} ${percent(share)} | ${back} |`,
    );
  }
  console.log(`\n${agreeing} of ${listed.length} labels name the class that the head looks at most`);
  const counts = PATTERNS.map(
    (name) => `${name} ${named.heads.filter(({ names }) => names.includes(name)).length}`,
  );
  console.log(
    `names of ${named.heads.length} heads: ${counts.join(', ')}; a round is ${named.length} tokens`,
  );
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** Of every name, the heads with the largest figures. */
function strongest(all: readonly NamedHead[], most: number): NamedHead[] {
  return PATTERNS.flatMap((name) =>
    all
      .filter(({ names }) => names[0] === name)
      .toSorted((a, b) => b.attention[name] - a.attention[name])
      .slice(0, most),
  );
}
