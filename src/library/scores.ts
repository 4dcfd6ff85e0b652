/** A folder of scores, made here or by the command line: what directions respond to. */
import { score } from '../commands/score.js';
import { InputError } from '../errors.js';
import { openRun } from '../formats/run-folder.js';
import type { Listener } from '../progress.js';
import { type RankedDataSet, rankDirections, readDirections, readExamples } from '../score/read-tables.js';
import type { DirectionRow, ExampleRow } from '../score/tables.js';
import type { Ranking } from '../settings/choices.js';
import type { ScoreOptions } from './options.js';

/** The tables of a scoring (docs/scoring.md, "Files"). */
export class Scores {
  private constructor(
    /** Its folder. */
    readonly path: string,
  ) {}

  /**
   * Opens a folder of scores.
   * @throws InputError if it holds none
   * @example
   * import { Scores } from 'orthoscope';
   *
   * const scores = await Scores.open('scores');
   * for (const { direction, mean } of (await scores.rank({ by: 'mean', top: 3 }))[0].rows) console.log(direction, mean);
   */
  static async open(folder: string): Promise<Scores> {
    const { manifest, path } = await openRun(folder);
    if (!manifest.command.startsWith('score'))
      throw new InputError(`${path}: holds a run of "${manifest.command}", no scores`);
    return new Scores(path);
  }

  /**
   * Does what `orthoscope score` does: reads directions' coefficients over files of any size, into a folder.
   * @throws InputError if a setting, the model or the data are wrong; InterruptedError if the signal fires, after what
   *   is needed to go on with `resume: true` was saved
   * @example
   * import { Scores } from 'orthoscope';
   *
   * const scores = await Scores.make({ run: 'embedded', directions: 'L1H0.ov', data: ['prompts.jsonl'], out: 'new-scores' });
   * const [row] = await scores.directions();
   * const [strongest] = await scores.examples(row.direction);
   * console.log(row.direction, row.sigma, row.mean, strongest.token);
   */
  static async make(settings: ScoreOptions, listener: Listener = {}): Promise<Scores> {
    return new Scores((await score(settings, listener)).run.path);
  }

  /**
   * The strongest directions of each data set.
   * @param options.by by default Cohen's d, or variance where there were no corrupted prompts
   * @param options.top how many; 20 by default
   * @throws InputError if the ranking needs corrupted prompts that are not there
   * @example
   * import { Scores } from 'orthoscope';
   *
   * const scores = await Scores.open('scores');
   * for (const { dataSet, rows } of await scores.rank({ by: 'variance', top: 3 }))
   *   console.log(dataSet, rows.map(({ direction, variance }) => `${direction} ${variance}`));
   */
  rank({ by = null, top = 20 }: { by?: Ranking | null; top?: number } = {}): Promise<RankedDataSet[]> {
    return rankDirections(this.path, by, top);
  }

  /**
   * Every row of `directions.parquet`: one per data set and direction.
   * @throws InputError if it is damaged
   * @example
   * import { Scores } from 'orthoscope';
   *
   * const rows = await (await Scores.open('scores')).directions();
   * console.log(rows.filter(({ component, mean }) => component === 'L1H0.ov' && mean > 0).length);
   */
  async directions(): Promise<DirectionRow[]> {
    const rows: DirectionRow[] = [];
    for await (const row of readDirections(this.path)) rows.push(row);
    return rows;
  }

  /**
   * The strongest examples of a direction, in the table's order.
   * @param direction e.g. `L9H6.ov.3`
   * @param dataSet of this data set alone; of all by default
   * @throws InputError if the table is damaged
   * @example
   * import { Scores } from 'orthoscope';
   *
   * for (const { token, value } of await (await Scores.open('scores')).examples('L1H0.ov.0')) console.log(value, token);
   */
  examples(direction: string, dataSet?: string): Promise<ExampleRow[]> {
    return readExamples(
      this.path,
      (ofSet, ofDirection) => ofDirection === direction && (dataSet === undefined || dataSet === ofSet),
    );
  }
}
