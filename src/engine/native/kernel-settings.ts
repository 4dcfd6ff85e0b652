/** Settings of others' libraries that hold their kernels to fewer instructions than the processor has. */

/** Servers are set up with them and their users forget: products may be half as fast then, and differ in last digits. */
type KernelSetting = 'ONEDNN_MAX_CPU_ISA' | 'OPENBLAS_CORETYPE';

/** Those of them that the environment has, to follow a version: ` (OPENBLAS_CORETYPE=Haswell)`, or nothing. */
export function kernelsByUser(...names: KernelSetting[]): string {
  const set = names.filter((name) => process.env[name]);
  return set.length > 0 ? ` (${set.map((name) => `${name}=${process.env[name]}`).join(', ')})` : '';
}
