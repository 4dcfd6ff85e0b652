/** `circuit`: circuits from and for other programs: as JSON, as masks, as lists and graphs of heads. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SVD_BASIS } from '../decompose/basis.js';
import { InputError } from '../errors.js';
import { writeJson } from '../formats/atomic-file.js';
import { fileError } from '../formats/file-error.js';
import { modelName } from '../formats/manifest.js';
import { openRun, type RunFolder } from '../formats/run-folder.js';
import { type CircuitFile, circuitOf, masksOfCircuit, readCircuitFile } from '../masks/circuit-file.js';
import { type Masks, readMasks, writeMasks } from '../masks/masks-file.js';
import { masksOfNodes, nodeGraph, readNodes } from '../masks/node-files.js';
import { listComponents } from '../models/components.js';
import { splitName } from '../models/qk-split.js';
import type { Listener } from '../progress.js';
import { checkMasks } from '../run/masks.js';
import { checkModel } from '../run/source.js';
import { type Subject, withSubject } from '../run/subject.js';
import { BASES } from '../settings/choices.js';
import type { Given } from '../settings/commands.js';
import { complete } from '../settings/complete.js';

export interface CircuitOutcome {
  circuit: CircuitFile;
  /** What was written; null where nothing was asked for. */
  file: string | null;
}

/**
 * Reads a circuit, and writes it in another form.
 * @example
 * const { circuit } = await circuit({ source: 'runs/ioi', to: 'ioi.json' });
 * console.log(circuit.components['L1H0.ov'].kept);
 */
export async function circuit(given: Given<'circuit'>, listener: Listener = {}): Promise<CircuitOutcome> {
  const settings = complete('circuit', given);
  const { source, to } = settings;
  const as = settings.as ?? (to?.endsWith('.safetensors') ? 'masks' : 'circuit');
  if (as === 'masks' && to === null) throw new InputError('--as masks: name a file with --to');
  const run = existsSync(join(source, 'manifest.json')) ? await openRun(source) : null;
  const form = run ? null : await formOf(source);
  const model =
    settings.model ?? (run && (form === 'nodes' || as === 'mib') ? modelName(run.manifest) : null);
  if (model === null) {
    if (form === 'nodes')
      throw new InputError(
        `${source}: says nothing of how many directions there are; name its model with --model`,
      );
    if (as === 'mib') throw new InputError('--as mib: name the model with --model, for its numbers of heads');
  }
  const work = async (subject: Subject | null): Promise<CircuitOutcome> => {
    if (subject) await checkModel(subject.model, run);
    const found = await read(source, run, form, subject, settings.threshold);
    const { masks } = found;
    if (subject) await checkFit(masks, source, subject);
    if (to !== null && as === 'masks') await writeMasks(to, masks);
    else if (to !== null)
      await writeJson(to, as === 'mib' ? graphOf(masks, subject!, found.threshold) : found.circuit);
    return { circuit: found.circuit, file: to };
  };
  if (model === null) return work(null);
  const { form: weightForm, qkSplit, rotaryOffsets } = settings;
  return withSubject(model, { form: weightForm, qkSplit, rotaryOffsets, ...listener }, work);
}

type Form = 'masks' | 'circuit' | 'nodes';

/** What a file holds. */
async function formOf(path: string): Promise<Form> {
  if (path.endsWith('.safetensors')) return 'masks';
  try {
    return (await readFile(path, 'utf8')).includes('"orthoscope-circuit"') ? 'circuit' : 'nodes';
  } catch (error) {
    throw fileError(error, path);
  }
}

async function read(
  source: string,
  run: RunFolder | null,
  form: Form | null,
  subject: Subject | null,
  threshold: number,
): Promise<{ circuit: CircuitFile; masks: Masks; threshold: number }> {
  if (form === 'circuit') {
    const circuit = await readCircuitFile(source);
    return { circuit, masks: masksOfCircuit(circuit), threshold: circuit.threshold };
  }
  const above = Number(run?.manifest.settings.threshold ?? threshold);
  const masks =
    form === 'nodes'
      ? await ofNodes(source, subject!)
      : await readMasks(run?.file('masks.safetensors') ?? source);
  const id = run?.manifest.model.id ?? subject?.source.id ?? null;
  return { circuit: circuitOf(masks, above, id), masks, threshold: above };
}

/** Whole heads and MLPs, whatever the basis. */
async function ofNodes(path: string, { model }: Subject): Promise<Masks> {
  const { architecture, qkSplit, form } = model;
  const components = listComponents(architecture, undefined, qkSplit);
  const values = masksOfNodes(await readNodes(path), components, path);
  const kinds = components.filter(({ name }) => values.has(name)).map(({ kind }) => kind);
  return {
    values,
    metadata: {
      weightForm: form,
      modelHash: await model.hash(),
      basis: 'svd',
      qkSplit: splitName(qkSplit, architecture),
      components: [...new Set(kinds)],
    },
  };
}

function graphOf(masks: Masks, { model }: Subject, threshold: number): object {
  const { architecture, qkSplit } = model;
  return nodeGraph(masks, architecture, listComponents(architecture, undefined, qkSplit), threshold);
}

/** Whatever the basis that masks say they are over: here none is opened. */
function checkFit({ values, metadata }: Masks, source: string, { model }: Subject): Promise<void> {
  const basis = BASES.find((name) => name === metadata.basis?.split(':')[0]) ?? 'svd';
  return checkMasks({ values, metadata: { ...metadata, basis: undefined } }, source, model, {
    ...SVD_BASIS,
    basis,
  });
}
