/** `orthoscope show`: cards as text. */
import {
  type ListedComponent,
  type ListedDirection,
  show as readShown,
  type Shown,
  type ShownComponent,
} from '../../src/commands/show.js';
import type { StrongExample } from '../../src/explorer/snapshot.js';
import type { HeadPattern, LogitParts, PromptCard } from '../../src/interpret/prompt-card.js';
import { oneLine } from '../../src/plain-text.js';
import { indexRanges } from '../../src/report/circuit.js';
import { count, decimal, percent } from '../../src/report/figures.js';
import { textTable } from '../../src/report/text-table.js';
import { verdictRow } from '../../src/report/verdict-text.js';
import { complete } from '../../src/settings/complete.js';
import type { Handler } from '../context.js';
import { hasColours, paint, shaded, sparkline } from '../paint.js';
import { figures, names, quoted, sideBySide, signed } from '../text.js';
import { cardText } from './interpret.js';

export const show: Handler<'show'> = async (settings, context) => {
  const shown = await readShown(settings);
  context.result(shown, shownText(shown, settings.top ?? complete('show', { run: '.' }).top));
};

/** What the command prints: `top` rows of each table. */
export function shownText(shown: Shown, top: number): string {
  switch (shown.of) {
    case 'run':
      return runText(shown, top);
    case 'component':
      return shown.components.map((component) => componentText(component, top)).join('\n\n');
    case 'direction':
      return directionText(shown);
    case 'prompt':
      return promptText(shown, top);
  }
}

function runText(run: Extract<Shown, { of: 'run' }>, top: number): string {
  const { title, source, said, verdict, components, sizes, strongest, prompts, folder } = run;
  const circuit = said.rows.find(({ isCircuit }) => isCircuit)!.figures;
  const kept = components.reduce((sum, component) => sum + component.kept, 0);
  const all = components.reduce((sum, { directions }) => sum + directions, 0);
  const lines = [
    paint(oneLine(`${title}, ${source}`), 'strong'),
    `${count(kept)} of ${count(all)} directions kept; KL ${circuit.kl.value} ${circuit.kl.spread}, same next token ${circuit.exact_match.value}`,
    ...[said.attack, said.control, said.unsettled].filter((line) => line !== null),
    '',
    gridText(components),
  ];
  if (verdict)
    lines.push(
      '',
      textTable([
        names(
          'the circuit',
          verdict.lines.map((line) => verdictRow(line).title),
        ),
        names(
          'evidence',
          verdict.lines.map((line) => verdictRow(line).outcome),
        ),
      ]),
    );
  if (sizes)
    lines.push(
      '',
      `KL by size  ${sparkline(sizes.map(({ kl }) => kl))}  ${count(sizes[0]!.kept)} to ${count(sizes.at(-1)!.kept)} directions`,
    );
  if (strongest.length > 0) lines.push('', listText(strongest.slice(0, top)));
  if (prompts.length > 0)
    lines.push(
      '',
      'prompts taken apart',
      ...prompts.slice(0, top).map(({ text }, at) => `  ${at}  ${cut(text, 90)}`),
    );
  lines.push(
    '',
    paint(`more: orthoscope show ${folder} ${strongest[0]?.direction ?? components[0]!.name}`, 'dim'),
  );
  return lines.join('\n');
}

/** Directions kept of each component, layers down, heads across; the deeper the blue, the larger the share. */
function gridText(components: readonly ListedComponent[]): string {
  const kinds = [...new Set(components.map(({ kind }) => kind))];
  return kinds
    .map((kind) => {
      const own = components.filter((component) => component.kind === kind);
      const width = 1 + Math.max(...own.map(({ kept }) => String(kept).length), 3);
      const layers = [...new Set(own.map(({ layer }) => layer))];
      const heads = 1 + Math.max(...own.map(({ head }) => head ?? 0));
      const heading =
        own[0]!.head === null
          ? ''
          : Array.from({ length: heads }, (_, head) => `H${head}`.padStart(width)).join('');
      return [
        `${kind.padEnd(8)}${heading}`,
        ...layers.map((layer) => {
          const cells = own.filter((component) => component.layer === layer);
          const text = cells.map(({ kept, directions }) =>
            shaded((kept === 0 ? '·' : String(kept)).padStart(width), Math.sqrt(kept / directions), 1),
          );
          return `${`L${layer}`.padEnd(8)}${text.join('')}`;
        }),
      ].join('\n');
    })
    .reduce(sideBySide);
}

