/**
 * Plans: a YAML file of settings and the values that they are to take (docs/sweeps.md). Every mistake is reported with
 * its line.
 */
import { readFile } from 'node:fs/promises';
import { isMap, isScalar, isSeq, LineCounter, parseDocument, type YAMLMap } from 'yaml';
import { camelCase, kebabCase } from '../case.js';
import { InputError } from '../errors.js';
import { fileError } from '../formats/file-error.js';
import { PLAN_SETTINGS, type PlanSettings } from './settings.js';

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
  let source: string;
  try {
    source = await readFile(path, 'utf8');
  } catch (error) {
    throw fileError(error, path);
  }
  return parsePlan(source, path);
}

export function parsePlan(source: string, path: string): PlanEntry[] {
  return new PlanReader(source, path).entries();
}

interface Node {
  range?: [number, number, number] | null;
  toJSON(): unknown;
}

class PlanReader {
  readonly #lines = new LineCounter();
  readonly #root: YAMLMap;

  constructor(
    source: string,
    private readonly path: string,
  ) {
    const document = parseDocument(source, { lineCounter: this.#lines });
    const [fault] = document.errors;
    if (fault)
      throw new InputError(
        `${this.at(fault.pos[0])}: ${fault.message.split('\n')[0]!.replace(/ at line.*$/, '')}`,
      );
    if (!isMap(document.contents))
      throw new InputError(`${path}:1: a plan is a mapping of settings; see docs/sweeps.md`);
    this.#root = document.contents;
  }

  entries(): PlanEntry[] {
    const runs = this.block(this.#root, {}, STRUCTURE);
    const included = this.list('include').flatMap((node) =>
      this.block(node, this.fixed(this.#root), ['matrix']),
    );
    const left = this.excluding([...(this.hasOwnRuns() ? runs : []), ...included]);
    if (left.length === 0)
      throw new InputError(`${this.path}: no run is left; give a matrix or include some`);
    return left;
  }

  /** Fixed settings alone are a run, too, unless they only serve what `include` adds. */
  private hasOwnRuns(): boolean {
    return this.#root.has('matrix') || !this.#root.has('include');
  }

  /** The runs of one block: its fixed settings, for each combination of its matrix. */
  private block(node: YAMLMap, base: PlanSettings, structure: string[]): PlanEntry[] {
    const where = this.of(node);
    const fixed = { ...base, ...this.fixed(node, structure) };
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

  private fixed(node: YAMLMap, structure: string[] = STRUCTURE): PlanSettings {
    const pairs = node.items
      .filter(({ key }) => !structure.includes(String(key)))
      .map(({ key, value }): [string, unknown] => {
        const setting = this.setting(key as Node);
        return [setting, this.value(setting, value as Node)];
      });
    return Object.fromEntries(pairs);
  }

  private matrix(node: YAMLMap): [string, unknown[]][] {
    const matrix = node.get('matrix', true) as unknown;
    if (matrix === undefined) return [];
    if (!isMap(matrix))
      throw new InputError(`${this.of(node)}: "matrix" is a mapping of settings to lists of values`);
    return matrix.items.map(({ key, value }) => {
      const setting = this.setting(key as Node);
      if (isSeq(value) && value.items.length > 0)
        return [setting, value.items.map((item) => this.value(setting, item as Node))];
      const range = isScalar(value) ? RANGE.exec(String(value.value)) : null;
      if (!range)
        throw new InputError(
          `${this.of(key as Node)}: "${String(key)}" in the matrix needs a list of values, or a range such as 0..9`,
        );
      const [from, to] = [Number(range[1]), Number(range[2])];
      if (to < from || to - from >= MOST_RUNS)
        throw new InputError(`${this.of(key as Node)}: the range ${range[0]} is empty or too long`);
      return [
        setting,
        Array.from({ length: to - from + 1 }, (_, i) => this.checked(setting, from + i, value as Node)),
      ];
    });
  }

  private excluding(entries: PlanEntry[]): PlanEntry[] {
    return this.list('exclude').reduce((left, node) => {
      const unwanted = Object.entries(this.fixed(node, []));
      const kept = left.filter(
        ({ settings }) =>
          !unwanted.every(
            ([key, value]) => JSON.stringify(settings[key as keyof PlanSettings]) === JSON.stringify(value),
          ),
      );
      if (kept.length === left.length) throw new InputError(`${this.of(node)}: excludes no run of the plan`);
      return kept;
    }, entries);
  }

  /** The blocks of `include` or `exclude`. */
  private list(name: string): YAMLMap[] {
    const list = this.#root.get(name, true) as unknown;
    if (list === undefined) return [];
    if (!isSeq(list) || !list.items.every(isMap))
      throw new InputError(`${this.of(list as Node)}: "${name}" is a list of mappings`);
    return list.items as YAMLMap[];
  }

  private setting(key: Node): keyof PlanSettings {
    const name = String(key);
    const setting = camelCase(name) as keyof PlanSettings;
    // Spelt as the flag is, so that plan, config file and command line read the same.
    if (Object.hasOwn(PLAN_SETTINGS, setting) && kebabCase(setting) === name) return setting;
    throw new InputError(`${this.of(key)}: "${name}" is no setting of a run; see orthoscope run --help`);
  }

  private value(setting: keyof PlanSettings, node: Node | null): unknown {
    if (node === null) throw new InputError(`${this.path}: "${kebabCase(setting)}" has no value`);
    const value = node.toJSON();
    return this.checked(setting, value === 'none' ? null : value, node);
  }

  private checked(setting: keyof PlanSettings, value: unknown, node: Node): unknown {
    const result = PLAN_SETTINGS[setting].safeParse(value);
    if (result.success) return result.data;
    throw new InputError(
      `${this.of(node)}: ${kebabCase(setting)} ${JSON.stringify(value)}: ${result.error.issues[0]!.message}`,
    );
  }

  private of(node: Node): string {
    return this.at(node.range?.[0] ?? 0);
  }

  private at(offset: number): string {
    const { line, col } = this.#lines.linePos(offset);
    return `${this.path}:${line}:${col}`;
  }
}
