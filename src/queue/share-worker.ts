/** A machine that lends its workers to one training after the other, each on a machine that connects to it. */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { DecompositionStore } from '../decompose/store.js';
import { cudaDevices } from '../engine/devices.js';
import { InputError } from '../errors.js';
import { formatByteSize } from '../formats/byte-size.js';
import { resolveModel } from '../formats/model-folder.js';
import { inputErrorOf } from '../formats/schema-error.js';
import { openModel } from '../models/open-model.js';
import { packageVersion } from '../package-file.js';
import { openProcesses, type Place } from '../pool/processes.js';
import { listenSecretly, sharedSecret } from '../pool/secret-sockets.js';
import { type Served, servePool } from '../pool/served-pool.js';
import type { Listener } from '../progress.js';
import { storeFolder } from '../run/decomposition.js';
import type { WorkerModel } from '../run/mask-worker.js';
import { greeting, type Hello, hello, jobNamed } from '../run/share-messages.js';
import { type Address, addressText } from '../settings/address.js';
import { jobsAtOnce, type Machine } from './machine.js';

export interface ShareWorkerSettings {
  listen: Address;
  /** Folders or hub ids of the models whose trainings it shares. */
  models: readonly string[];
  /** Folder of the store; null: the one in the cache folder. */
  store: string | null;
  machine: Machine;
  /** Ends after so many seconds without a training; null: never. */
  idleExit: number | null;
}

/** By the hash of its weights. */
type Held = ReadonlyMap<string, { name: string; folder: string }>;

/** Serves until the signal fires; then it leaves the training underway. Returns how many it has shared. */
export async function shareWork(
  settings: ShareWorkerSettings,
  { onNote = () => {}, onProgress, signal = new AbortController().signal }: Listener = {},
): Promise<{ done: number }> {
  const { listen, models, store, machine, idleExit } = settings;
  const secret = sharedSecret();
  const held = await heldModels(models, { onProgress, signal });
  for (const [hash, { name }] of held) onNote(`holds ${name} (${hash.slice(0, 12)}…)`);
  let done = 0;
  let busy = false;
  let idleSince = Date.now();
  const connections = new Set<Promise<void>>();

  const server = await listenSecretly(listen, secret, (socket) => {
    const peer = socket.remoteAddress;
    let mine = false;
    const serving = servePool(
      socket,
      async (given) => {
        if (busy) throw new InputError('is at work for another training; wait for its end');
        busy = mine = true;
        const served = await servedTo(given, { held, store: storeFolder(store), machine });
        done++;
        onNote(`${peer}: shares its work, ${served.pool.workers} at once`);
        return served;
      },
      signal,
    ).finally(() => {
      connections.delete(serving);
      if (!mine) return;
      busy = false;
      idleSince = Date.now();
      onNote(`${peer}: gone`);
    });
    connections.add(serving);
  });
  onNote(`listening on ${addressText(server.address)}`);
  while (!signal.aborted) {
    await delay(500, undefined, { signal }).catch(() => {});
    if (idleExit !== null && !busy && Date.now() - idleSince >= idleExit * 1000) break;
  }
  server.close();
  await Promise.all(connections);
  return { done };
}

async function heldModels(models: readonly string[], call: Listener): Promise<Held> {
  const held = new Map<string, { name: string; folder: string }>();
  for (const path of models) {
    const { id: name, folder } = await resolveModel(path, call);
    const model = await openModel(folder);
    try {
      held.set(await model.hash(), { name, folder });
    } finally {
      await model.close();
    }
  }
  return held;
}

interface Here {
  held: Held;
  store: string;
  machine: Machine;
}

/**
 * Workers for what a hello asks.
 * @throws InputError if this machine has another version, model or directions, or too little memory
 */
async function servedTo(given: unknown, { held, store, machine }: Here): Promise<Served> {
  const asked = checkedHello(given);
  const { name, hash } = asked.model;
  const found = held.get(hash);
  if (!found)
    throw new InputError(
      `holds no model with the weights of ${name} (${hash.slice(0, 12)}…), only ${[...held.values()].map((each) => each.name).join(', ')}: start it with --model and the folder of that model`,
    );
  await checkDirections(asked, found.folder, store);
  const { engine, form, qkSplit, key, ranks, kinds, positions } = asked;
  const model: WorkerModel = {
    ...{ engine, folder: found.folder, form, qkSplit, store },
    ...{ key, ranks, kinds, positions },
  };
  const places = await placesFor(asked, machine);
  return {
    pool: openProcesses({ file: 'src/run/mask-worker.js', places }),
    received: (job, sent) => ({ ...jobNamed(job).job.parse(sent), model }),
  };
}

function checkedHello(given: unknown): Hello {
  const { data } = greeting.safeParse(given);
  const version = packageVersion();
  if (data?.version !== version)
    throw new InputError(
      `has version ${version}, and ${data?.version ?? 'another'} is asked for: install the same on both`,
    );
  const asked = hello.safeParse(given);
  if (!asked.success) throw inputErrorOf(asked.error, 'does not understand what is asked', given);
  return asked.data;
}

/** Masks belong to directions: others, and be they as good, would make the sum of two machines' gradients wrong. */
async function checkDirections(asked: Hello, folder: string, store: string): Promise<void> {
  const { form, qkSplit, key, fingerprint, kinds, ranks } = asked;
  const model = await openModel(folder, form, qkSplit);
  try {
    const own = await new DecompositionStore(store).fingerprint(key, model, kinds, ranks);
    if (own === fingerprint) return;
    const fault = own === null ? 'there are none' : 'they were computed otherwise';
    throw new InputError(
      `its directions of ${asked.model.name} are not those here (${fault} in ${join(store, key)}): copy the folder ${key} of the store from this machine to that one`,
    );
  } finally {
    await model.close();
  }
}

/** As many as the engine has a use for: a GPU each, one core each of wasm, and TensorFlow takes all cores by itself. */
async function placesFor({ engine, memory }: Hello, machine: Machine): Promise<Place[]> {
  if (memory > machine.memory)
    throw new InputError(
      `a worker takes about ${formatByteSize(memory)}, and there are ${formatByteSize(machine.memory)}: set a lower --memory here, or a higher one there`,
    );
  const { jobs } = machine;
  if (engine === 'native-gpu' && jobs !== null && jobs > 1)
    return (await cudaDevices(jobs)).map((device) => ({
      name: `CUDA device ${device}`,
      env: { CUDA_VISIBLE_DEVICES: device },
    }));
  const { atOnce } = jobsAtOnce(machine, { bytes: memory, threads: 1 }, Number.POSITIVE_INFINITY);
  const count = engine === 'wasm' ? atOnce : 1;
  return Array.from({ length: count }, (_, at) => ({ name: `worker ${at + 1}`, env: {} }));
}