function listText(directions: readonly ListedDirection[]): string {
  const rests = ({ card }: ListedDirection) => {
    const { dropped, dropped_estimate: estimate } = card?.importance ?? {};
    return dropped ? signed(dropped.kl) : estimate ? `≈ ${signed(estimate.kl)}` : '';
  };
  return textTable([
    names(
      'direction',
      directions.map(({ direction, in_circuit }) => `${in_circuit ? '●' : '○'} ${direction}`),
    ),
    figures(
      'σ',
      directions.map(({ sigma }) => decimal(sigma, 2)),
    ),
    figures(
      'mask',
      directions.map(({ soft, mask }) => decimal(soft ?? mask, 2)),
    ),
    figures('KL without it', directions.map(rests)),
    figures(
      'adds',
      directions.map(({ card }) => (card?.adds ? signed(card.adds.mean) : '')),
    ),
    names(
      'label',
      directions.map(({ card }) => cut(card?.label ?? '', 60)),
    ),
  ]);
}

function cut(text: string, most: number): string {
  const line = oneLine(text);
  return line.length > most ? `${line.slice(0, most - 1)}…` : line;
}

function componentText({ name, kept, directions, members }: ShownComponent, top: number): string {
  const indices = members.flatMap(({ in_circuit }, index) => (in_circuit ? [index] : []));
  const lines = [
    paint(`${name}: ${count(kept)} of ${count(directions)} kept`, 'strong') +
      (kept > 0 ? `: ${indexRanges(indices)}` : ''),
  ];
  const spectrum = members.flatMap(({ sigma }) => sigma ?? []);
  if (spectrum.length > 0) lines.push(`σ     ${sparkline(binned(spectrum))}`);
  lines.push(`mask  ${sparkline(binned(members.map(({ soft, mask }) => soft ?? mask)))}`);
  const shown = [...members].sort((a, b) => Number(b.in_circuit) - Number(a.in_circuit)).slice(0, top);
  return [
    ...lines,
    listText(shown),
    ...(members.length > top ? [`… ${count(members.length - top)} more`] : []),
  ].join('\n');
}

/** At most so many bars, each the largest of its values. */
const WIDEST = 72;

function binned(values: readonly number[]): number[] {
  const each = Math.ceil(values.length / WIDEST);
  return Array.from({ length: Math.ceil(values.length / each) }, (_, bar) =>
    Math.max(...values.slice(bar * each, (bar + 1) * each)),
  );
}

function directionText(shown: Extract<Shown, { of: 'direction' }>): string {
  const { direction, sigma, mask, soft, in_circuit, card, interventions } = shown;
  const lines = card
    ? [cardText(card)]
    : [
        `${direction}${in_circuit ? ' ●' : ''}   σ ${decimal(sigma, 2)}`,
        '  what it writes, reads and does was not computed; orthoscope interpret does',
      ];
  lines.push(
    `  mask      ${decimal(mask, 3)}${soft === null ? '' : `, before rounding ${decimal(soft, 3)}`}`,
  );
  for (const { change, at, directions, effects, folder } of interventions)
    for (const effect of effects)
      lines.push(
        `  ${folder}: ${change} at ${at}${directions.length > 1 ? `, with ${directions.length - 1} others` : ''}, ${effect.set}, ${effect.way} ×${effect.scale}: ` +
          `logit difference ${effect.change.value === null ? '–' : signed(effect.change.value)}, KL ${decimal(effect.kl.value)}`,
      );
  if (card?.examples) lines.push('', ...exampleLines(card.examples));
  return lines.join('\n');
}

