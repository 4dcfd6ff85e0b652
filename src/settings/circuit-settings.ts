/** Settings of circuits that come from other programs, or go there (docs/formats.md, "Circuits"). */
import { CIRCUIT_FORMATS } from './choices.js';
import { oneOf, place, text } from './schemas.js';
import { table } from './table.js';

const path = text.nullable();

export const circuitSettings = table(
  { group: 'Circuit', determines: true },
  {
    source: {
      schema: place,
      path: true,
      positional: true,
      describe:
        'Folder of a run; or a file: masks (safetensors), a circuit (JSON), heads and MLPs (text, JSON, a graph of EAP-IG)',
    },
    to: {
      schema: path,
      default: null,
      path: true,
      describe: 'File to write: masks where it ends in .safetensors, else JSON',
    },
    as: {
      schema: oneOf(CIRCUIT_FORMATS).nullable(),
      default: null,
      otherwise: 'masks for a file that ends in .safetensors, else circuit',
      describe: 'What to write: a circuit, masks, or a graph of EAP-IG with a score for each head and MLP',
    },
  },
);
