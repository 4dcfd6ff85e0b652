/** What directions are called, in a run's `labels.csv`: by rule, until somebody writes something else there. */
import { type Label, readLabels, withRules, writeLabels } from '../formats/labels-file.js';
import { labelByRule } from './label-rules.js';
import type { Reading } from './readings.js';

export class DirectionLabels {
  private constructor(
    readonly path: string,
    private readonly labels: Map<string, Label>,
  ) {}

  /** @throws InputError if there is a file of that name that is none of labels */
  static async open(path: string): Promise<DirectionLabels> {
    return new DirectionLabels(path, new Map(await readLabels(path)));
  }

  /** Gives readings their labels, in place. */
  name(readings: readonly Reading[]): void {
    const rules = new Map(readings.map((reading) => [reading.direction, labelByRule(reading)]));
    // Those of these readings alone: all of them would be copied with each slice of a model's directions.
    const before = new Map<string, Label>();
    for (const direction of rules.keys()) {
      const own = this.labels.get(direction);
      if (own) before.set(direction, own);
    }
    for (const [direction, label] of withRules(before, rules)) this.labels.set(direction, label);
    for (const reading of readings) reading.label = this.labels.get(reading.direction)!.label;
  }

  write(): Promise<void> {
    return writeLabels(this.path, this.labels);
  }
}
