/** Batches of the embedded model shared with another machine, which is this one under another address. */
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { train } from '../../src/commands/train.js';
import { InputError } from '../../src/errors.js';
import { SCORES } from '../../src/evaluate/metrics.js';
import { packageFile, packageVersion } from '../../src/package-file.js';
import { openRemotePool } from '../../src/pool/remote-pool.js';
import { connectSecretly } from '../../src/pool/secret-sockets.js';
import { thisMachine } from '../../src/queue/machine.js';
import { type ShareWorkerSettings, shareWork } from '../../src/queue/share-worker.js';
import { Random } from '../../src/random.js';
import { loadData } from '../../src/run/data.js';
import type { MaskRunner } from '../../src/run/mask-runner.js';
import { withSubject } from '../../src/run/subject.js';
import { openWorkbench, workload } from '../../src/run/workbench.js';
import { parseAddress } from '../../src/settings/address.js';
import { REPLACEMENTS } from '../../src/settings/choices.js';
import type { Given } from '../../src/settings/commands.js';
import { complete } from '../../src/settings/complete.js';
import { orthoscope } from '../support/command.js';
import { writeRandomGpt2 } from '../support/random-gpt2.js';
import { temporaryFolder } from '../support/temporary-folder.js';
import { until } from '../support/until.js';

const folder = temporaryFolder();
process.env.ORTHOSCOPE_CACHE = join(folder, 'cache');
process.env.ORTHOSCOPE_SHARE_TOKEN = 'a secret of two machines';

const store = join(folder, 'store');
const LISTEN = { host: '127.0.0.1', port: 0 };
const MACHINE = { ...thisMachine(), jobs: 1 };

/** Another machine, until it is stopped. */
class Other {
  readonly #stop = new AbortController();
  readonly notes: string[] = [];
  /** Once it has ended: how many it has shared. */
  readonly done: Promise<number>;

  constructor(settings: Partial<ShareWorkerSettings> = {}) {
    this.done = shareWork(
      { listen: LISTEN, models: ['embedded'], store, machine: MACHINE, idleExit: null, ...settings },
      { signal: this.#stop.signal, onNote: (line) => this.notes.push(line) },
    ).then(({ done }) => done);
  }

  async address(): Promise<string> {
    await until(() => this.notes.some((line) => line.startsWith('listening')));
    return this.notes.find((line) => line.startsWith('listening'))!.replace('listening on ', '');
  }

  stop(): Promise<number> {
    this.#stop.abort();
    return this.done;
  }
}

const others: Other[] = [];

async function other(settings?: Partial<ShareWorkerSettings>): Promise<string> {
  const opened = new Other(settings);
  others.push(opened);
  return opened.address();
}
afterEach(() => Promise.all(others.splice(0).map((each) => each.stop())));

/** The largest difference of two arrays, over the largest value; 0 if they are equal. */
function difference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [largest, furthest] = [0, 0];
  for (let i = 0; i < a.length; i++) {
    largest = Math.max(largest, Math.abs(a[i]!));
    furthest = Math.max(furthest, Math.abs(a[i]! - b[i]!));
  }
  return furthest && furthest / largest;
}

describe.each(['last', 'all'] as const)('masks on %s positions', (positions) => {
  const helper = new Other({ machine: { ...thisMachine(), cores: 2, jobs: 2 } });
  const request = complete('run', { task: 'ioi', positions, seed: 4, testPairs: 25, engine: 'wasm', store });
  let runners: MaskRunner[];
  let masks: Float32Array;
  let pairs: Awaited<ReturnType<typeof loadData>>['splits']['test'];

  beforeAll(async () => {
    const share = [await helper.address()];
    runners = await withSubject('embedded', request, async (subject) => {
      const data = await loadData(subject, request, ['test']);
      pairs = data.splits.test!;
      const alone = await openWorkbench(subject, workload(data, 16), request);
      const shared = await openWorkbench(subject, workload(data, 16), { ...request, share });
      return [alone.runner, shared.runner];
    });
    const random = new Random(7);
    masks = Float32Array.from({ length: runners[0]!.layout.size }, () => random.uniform());
  });
  afterAll(async () => {
    await Promise.all(runners.map((runner) => runner.close()));
    expect(await helper.stop()).toBe(1);
  });

  it('know the same singular values, and how many workers there are', () => {
    const [alone, shared] = runners;
    expect(shared!.sigma).toEqual(alone!.sigma);
    expect([alone!.workers, shared!.workers]).toEqual([1, 3]);
  });

  it.each(REPLACEMENTS)('do what one thread finds, to the last bit twice, replaced by %s', async (how) => {
    const run = async (runner: MaskRunner) => {
      const prepared = await runner.prepare(pairs!, { replacement: how, seed: 1 });
      const batch = pairs!.map((_, index) => index).filter((index) => index % 4 !== 1);
      const [score] = await prepared.scoreEach([masks], {}, masks);
      return {
        objective: await prepared.objective(batch.reverse(), masks, 'logit_diff'),
        kl: await prepared.kl(masks),
        scores: await prepared.score(masks),
        against: score!.kl,
        conductance: await prepared.conductance('kl', 2),
        differences: await prepared.differences(),
      };
    };
    const [one, two] = [await run(runners[0]!), await run(runners[1]!)];
    expect(Math.abs(two.objective.kl / one.objective.kl - 1)).toBeLessThan(1e-5);
    expect(Math.abs(two.kl / one.kl - 1)).toBeLessThan(1e-5);
    expect(Math.abs(two.objective.loss / one.objective.loss - 1)).toBeLessThan(1e-5);
    expect(difference(one.objective.gradient, two.objective.gradient)).toBeLessThan(1e-5);
    for (const name of SCORES)
      expect(difference(one.scores[name], two.scores[name]), name).toBeLessThan(1e-5);
    expect(Math.max(...two.against)).toBeLessThan(1e-5);
    expect(difference(one.conductance, two.conductance)).toBeLessThan(1e-5);
    expect(difference(one.differences, two.differences)).toBeLessThan(1e-5);
    expect(await run(runners[1]!)).toEqual(two);
  });
});

