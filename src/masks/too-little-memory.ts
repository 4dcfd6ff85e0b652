/** What is said where something does not fit the memory: what is needed, what there is, and what would fit. */
import type { EngineMemory } from '../engine/memory.js';
import { InputError } from '../errors.js';
import { formatByteSize } from '../formats/byte-size.js';

/** What there is to stay within. */
export interface Room {
  bytes: number;
  /** What sets it: `--memory`, the machine, or what the engine can address. */
  set: 'asked' | 'machine' | 'engine';
}

/** The tightest of what is asked for, or else there is, and what an engine can address in one thread. */
export function roomOf({ machine, most, process }: EngineMemory, limit: number | null): Room {
  const room: Room = limit === null ? { bytes: machine, set: 'machine' } : { bytes: limit, set: 'asked' };
  return process + most < room.bytes ? { bytes: process + most, set: 'engine' } : room;
}

const NAMED: Record<Room['set'], string> = {
  asked: '--memory',
  machine: 'the memory of this machine,',
  engine: 'what this engine can address,',
};

/**
 * @param needed what needs how many bytes at least
 * @param fits what to do so that it fits; null where nothing helps but more memory
 */
export function tooLittleMemory(
  needed: { what: string; bytes: number },
  room: Room,
  fits: string | null,
): InputError {
  const otherwise = { asked: 'raise it', machine: null, engine: 'use --engine native-cpu' }[room.set];
  const advice = [otherwise, fits].filter((each) => each !== null).join(', or ');
  return new InputError(
    `${NAMED[room.set]} ${formatByteSize(room.bytes)}: ${needed.what} needs ${formatByteSize(needed.bytes)} with this model, ` +
      `${formatByteSize(needed.bytes - room.bytes)} more; ${advice || 'no part of it would fit'}`,
  );
}
