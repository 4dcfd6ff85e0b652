/**
 * Plans: a YAML file of settings and the values that they are to take (docs/sweeps.md). Every mistake is reported with
 * its line.
 */
import { InputError } from '../errors.js';
import { COMMANDS, type Given } from '../settings/commands.js';
import type { Table } from '../settings/table.js';
import {
  isMap,
  isScalar,
  isSeq,
  readText,
  SettingsFile,
  type YAMLMap,
  type YamlNode,
} from '../settings/yaml.js';

/** What a plan may name: every setting of `orthoscope run` that its result follows from. */
export type PlanSettings = Given<'run'>;

const PLAN_SETTINGS: Table = Object.fromEntries(
  Object.entries(COMMANDS.run).filter(([, { determines }]) => determines),
);

/** A run that a plan asks for. */
export interface PlanEntry {
  settings: PlanSettings;
  /** Path and line of the block it comes from, for messages. */
  where: string;
}

/** More is a mistake in the plan, not a wish. */
const MOST_RUNS = 100_000;

/** `matrix` and fixed settings make runs; `include` adds blocks of the same kind, `exclude` takes runs away. */
const STRUCTURE = ['matrix', 'include', 'exclude'];

/** `0..9` */
const RANGE = /^(-?\d+)\.\.(-?\d+)$/;

/**
 * @returns the runs in the plan's order: the matrix with its last key varying fastest, then those of `include`
 * @throws InputError naming file, line and column
 */
export async function readPlan(path: string): Promise<PlanEntry[]> {
  return parsePlan(await readText(path), path);
}

export function parsePlan(source: string, path: string): PlanEntry[] {
  return new PlanReader(new SettingsFile(source, path, PLAN_SETTINGS, 'run')).entries();
}

class PlanReader {
  constructor(private readonly file: SettingsFile) {}

  entries(): PlanEntry[] {
    const { root } = this.file;
    const runs = this.block(root, {}, STRUCTURE);
    const included = this.list('include').flatMap((node) =>
      this.block(node, this.file.settings(root, STRUCTURE), ['matrix']),
    );
    const left = this.excluding([...(this.hasOwnRuns() ? runs : []), ...included]);
    if (left.length === 0)
      throw new InputError(`${this.file.path}: no run is left; give a matrix or include some`);
    return left;
  }

  /** Fixed settings alone are a run, too, unless they only serve what `include` adds. */
  private hasOwnRuns(): boolean {
    return this.file.root.has('matrix') || !this.file.root.has('include');
  }

  /** The runs of one block: its fixed settings, for each combination of its matrix. */
  private block(node: YAMLMap, base: PlanSettings, structure: string[]): PlanEntry[] {
    const where = this.file.of(node);
    const fixed = { ...base, ...this.file.settings(node, structure) };
    let combinations: PlanSettings[] = [fixed];
    for (const [key, values] of this.matrix(node)) {
      if (combinations.length * values.length > MOST_RUNS)
        throw new InputError(`${where}: more than ${MOST_RUNS} runs; take some values out of the matrix`);
      combinations = combinations.flatMap((settings) =>
        values.map((value) => ({ ...settings, [key]: value })),
      );
    }
    return combinations.map((settings) => ({ settings, where }));
  }

  private matrix(node: YAMLMap): [string, unknown[]][] {
    const matrix = node.get('matrix', true) as unknown;
    if (matrix === undefined) return [];
    if (!isMap(matrix))
      throw new InputError(`${this.file.of(node)}: "matrix" is a mapping of settings to lists of values`);
    return matrix.items.map(({ key, value }) => {
      const setting = this.file.key(key as YamlNode);
      if (isSeq(value) && value.items.length > 0)
        return [setting, value.items.map((item) => this.file.value(setting, item as YamlNode))];
      const where = this.file.of(key as YamlNode);
      const range = isScalar(value) ? RANGE.exec(String(value.value)) : null;
      if (!range)
        throw new InputError(
          `${where}: "${String(key)}" in the matrix needs a list of values, or a range such as 0..9`,
        );
      const [from, to] = [Number(range[1]), Number(range[2])];
      if (to < from || to - from >= MOST_RUNS)
        throw new InputError(`${where}: the range ${range[0]} is empty or too long`);
      const numbers = Array.from({ length: to - from + 1 }, (_, i) => from + i);
      return [setting, numbers.map((number) => this.file.read(setting, number, value as YamlNode))];
    });
  }

  private excluding(entries: PlanEntry[]): PlanEntry[] {
    return this.list('exclude').reduce((left, node) => {
      const unwanted = Object.entries(this.file.settings(node));
      const kept = left.filter(
        ({ settings }) =>
          !unwanted.every(([key, value]) => isSame(settings[key as keyof PlanSettings], value)),
      );
      if (kept.length === left.length)
        throw new InputError(`${this.file.of(node)}: excludes no run of the plan`);
      return kept;
    }, entries);
  }

  /** The blocks of `include` or `exclude`. */
  private list(name: string): YAMLMap[] {
    const list = this.file.root.get(name, true) as unknown;
    if (list === undefined) return [];
    if (!isSeq(list) || !list.items.every(isMap))
      throw new InputError(`${this.file.of(list as YamlNode)}: "${name}" is a list of mappings`);
    return list.items as YAMLMap[];
  }
}

/** Whether two settings' values are equal; some are lists. */
function isSame(a: unknown, b: unknown): boolean {
  return a === b || (typeof a === 'object' && JSON.stringify(a) === JSON.stringify(b));
}