const TRAINING = {
  model: 'embedded',
  task: 'ioi',
  trainPairs: 40,
  validationPairs: 10,
  steps: 12,
  roundingSteps: 4,
  engine: 'wasm',
  store,
} as const satisfies Given<'train'>;

let runs = 0;
const newOut = () => join(folder, `run-${runs++}`);

interface Trained {
  masks: Buffer;
  workers: number | undefined;
  notes: string[];
}

async function trained(given: Partial<Given<'train'>>, onStep = () => {}): Promise<Trained> {
  const notes: string[] = [];
  const { run } = await train(
    { ...TRAINING, out: newOut(), ...given },
    {
      onNote: (line) => notes.push(line),
      onProgress: ({ stage, done }) => {
        if (stage === 'train' && done === 3) onStep();
      },
    },
  );
  return { masks: readFileSync(run.file('masks.safetensors')), workers: run.manifest.workers, notes };
}

describe('a training', () => {
  let undisturbed: Trained;

  beforeAll(async () => {
    undisturbed = await trained({ workers: 2 });
  });

  it('leaves the masks of as many threads on one machine, byte for byte', async () => {
    const address = await other();
    const shared = await trained({ share: [address] });
    expect(shared.masks.equals(undisturbed.masks)).toBe(true);
    expect(shared.workers).toBe(2);
    expect(shared.notes).toContain(`${address} shares the work with 1 worker`);
  });

  it('goes on without a machine that goes away, to the same masks', async () => {
    const address = await other();
    const shared = await trained({ share: [address] }, () => void others[0]!.stop());
    expect(shared.masks.equals(undisturbed.masks)).toBe(true);
    expect(shared.notes.filter((line) => line.includes('the others do its work'))).toEqual([
      expect.stringMatching(new RegExp(`^${address}: connection (lost.*|closed); the others do its work$`)),
    ]);
  });

  it('finds a machine that has just shared another ready for the next', async () => {
    const share = [await other()];
    await trained({ share });
    await trained({ share });
    expect(await others[0]!.stop()).toBe(2);
  });
});

describe('a training is refused in one line', () => {
  const refused = async (given: Partial<Given<'train'>>) => {
    const error = await trained(given).catch((thrown) => thrown);
    expect(error).toBeInstanceOf(InputError);
    return error.message as string;
  };

  it('by a machine with another model', async () => {
    const model = join(folder, 'model');
    await writeRandomGpt2(model, {});
    const address = await other({ models: [model] });
    expect(await refused({ share: [address] })).toMatch(
      new RegExp(
        `^${address}: holds no model with the weights of embedded \\([0-9a-f]{12}…\\), only model: start it with --model`,
      ),
    );
  });

  it('by a machine without these directions, or with others', async () => {
    const away = join(folder, 'other-store');
    const none = await other({ store: away });
    expect(await refused({ share: [none] })).toMatch(/there are none in .*: copy the folder [0-9a-f]{32} /);
    cpSync(store, away, { recursive: true });
    await trained({ share: [none] });
    const [key] = readdirSync(away);
    const layer = join(away, key!, 'layer-001.safetensors');
    const bytes = readFileSync(layer, 'latin1');
    // As if this tensor had been computed to other last digits: the file is whole, and another one.
    const sums = /\\"L1\.mlp_in\.u\\":\d/.exec(bytes)!;
    const digit = sums.index + sums[0].length - 1;
    const another = bytes[digit] === '1' ? '2' : '1';
    writeFileSync(layer, bytes.slice(0, digit) + another + bytes.slice(digit + 1), 'latin1');
    expect(await refused({ share: [none] })).toMatch(/they were computed otherwise in .*: copy the folder/);
    rmSync(away, { recursive: true });
  });

  it('by a machine with too little memory', async () => {
    const address = await other({ machine: { cores: 1, memory: 1e6, jobs: null } });
    expect(await refused({ share: [address] })).toMatch(
      /: a worker takes about .* MB, and there are 1\.00 MB: set a lower --memory here, or a higher one there$/,
    );
  });

  it('by a machine that is at work for another', async () => {
    const address = await other();
    const first = trained({ share: [address] }, () => {});
    await until(() => others[0]!.notes.some((line) => line.endsWith('1 at once')));
    expect(await refused({ share: [address] })).toBe(
      `${address}: is at work for another training; wait for its end`,
    );
    await first;
  });

  it('without a token, or with a short one', async () => {
    const share = [await other()];
    const token = process.env.ORTHOSCOPE_SHARE_TOKEN;
    try {
      process.env.ORTHOSCOPE_SHARE_TOKEN = 'short';
      expect(await refused({ share })).toMatch(/^ORTHOSCOPE_SHARE_TOKEN has fewer than 16 characters/);
      delete process.env.ORTHOSCOPE_SHARE_TOKEN;
      expect(await refused({ share })).toMatch(/^ORTHOSCOPE_SHARE_TOKEN is not set/);
    } finally {
      process.env.ORTHOSCOPE_SHARE_TOKEN = token;
    }
  });

  it('where a machine is named twice', async () => {
    expect(await refused({ share: ['7400', 'host:1', '7400'] })).toBe('--share 7400: is named twice');
  });
});