/** Contexts with the tokens shaded by the direction's value; without colours, the largest values stand behind them. */
function exampleLines(examples: readonly StrongExample[]): string[] {
  const largest = Math.max(
    ...examples.flatMap(({ values }) => values.map((value) => Math.abs(value ?? 0))),
    1e-9,
  );
  return examples.slice(0, 12).map(({ value, data_set, tokens, values }) => {
    const text = tokens.map((token, at) => {
      const own = values[at] ?? 0;
      if (hasColours()) return shaded(token, own, largest);
      return Math.abs(own) > largest / 2 ? `${token}(${signed(own, 1)})` : token;
    });
    return `  ${signed(value, 2).padStart(8)}  ${data_set}  ${text.join('').replaceAll('\n', '\\n')}`;
  });
}

function promptText(card: PromptCard, top: number): string {
  const { id, tokens, corrupted, answers, distractors, next_tokens, kl, full, circuit, attention } = card;
  const lines = [paint(oneLine(`prompt ${id}`), 'strong'), oneLine(tokens.join(''))];
  if (corrupted) lines.push(paint(oneLine(`what is left out reads: ${corrupted.join('')}`), 'dim'));
  lines.push('', nextText(next_tokens.slice(0, top)));
  if (kl !== null) lines.push('', `KL(full ‖ circuit) ${decimal(kl)} nats`);
  if (full) {
    const of = circuit ? `, of the circuit ${decimal(circuit.total, 3)}` : '';
    lines.push(
      '',
      `logit difference ${answers.map(quoted).join(' ')} against ${distractors.map(quoted).join(' ')}: ${decimal(full.total, 3)}${of}; the sum of`,
      '',
      sideBySide(partsText('components', full, circuit, top), partsText('directions', full, circuit, top)),
    );
  }
  const strongest = full?.components.find(([name]) => name.endsWith('.ov'))?.[0].slice(0, -3);
  const head = attention.find((pattern) => pattern.head === strongest) ?? attention[0];
  if (head) lines.push('', attentionText(head, tokens, top));
  return lines.join('\n');
}

function nextText(next: PromptCard['next_tokens']): string {
  const bar = (share: number) => '█'.repeat(Math.round(12 * share));
  const hasCircuit = next.some(({ circuit }) => circuit !== null);
  return textTable([
    names(
      'next token',
      next.map(({ token }) => quoted(token)),
    ),
    figures(
      'full',
      next.map(({ full }) => percent(full)),
    ),
    names(
      '',
      next.map(({ full }) => bar(full)),
    ),
    ...(hasCircuit
      ? [
          figures(
            'circuit',
            next.map(({ circuit }) => percent(circuit)),
          ),
          names(
            '',
            next.map(({ circuit }) => bar(circuit ?? 0)),
          ),
        ]
      : []),
  ]);
}

function partsText(
  by: 'components' | 'directions',
  full: LogitParts,
  circuit: LogitParts | null,
  top: number,
): string {
  const shown = full[by].slice(0, top);
  const own = circuit && new Map(circuit[by]);
  return textTable([
    names(
      by.slice(0, -1),
      shown.map(([name]) => name),
    ),
    figures(
      'full',
      shown.map(([, value]) => signed(value)),
    ),
    ...(own
      ? [
          figures(
            'circuit',
            shown.map(([name]) => (own.has(name) ? signed(own.get(name)!) : '')),
          ),
        ]
      : []),
  ]);
}

/** Where a head looks from the last token. */
function attentionText({ head, full, kept }: HeadPattern, tokens: readonly string[], top: number): string {
  const last = full.at(-1)!;
  const order = [...last.keys()].sort((a, b) => last[b]! - last[a]!).slice(0, top);
  const text = tokens
    .map((token, at) => shaded(token, last[at]!, 1))
    .join('')
    .replaceAll('\n', '\\n');
  return [
    `${head} from the last token: ${text}`,
    textTable([
      names(
        'looks at',
        order.map((at) => `${at} ${quoted(tokens[at]!)}`),
      ),
      figures(
        'attention',
        order.map((at) => percent(last[at]!)),
      ),
      ...(kept
        ? [
            figures(
              'kept only',
              order.map((at) => percent(kept.at(-1)![at]!)),
            ),
          ]
        : []),
    ]),
  ].join('\n');
}
