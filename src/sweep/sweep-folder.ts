/** A sweep's folder: its runs, and beside them the plan and the tables. */
import { existsSync } from 'node:fs';
import { InputError } from '../errors.js';
import { JobsFolder, namesIn } from '../queue/jobs-folder.js';

/** What may lie in a folder before its first sitting: hidden files, the plan, a cluster's logs. */
const BEFOREHAND = /^\.|^plan\.yaml$|\.(out|err|log)$/;

export class SweepFolder extends JobsFolder {
  /** @throws InputError unless there is a sweep in it */
  mustExist(): void {
    if (!existsSync(this.file('runs'))) throw new InputError(`${this.root}: holds no sweep`);
  }

  /** @throws InputError if there is something else in it than a sweep */
  async mustBeFree(): Promise<void> {
    const names = (await namesIn(this.root)).filter((name) => !BEFOREHAND.test(name));
    if (names.length > 0 && !names.includes('runs'))
      throw new InputError(
        `${this.root}: holds files that are no sweep's (${names[0]}); name an empty or a new folder`,
      );
  }
}
