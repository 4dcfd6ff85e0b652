/** `orthoscope score`: what directions respond to, over large data sets. */
import { estimateScore, mergeScores, score as scoreData, showScores } from '../../src/commands/score.js';
import { formatByteSize } from '../../src/formats/byte-size.js';
import { count, duration } from '../../src/report/figures.js';
import { scoresTable } from '../../src/score/scores-table.js';
import type { ScoreOutcome } from '../../src/score/scoring.js';
import type { Estimate } from '../../src/score/scoring-estimate.js';
import type { Context, Handler } from '../context.js';
import { withView } from '../sweep-view.js';

export const score: Handler<'score'> = async (settings, context) => {
  if (context.dryRun) {
    const estimate = await estimateScore(settings, context);
    context.result(estimate, estimateLines(estimate).join('\n'));
    return;
  }
  const outcome = await withView(context, 'shards', (listener) => scoreData(settings, listener));
  printOutcome(outcome, context);
};

export const merge: Handler<'score merge'> = async (settings, context) =>
  printOutcome(await mergeScores(settings, context), context);

export const show: Handler<'score show'> = async (settings, context) => {
  const ranked = await showScores(settings);
  context.result(ranked, ranked.map(scoresTable).join('\n\n'));
};

function printOutcome({ run, counters, directions, tables }: ScoreOutcome, context: Context): void {
  const lines = Object.entries(counters).map(
    ([name, { prompts, tokens, rejected, windows }]) =>
      `${name}: ${prompts} prompts, ${tokens} tokens, ${windows} further windows, ${rejected} rejected`,
  );
  const files = Object.entries(tables ?? {}).map(([name, path]) => `${name.padEnd(10)}  ${path}`);
  context.result(
    { run: run.path, directions, counters, tables },
    [...lines, `${directions} directions`, ...files].join('\n'),
  );
}

function estimateLines({
  data_sets,
  seconds,
  tokens_per_second,
  directions,
  memory_bytes,
  disk_bytes,
}: Estimate): string[] {
  const about = (value: number | null) => (value === null ? 'as much as comes' : `about ${count(value)}`);
  const sets = Object.entries(data_sets).map(
    ([name, { prompts, tokens, sampled, rejected }]) =>
      `${name}: prompts ${about(prompts)}, tokens ${about(tokens)} (of the first ${sampled} records ${rejected} would be rejected)`,
  );
  const memory = Object.entries(memory_bytes).map(([name, bytes]) => `${name} ${amount(bytes)}`);
  const disk = Object.entries(disk_bytes).map(([name, bytes]) => `${name} ${amount(bytes)}`);
  return [
    ...sets,
    `${count(directions)} directions`,
    `time    ${seconds === null ? '' : `${duration(seconds)} at `}${count(tokens_per_second)} tokens/s`,
    `memory  ${memory.join(', ')}`,
    `disk    ${disk.join(', ')}`,
  ];
}

function amount(bytes: number | null): string {
  return bytes === null ? 'unknown' : formatByteSize(bytes);
}
