/** `orthoscope intervene`: changes directions and shows what that does, next to controls. */
import {
  intervene as changeDirections,
  estimateIntervene,
  type InterveneSummary,
} from '../../src/commands/intervene.js';
import type { Effect, Effects, Estimate } from '../../src/interpret/effects.js';
import { count, decimal, percent } from '../../src/report/figures.js';
import { textTable } from '../../src/report/text-table.js';
import type { Handler } from '../context.js';
import { readingEstimateText } from '../estimate-text.js';
import { figures, names, quoted } from '../text.js';

export const intervene: Handler<'intervene'> = async (settings, context) => {
  if (context.dryRun) {
    const estimate = await estimateIntervene(settings, context);
    context.result(estimate, readingEstimateText(estimate));
    return;
  }
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
  project: 'goes, with all else that the stream has along its direction',
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
    const column = (heading: string, text: (token: (typeof tokens)[0]) => string) =>
      figures(heading, tokens.map(text));
    parts.push(
      textTable([
        names(
          `next token, ×${scale}`,
          tokens.map(({ token }) => quoted(token)),
        ),
        column('before', ({ before }) => percent(before)),
        column('after', ({ after }) => percent(after)),
      ]),
    );
  }
  return parts.join('\n\n');
}

function effectsTable({ effects }: Effects): string {
  const text = (heading: string, cell: (effect: Effect) => string) => names(heading, effects.map(cell));
  const figure = (
    heading: string,
    places: number,
    of: (effect: Effect) => Estimate,
    spread: (effect: Effect) => string = (effect) => range(of(effect), places),
  ) =>
    figures(
      heading,
      effects.map((effect) => decimal(of(effect).value, places)),
      effects.map(spread),
    );
  return textTable([
    text('', ({ way }) => way),
    figures(
      '×',
      effects.map(({ scale }) => String(scale)),
    ),
    text('', ({ set, draws }) => (set === 'chosen' ? set : `${set} (${draws})`)),
    figure(
      'Δ logit difference',
      2,
      ({ change }) => change,
      ({ change, change_sd }) => (change_sd === null ? range(change, 2) : `± ${decimal(change_sd, 2)}`),
    ),
    figures(
      'flipped',
      effects.map(({ flipped }) => percent(flipped.value)),
    ),
    figures(
      'other next token',
      effects.map(({ next_token }) => percent(next_token.value)),
    ),
    figure('KL (nats)', 3, ({ kl }) => kl),
  ]);
}

function range({ value, interval }: Estimate, places: number): string {
  return interval && value !== null ? `[${interval.map((end) => decimal(end, places)).join(', ')}]` : '';
}

/** `−4.21 [−4.40, −4.02]`. */
function estimate(figure: Estimate, places: number): string {
  return `${decimal(figure.value, places)} ${range(figure, places)}`.trimEnd();
}
