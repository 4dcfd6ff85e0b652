/** `orthoscope intervene`: changes directions and shows what that does, next to controls. */
import { intervene as changeDirections, type InterveneSummary } from '../../src/commands/intervene.js';
import type { Effect, Effects, Estimate } from '../../src/interpret/effects.js';
import { count, decimal, percent } from '../../src/report/figures.js';
import { alignLeft, alignRight, besides } from '../../src/report/table.js';
import type { Handler } from '../context.js';

export const intervene: Handler<'intervene'> = async (settings, context) => {
  const { run, summary } = await changeDirections(settings, context);
  context.result({ run: run.path, ...summary }, `${summaryText(summary)}\n\nresults  ${run.path}`);
};

const BECOMES: Record<string, string> = {
  corrupted: "becomes the corrupted prompt's",
  opposite: 'becomes the mean over prompts with the opposite answer',
  mean: 'becomes the mean over prompts',
  ablate: 'becomes nothing',
  scale: 'becomes a multiple of itself',
  set: 'becomes --value',
  add: 'grows by --value',
};

/** What the command prints. */
export function summaryText(summary: InterveneSummary): string {
  const { data, directions, change, at, tested, unrelated, prompt, contrast } = summary;
  const where = at === 'last' ? 'the last token' : at === 'all' ? 'all tokens' : `tokens ${at}`;
  const listed = directions.length > 6 ? '' : ` (${directions.join(', ')})`;
  const head = [
    `${data}, ${count(tested.prompts)} prompt${tested.prompts === 1 ? '' : 's'}; ${count(directions.length)} directions${listed}: ` +
      `at ${where} each coefficient ${BECOMES[change]}`,
  ];
  if (prompt) head.push(prompt.join('│'));
  if (contrast)
    head.push(
      `${contrast.answers.map(quoted).join(' ')} against ${contrast.distractors.map(quoted).join(' ')}`,
    );
  head.push(`logit difference before ${estimate(tested.logit_difference, 2)}`);
  const parts = [head.join('\n'), effectsTable(tested)];
  if (unrelated)
    parts.push(
      `unrelated prompts (${unrelated.source}), ${count(unrelated.prompts)}: what else changes\n${effectsTable(unrelated)}`,
    );
  for (const { scale, tokens } of summary.next_tokens.slice(0, 1)) {
    const rows = [
      alignLeft([`next token, ×${scale}`, ...tokens.map(({ token }) => quoted(token))]),
      alignRight(['before', ...tokens.map(({ before }) => decimal(before))]),
      alignRight(['after', ...tokens.map(({ after }) => decimal(after))]),
    ];
    parts.push(besides(rows));
  }
  return parts.join('\n\n');
}

function effectsTable({ effects }: Effects): string {
  const text = (heading: string, cell: (effect: Effect) => string) =>
    alignLeft([heading, ...effects.map(cell)]);
  const columns = [
    text('', ({ way }) => way),
    text('', ({ set, draws }) => (set === 'chosen' ? set : `${set} (${draws})`)),
    alignRight(['×', ...effects.map(({ scale }) => String(scale))]),
    text('Δ logit difference', (effect) =>
      effect.set === 'chosen'
        ? estimate(effect.change, 2)
        : `${decimal(effect.change.value, 2)}${effect.change_sd === null ? '' : ` ± ${decimal(effect.change_sd, 2)}`}`,
    ),
    text('flipped', ({ flipped }) => percent(flipped.value)),
    text('other next token', ({ next_token }) => percent(next_token.value)),
    text('KL (nats)', ({ kl }) => estimate(kl, 3)),
  ];
  return besides(columns);
}

/** `−4.21 [−4.40, −4.02]`. */
function estimate({ value, interval }: Estimate, places: number): string {
  const range = interval ? ` [${interval.map((end) => decimal(end, places)).join(', ')}]` : '';
  return decimal(value, places) + (value === null ? '' : range);
}

function quoted(token: string): string {
  return JSON.stringify(token);
}
