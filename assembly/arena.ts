/** All memory of the kernels: one stack of blocks, grown on demand, given back by returning to a mark. */

/** Given by the host: where the stack begins, and where it ends where the memory is not the kernels' alone, else 0. */
// @ts-ignore: decorator
@external('env', 'base')
declare const base: usize;
// @ts-ignore: decorator
@external('env', 'limit')
declare const limit: usize;

/** The host and the SIMD loads like cache lines. */
const ALIGNMENT: usize = 64;
const PAGE: usize = 65536;
/**
 * Pages that are added at a time, 64 MiB: at each growth of the memory V8 may look for garbage. What is never written
 * to takes no memory.
 */
const STEP: i32 = 1024;

let top: usize = (base + ALIGNMENT - 1) & ~(ALIGNMENT - 1);

/** The present height of the stack, to hand to `release` later. */
export function mark(): usize {
  return top;
}

/** Frees everything allocated since `mark` returned this value. */
export function release(height: usize): void {
  top = height;
}

/** A block of `bytes` bytes, aligned to 64; its content is whatever was there before. Traps if there is no more. */
export function allocate(bytes: usize): usize {
  const start = top;
  // In 64 bits: the whole of a 4 GiB memory does not fit into 32, neither as a size nor as a difference.
  const end = (<u64>start + bytes + ALIGNMENT - 1) & ~(<u64>ALIGNMENT - 1);
  const missing = <i64>((end + PAGE - 1) / PAGE) - memory.size();
  if (end > <u64>(limit || usize.MAX_VALUE) || (missing > 0 && !grow(<i32>missing))) unreachable();
  top = <usize>end;
  return start;
}

/** Adds at least as many pages; false if there are no more. */
function grow(pages: i32): bool {
  return memory.grow(max(pages, STEP)) >= 0 || memory.grow(pages) >= 0;
}