it('understands its own version alone', async () => {
  const address = parseAddress(await other());
  const greeted = async (hello: unknown) =>
    openRemotePool({
      socket: await connectSecretly(address, process.env.ORTHOSCOPE_SHARE_TOKEN!),
      name: 'there',
      hello,
      toSend: (job) => job,
      answered: (_, value) => value,
    });
  const version = packageVersion();
  await expect(greeted({ version: '9.9.9', more: 1 })).rejects.toThrow(
    `there: has version ${version}, and 9.9.9 is asked for: install the same on both`,
  );
  await expect(greeted(7)).rejects.toThrow(/^there: has version .* and another is asked for/);
  await expect(greeted({ version, model: { name: 'a', hash: '../../etc' } })).rejects.toThrow(
    /^there: does not understand what is asked: .*model\.hash/,
  );
});

it('ends after a time without work', async () => {
  const helper = new Other({ idleExit: 1 });
  await trained({ share: [await helper.address()] });
  expect(await helper.done).toBe(1);
});

describe('on the command line', () => {
  const cache = join(folder, 'cache');
  const args = ['--task', 'ioi', '--train-pairs', '40', '--validation-pairs', '10', '--engine', 'wasm'];
  const more = ['--store', store, '--rounding-steps', '4'];

  it('Ctrl-C saves the training and frees the other machine; --resume goes on to the same masks', async () => {
    const model = packageFile('models/embedded');
    const address = await other();
    const out = newOut();
    const command = ['train', model, ...args, ...more, '--steps', '60', '--share', address, '--out', out];
    let stopped = false;
    const { code, stderr } = await orthoscope(command, {
      cache,
      onStderr: (text, kill) => {
        if (stopped || !/train +[1-9]\d*\//.test(text)) return;
        stopped = true;
        kill('SIGINT');
      },
    });
    expect({ code, stderr }).toMatchObject({ code: 130 });
    expect(stderr).not.toContain('the others do its work');
    await until(() => others[0]!.notes.at(-1)!.endsWith('gone'));
    expect(JSON.parse(readFileSync(join(out, 'manifest.json'), 'utf8')).status).toBe('interrupted');
    expect((await orthoscope([...command, '--resume'], { cache })).code).toBe(0);
    const whole = await trained({ steps: 60, workers: 2 });
    expect(readFileSync(join(out, 'masks.safetensors')).equals(whole.masks)).toBe(true);
  });

  it('a worker listens until Ctrl-C, and says what is wrong in one line', async () => {
    let stopped = false;
    const worker = orthoscope(['worker', '--listen', '0', '--store', store], {
      cache,
      onStderr: (text, kill) => {
        if (stopped || !/listening on 127\.0\.0\.1:\d+\n/.test(text)) return;
        stopped = true;
        kill('SIGINT');
      },
    });
    expect(await worker).toMatchObject({ code: 0, stdout: 'shared the work of 0 commands\n' });
    const bad = await orthoscope(['worker', '--listen', '0', '--redis', 'redis://a'], { cache });
    expect(bad.code).toBe(2);
    expect(bad.stderr).toBe('orthoscope: --listen takes no --redis: a worker does one of both\n');
    const nobody = await orthoscope(['train', 'embedded', ...args, '--share', '1', '--out', newOut()], {
      cache,
    });
    expect(nobody.code).toBe(2);
    expect(nobody.stderr.trim().split('\n').at(-1)).toBe(
      'orthoscope: 127.0.0.1:1: cannot be reached (ECONNREFUSED); is "orthoscope worker --listen" running there?',
    );
  });
});
