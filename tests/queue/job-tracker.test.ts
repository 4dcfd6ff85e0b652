import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { JobTracker, readProgress } from '../../src/queue/job-tracker.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const path = join(temporaryFolder(), 'progress.json');

it('progress comes back as it was written', async () => {
  const tracker = new JobTracker(3, 1, new Map([['a', 'seed=1']]));
  tracker.take({ type: 'started', id: 'a', worker: 'w' });
  const state = tracker.state();
  writeFileSync(path, JSON.stringify(state));
  expect(await readProgress(path)).toEqual(state);
});

it.each([
  ['{}', /progress\.json: total: missing/],
  [
    '{"total":1,"complete":-1,"found":0,"failed":0,"running":[],"seconds":1,"seconds_left":null}',
    /complete -1/,
  ],
  [
    '{"total":1,"complete":1,"found":0,"failed":0,"running":[null],"seconds":1,"seconds_left":null}',
    /running/,
  ],
])('damaged progress %s is refused', async (text, message) => {
  writeFileSync(path, text);
  await expect(readProgress(path)).rejects.toThrow(message);
});
