/** `show`: what a run's folder holds of itself, of a component, a direction or a prompt. No engine is needed. */
import { InputError } from '../errors.js';
import { collect, reportedRun } from '../explorer/collect.js';
import type { Core, DirectionCard, MeasuredIntervention, Snapshot } from '../explorer/snapshot.js';
import type { PromptCard } from '../interpret/prompt-card.js';
import type { Given } from '../settings/commands.js';
import { complete } from '../settings/complete.js';

/** A direction in a list. */
export interface ListedDirection {
  direction: string;
  /** Null where nobody read the run's directions. */
  sigma: number | null;
  mask: number;
  /** Before rounding; null where there was none. */
  soft: number | null;
  in_circuit: boolean;
  card: DirectionCard | null;
}

export interface ListedComponent {
  name: string;
  kind: string;
  layer: number;
  head: number | null;
  directions: number;
  kept: number;
}

export interface ShownComponent extends ListedComponent {
  members: ListedDirection[];
}

export type Shown =
  | ({
      of: 'run';
      components: ListedComponent[];
      /** Those that have a card, the one on which most rests first. */
      strongest: ListedDirection[];
    } & Pick<Core, 'title' | 'source' | 'said' | 'verdict' | 'sizes' | 'prompts' | 'folder'>)
  | { of: 'component'; components: ShownComponent[] }
  | ({ of: 'direction'; interventions: MeasuredIntervention[] } & ListedDirection)
  | ({ of: 'prompt' } & PromptCard);

/**
 * @throws InputError if the folder holds no run that was evaluated, or nothing of it has that name
 * @example
 * const shown = await show({ run: 'runs/ioi', what: 'L2H3.ov.4' });
 * if (shown.of === 'direction') console.log(shown.card?.raises);
 */
export async function show(given: Given<'show'>): Promise<Shown> {
  const { run, what } = complete('show', given);
  const reported = await reportedRun(run);
  const snapshot = await collect(run, reported);
  if (what === null) return ofRun(snapshot);
  const { core, prompts } = snapshot;
  const all = listComponents(snapshot);
  const components = all.filter(({ name }) => name === what || name.startsWith(`${what}.`));
  if (components.length > 0) return { of: 'component', components };
  const direction = all.flatMap(({ members }) => members).find((each) => each.direction === what);
  if (direction) {
    const interventions = core.interventions.filter(({ directions }) => directions.includes(what));
    return { of: 'direction', ...direction, interventions };
  }
  const prompt =
    prompts.find(({ id }) => id === what) ?? (/^\d+$/.test(what) ? prompts[Number(what)] : undefined);
  if (prompt) return { of: 'prompt', ...prompt };
  const ids = prompts.map(({ id }) => id);
  const some = ids.length > 6 ? [...ids.slice(0, 6), '…'] : ids;
  throw new InputError(
    `${what}: is no head, component or direction such as ${core.components[0]!.name}.0, and no prompt that was taken apart` +
      (ids.length > 0 ? ` (there are ${some.join(', ')})` : ''),
  );
}

function ofRun(snapshot: Snapshot): Shown {
  const { title, folder, source, said, verdict, sizes, prompts } = snapshot.core;
  const all = listComponents(snapshot);
  return {
    ...{ of: 'run', title, folder, source, said, verdict, sizes, prompts },
    components: all.map(({ members: _, ...component }) => component),
    strongest: all
      .flatMap(({ members }) => members)
      .filter(({ card }) => card)
      .sort((a, b) => restsOn(b.card!) - restsOn(a.card!)),
  };
}

/** By how much KL grows when the direction is dropped. */
function restsOn({ importance }: DirectionCard): number {
  return (importance?.dropped ?? importance?.dropped_estimate)?.kl ?? Number.NEGATIVE_INFINITY;
}

function listComponents({ core, values, cards }: Snapshot): ShownComponent[] {
  const byName = new Map(cards.map((card) => [card.direction, card]));
  let flat = 0;
  return core.components.map((component) => {
    const members = Array.from({ length: component.directions }, (_, index): ListedDirection => {
      const [at, direction] = [flat++, `${component.name}.${index}`];
      const mask = values.masks![at]!;
      return {
        ...{ direction, mask, in_circuit: mask > core.threshold },
        sigma: values.sigma?.[at] ?? null,
        soft: values.soft?.[at] ?? null,
        card: byName.get(direction) ?? null,
      };
    });
    return { ...component, kept: members.filter(({ in_circuit }) => in_circuit).length, members };
  });
}
