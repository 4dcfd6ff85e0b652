/** The examples, as far as one machine can try them: plans expand, manifests parse, and the Slurm script does its shards. */
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { builtFile } from '../../src/built-file.js';
import { packageFile } from '../../src/package-file.js';
import { expandPlan } from '../../src/sweep/expand.js';
import { parsePlan, readPlan } from '../../src/sweep/plan.js';
import { temporaryFolder } from '../support/temporary-folder.js';
import { tinyPlan } from '../support/tiny-sweep.js';

const folder = temporaryFolder();
process.env.ORTHOSCOPE_CACHE = join(folder, 'cache');
const example = (path: string) => readFileSync(packageFile(`examples/${path}`), 'utf8');
const runsIn = (path: string) => readdirSync(join(folder, path)).sort();

it('has plans that expand', async () => {
  expect(await expandPlan(await readPlan(packageFile('examples/compose/plan.yaml')))).toHaveLength(12);
  expect(await expandPlan(await readPlan(packageFile('bench/study/plan.yaml')))).toHaveLength(48);
  const plans = example('../docs/sweeps.md')
    .match(/```yaml\n([^`]+)```/)![1]!
    .replace(/^model:.*$/m, '');
  expect(await expandPlan(parsePlan(plans, 'docs/sweeps.md'))).toHaveLength(49);
});

describe('compose and Kubernetes', () => {
  it('start workers and a coordinator with the same queue', () => {
    const { services } = parse(example('compose/compose.yaml'), { merge: true });
    expect(services.worker.environment).toEqual(services.coordinator.environment);
    expect(services.worker.command).toMatch(/^worker /);
    expect(services.coordinator.command).toMatch(/^sweep /);
  });

  it('are documents without a fault, whose plan expands', async () => {
    const documents = parseAllDocuments(example('kubernetes/sweep.yaml')) as unknown as {
      errors: unknown[];
      toJS(): { kind: string; data?: Record<string, string> };
    }[];
    expect(documents.flatMap(({ errors }) => errors)).toEqual([]);
    // Aliases do not reach from one document to another; reading them shows it.
    const objects = documents.map((document) => document.toJS());
    expect(objects.map(({ kind }) => kind)).toEqual(['Secret', 'ConfigMap', 'Job', 'Job']);
    expect(await expandPlan(parsePlan(objects[1]!.data!['plan.yaml']!, 'plan.yaml'))).toHaveLength(20);
  });
});

it('Slurm: two tasks of an array do the plan between them, into one folder', async () => {
  const plan = tinyPlan(folder, 'slurm', 'task: ioi\nmatrix: {seed: 0..1}');
  const task = (id: number) =>
    promisify(execFile)('bash', [resolve(packageFile('examples/slurm/sweep.sh')), plan], {
      cwd: folder,
      env: {
        ...process.env,
        ORTHOSCOPE: `${process.execPath} ${builtFile('cli/main.js')}`,
        SLURM_ARRAY_TASK_ID: String(id),
        SLURM_ARRAY_TASK_COUNT: '2',
      },
    });
  await task(1);
  expect(runsIn('sweeps/slurm/runs')).toHaveLength(1);
  await task(2);
  expect(runsIn('sweeps/slurm/runs')).toEqual(
    (await expandPlan(await readPlan(plan))).map(({ job }) => job.id).sort(),
  );
});
