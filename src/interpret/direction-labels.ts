/** What directions are called, in a run's `labels.csv`: by rule, until somebody writes something else there. */
import { type Labels, readLabels, withRules, writeLabels } from '../formats/labels-file.js';
import { labelByRule } from './label-rules.js';
import type { Reading } from './readings.js';

export class DirectionLabels {
  private constructor(
    readonly path: string,
    private labels: Labels,
  ) {}

  /** @throws InputError if there is a file of that name that is none of labels */
  static async open(path: string): Promise<DirectionLabels> {
    return new DirectionLabels(path, await readLabels(path));
  }

  /** Gives readings their labels, in place. */
  name(readings: readonly Reading[]): void {
    this.labels = withRules(
      this.labels,
      new Map(readings.map((reading) => [reading.direction, labelByRule(reading)])),
    );
    for (const reading of readings) reading.label = this.labels.get(reading.direction)!.label;
  }

  write(): Promise<void> {
    return writeLabels(this.path, this.labels);
  }
}
