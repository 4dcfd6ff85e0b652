/** Makes the sheet: runs every test on a circuit, and corrects the p-values of those that are about the same claim. */
import { type Circuit, noneKept } from '../evaluate/controls.js';
import type { SplitMetrics } from '../evaluate/metrics-file.js';
import type { LongCall } from '../progress.js';
import { holm } from '../statistics/multiple-testing.js';
import { mean } from '../statistics/summary.js';
import { type AgainstChance, againstChance, CHANCES, type Chance } from './against-chance.js';
import { type KnockoutSettings, knockouts } from './knockouts.js';
import {
  adversaryLine,
  chanceLine,
  equivalenceLine,
  independenceLine,
  knockoutsLine,
  minimalityLine,
  missing,
} from './lines.js';
import { membersTested } from './members.js';
import { type OtherTask, otherTaskLine, otherTaskTest } from './other-circuits.js';
import { keepingOnly, sidesOf, type TestedCircuit, type TestSettings, without } from './tested-circuit.js';
import { LINES, type Line, type LineId, type Verdict } from './verdict-file.js';

export interface JudgeSettings extends TestSettings, Omit<KnockoutSettings, 'seed'> {
  /** Members of which it is tested whether they are missed. */
  members: number;
  permutations: number;
}

/** What is known of the circuit beside what is measured here. */
export interface Beside {
  /** The run's figures; null where it was not evaluated. */
  metrics: SplitMetrics | null;
  otherTask: OtherTask | null;
  /** Lines that others made. */
  lines: readonly Line[];
}

/** How to measure what is measured only if it is asked for. */
const ASKED: Partial<Record<LineId, string>> = {
  other_task: 'name a run of another task with --other',
  shuffled_weights: 'it was turned off, or the run was not trained here',
  found_again: 'name a sweep with --sweep',
  rival: 'it was turned off, or the run was not trained here',
  head_groups: 'name a file of groups with --groups',
};

/** @returns the sheet but for what was measured on what */
export async function judge(
  circuit: TestedCircuit,
  settings: JudgeSettings,
  { metrics, otherTask, lines }: Beside,
  call: LongCall = {},
): Promise<Pick<Verdict, 'circuit' | 'lines'>> {
  const { alpha, seed } = settings;
  const { all, kept } = sidesOf(circuit);
  const scores = (masks: Float32Array) => circuit.prompts.score(masks, { signal: call.signal });
  const own = await scores(keepingOnly(circuit, kept));
  const nothing = await scores(noneKept(circuit as Pick<Circuit, 'layout' | 'masked'>));
  const rest = await scores(without(circuit, kept));
  const scored = { circuit: own.logit_diff, model: own.full_logit_diff, rest: rest.logit_diff };

  const chances = new Map<Chance, AgainstChance | null>();
  for (const which of CHANCES) chances.set(which, await againstChance(circuit, which, settings, call));
  // Each of these claims that the circuit is better than others: together they are corrected.
  const tested = [...chances].flatMap(([id, found]): [LineId, number][] => (found ? [[id, found.p]] : []));
  if (otherTask) tested.push(['other_task', otherTaskTest(otherTask).p]);
  const adjusted = holm(tested.map(([, p]) => p));
  const corrected = new Map(tested.map(([id], i) => [id, adjusted[i]!]));
  const together = (id: LineId) => ({ alpha, tests: tested.length, corrected: corrected.get(id) ?? 1 });

  const members = await membersTested(circuit, { ...settings, most: settings.members }, call);
  const knocked = await knockouts(circuit, settings, call);
  const made = [
    equivalenceLine(scored, alpha),
    independenceLine(scored, { permutations: settings.permutations, seed, alpha }),
    minimalityLine(members, { members: kept.length, alpha, name: (place) => nameOf(circuit, place) }),
    ...CHANCES.map((id) => chanceLine(id, chances.get(id)!, together(id))),
    knockoutsLine(knocked, alpha),
    adversaryLine(metrics),
    ...(otherTask ? [otherTaskLine(otherTask, together('other_task'))] : []),
    ...lines,
  ];
  return {
    circuit: {
      kept: kept.length,
      directions: all.length,
      kl: mean(own.kl)!,
      kl_of_nothing: mean(nothing.kl)!,
    },
    lines: LINES.map((id) => made.find((line) => line.id === id) ?? missing(id, ASKED[id]!)),
  };
}

/** `L9H6.ov.3`. */
function nameOf({ layout, masked }: TestedCircuit, place: number): string {
  const component = masked.findLast((one) => layout.of(one).start <= place)!;
  return `${component.name}.${place - layout.of(component).start}`;
}
