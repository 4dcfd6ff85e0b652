/** What benchmarks leave as the command line has it. */
import { SVD_BASIS } from '../src/decompose/basis.js';

export const DEFAULTS = {
  form: 'reference',
  bos: 'auto',
  components: null,
  storeDtype: 'f32',
  workers: null,
  memory: null,
  ...SVD_BASIS,
  positions: 'last',
  replacement: 'interchange',
} as const;
