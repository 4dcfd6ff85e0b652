/** What is said where masks of a model do not fit the memory: what is needed, what there is, and what would fit. */
import type { EngineMemory } from '../engine/memory.js';
import { InputError } from '../errors.js';
import { formatByteSize } from '../formats/byte-size.js';
import type { Kind } from '../models/components.js';

export interface Needed {
  /** Bytes at least. */
  bytes: number;
  /** Tokens of the longest prompt, which has to fit at a time. */
  tokens: number;
}

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

/** @param fewer the most directions that do fit; null where no kind of component does */
export function tooLittleMemory(
  { bytes, tokens }: Needed,
  room: Room,
  fewer: { kinds: readonly Kind[]; bytes: number } | null,
): InputError {
  const otherwise = { asked: 'raise it', machine: null, engine: 'use --engine native-cpu' }[room.set];
  const masking =
    fewer && `mask --components ${fewer.kinds.join(',')}, which need ${formatByteSize(fewer.bytes)}`;
  const advice = [otherwise, masking].filter((each) => each !== null).join(', or ');
  return new InputError(
    `${NAMED[room.set]} ${formatByteSize(room.bytes)}: one prompt of ${tokens} tokens needs ${formatByteSize(bytes)} ` +
      `with this model, ${formatByteSize(bytes - room.bytes)} more; ${advice || 'not even one kind of component fits'}`,
  );
}
