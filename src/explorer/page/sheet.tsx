/** The sheet of what may be claimed (`verdict.json`): each question with its evidence, and what follows in a sentence. */
import { verdictHead, verdictRow } from '../../report/verdict-text.js';
import { Figure } from './figure.js';
import { Missing } from './missing.js';
import { useExplorer } from './state.js';
import { visible } from './text.js';

export function Sheet() {
  const { data } = useExplorer();
  const { verdict, folder } = data.core;
  if (!verdict)
    return (
      <Missing
        what="What may be claimed of this circuit was not tested"
        command={`orthoscope verdict ${folder}`}
      />
    );
  const lines = verdict.lines.map((line) => ({ ...line, row: verdictRow(line) }));
  return (
    <Figure
      title="What may be claimed"
      how={`${visible(verdictHead(verdict))}. Where a hypothesis is tested, p is the probability of a statistic as extreme if the hypothesis were true; at most ${verdict.measured.alpha} rejects it.`}
      numbers={{
        columns: ['question', 'evidence', 'tested hypothesis', 'statistic', 'value', 'n', 'p', 'p, Holm'],
        rows: lines.map(({ row, null_hypothesis, statistic, n, p, correction }) => [
          row.title,
          row.outcome,
          null_hypothesis && visible(null_hypothesis),
          statistic && visible(statistic.name),
          statistic?.value ?? null,
          n?.value ?? null,
          p,
          correction?.p ?? null,
        ]),
      }}
    >
      <div class="scroll">
        <table>
          <thead>
            <tr>
              <th scope="col">the circuit</th>
              <th scope="col" class="left">
                evidence
              </th>
              <th scope="col" class="left">
                what follows
              </th>
            </tr>
          </thead>
          <tbody>
            {lines.map(({ id, row, claim, limit }) => (
              <tr key={id}>
                <th scope="row">{row.title}</th>
                <td class="left">{row.outcome}</td>
                <td class="left">
                  {visible(claim)} <span class="dim">{visible(limit)}</span>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Figure>
  );
}
