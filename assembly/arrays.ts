/** Arrays in memory by index instead of by byte: T is f64, f32 or i32, an array is its address. */
import { allocate } from './arena';

/** Address of element i. */
// @ts-ignore: decorator
@inline
export function at<T>(array: usize, i: i32): usize {
  return array + (<usize>i) * sizeof<T>();
}

// @ts-ignore: decorator
@inline
export function get<T>(array: usize, i: i32): T {
  return load<T>(at<T>(array, i));
}

// @ts-ignore: decorator
@inline
export function set<T>(array: usize, i: i32, value: T): void {
  store<T>(at<T>(array, i), value);
}

/** A new array of n elements with whatever was there before. */
// @ts-ignore: decorator
@inline
export function create<T>(n: i32): usize {
  return allocate(at<T>(0, n));
}

/** Sets n elements to zero. */
// @ts-ignore: decorator
@inline
export function clear<T>(array: usize, n: i32): void {
  memory.fill(array, 0, at<T>(0, n));
}

/** Copies n elements. */
// @ts-ignore: decorator
@inline
export function copy<T>(from: usize, to: usize, n: i32): void {
  memory.copy(to, from, at<T>(0, n));
}
