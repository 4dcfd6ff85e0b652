/** `orthoscope interpret`: what directions write and read, what they do on prompts, how much rests on each. */
import {
  estimateInterpret,
  type InterpretSummary,
  interpret as readDirections,
} from '../../src/commands/interpret.js';
import type { Mean } from '../../src/interpret/mean-of.js';
import type { Reading, Spelt, SpeltRole } from '../../src/interpret/readings.js';
import { count, decimal, percent } from '../../src/report/figures.js';
import type { Handler } from '../context.js';
import { readingEstimateText } from '../estimate-text.js';
import { quoted, signed } from '../text.js';

export const interpret: Handler<'interpret'> = async (settings, context) => {
  if (context.dryRun) {
    const estimate = await estimateInterpret(settings, context);
    context.result(estimate, readingEstimateText(estimate));
    return;
  }
  const { run, summary, table } = await readDirections(settings, context);
  context.result({ run: run.path, table, ...summary }, `${readingsText(summary)}\n\ntable  ${table}`);
};

/** What the command prints: a card for each of the most important directions. */
export function readingsText({ directions, prompts, top }: InterpretSummary): string {
  const on = prompts > 0 ? ` on ${count(prompts)} prompts` : '';
  const shown = top.length < directions ? `, the ${count(top.length)} most important` : '';
  return [`${count(directions)} directions${on}${shown}`, ...top.map(cardText)].join('\n\n');
}

/** What a direction writes, reads and does. */
export function cardText(reading: Reading): string {
  const { direction, sigma, in_circuit, variance_share, adds, groups, importance, neurons } = reading;
  const facts = [`${direction}${in_circuit ? ' ●' : ''}`, `σ ${decimal(sigma, 2)}`];
  if (variance_share !== null) facts.push(`${percent(variance_share)} of ${reading.component}'s variance`);
  if (adds) facts.push(`adds ${signed(adds.mean, 2)}${range(adds)} to the logit difference`);
  const lines = [facts.join('   ')];
  const line = (name: string, text: string) => lines.push(`  ${name.padEnd(9)} ${text}`);
  if (reading.label) line('label', reading.label);
  for (const { text, value } of (reading.contexts ?? []).slice(0, CONTEXTS))
    line('context', `${decimal(value, 2)} ${quoted(text)}`);
  const { dropped, added } = importance ?? {};
  if (dropped) line('dropped', `KL ${signed(dropped.kl)}${logits(dropped.logit_difference)}`);
  if (added) line('alone', `KL ${signed(added.kl)}${logits(added.logit_difference)}`);
  if (groups)
    line(
      'mean',
      Object.entries(groups)
        .map(([group, mean]) => `${group} ${decimal(mean.mean, 2)}${range(mean)}`)
        .join('   '),
    );
  if (reading.role) for (const [name, text] of roleLines(reading.role)) line(name, text);
  const ends: [string, Spelt[] | null][] = [
    ['raises', reading.raises],
    ['lowers', reading.lowers],
    [reading.keys ? 'queries +' : 'reads +', reading.reads],
    [reading.keys ? 'queries −' : 'reads −', reading.reads_against],
    ['keys +', reading.keys],
    ['keys −', reading.keys_against],
  ];
  for (const [name, tokens] of ends)
    if (tokens) line(name, tokens.map(({ token }) => quoted(token)).join(' '));
  if (neurons) line('neurons', neurons.map(({ id, value }) => `${id} (${signed(value, 2)})`).join(' '));
  return lines.join('\n');
}

/** Contexts that are shown, at most. */
const CONTEXTS = 3;
/** Classes that are shown, at most. */
const CLASSES = 3;

/** The best separated classes, and the highest keys. */
function roleLines({ classes, highest }: SpeltRole): [string, string][] {
  const shown = classes.filter(({ separation }) => separation && separation.q < 0.05).slice(0, CLASSES);
  return [
    ...shown.map(({ class: name, score, top, chance, separation, attention }): [string, string] => [
      'key',
      `${name}: score ${signed(score.mean, 2)}${range(score)}, highest ${percent(top)} (by chance ${percent(chance)}), ` +
        `separation ${signed(separation!.effect, 2)}, attention ${percent(attention.full)}, ` +
        `alone ${percent(attention.alone)}, without ${percent(attention.without)}`,
    ]),
    ['top keys', highest.map(({ token, score }) => `${quoted(token)} ${signed(score, 2)}`).join(' ')],
  ];
}

function range({ low, high }: Mean): string {
  return low === null || high === null ? '' : ` [${decimal(low, 2)}, ${decimal(high, 2)}]`;
}

function logits(change: number | null): string {
  return change === null ? '' : `, logit difference ${signed(change)}`;
}
