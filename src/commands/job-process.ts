/** The entry of the processes in which jobs are done: what each kind of job does. */
import { jobPath } from '../queue/job.js';
import { serveJobs } from '../queue/serve-jobs.js';
import { score } from '../score/scoring.js';
import { type ShardJob, shardRequest } from '../score/shard-job.js';
import { type RunJob, runSettingsOf } from '../sweep/run-job.js';
import { run } from './run.js';

serveJobs({
  run: (job, place, call) => run(runSettingsOf(job as RunJob, place), call),
  score: (job, place, call) =>
    score(shardRequest((job as ShardJob).settings, place, ''), { out: jobPath(job.id), resume: true }, call),
});
