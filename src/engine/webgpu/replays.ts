/** Which computations are worth a recording: those that come again, the most frequent ones where room is short. */
import type * as tf from '@tensorflow/tfjs-core';
import type { Replays } from '../replay.js';

/** Host arrays of a computation's inputs. */
export type Values = readonly (Float32Array | Int32Array | Uint8Array)[];

/** What records and plays. */
export interface Recorder<Recording> {
  /** @throws Error if an input is on the GPU already */
  values(inputs: readonly tf.Tensor[]): Values;
  record(inputs: readonly tf.Tensor[], compute: () => tf.Tensor[]): Recording;
  play(recording: Recording, values: Values): tf.Tensor[];
}

/** Recordings kept at once. Each holds the memory of a pass; prompts of another length need another. */
const MOST_RECORDINGS = 4;

export function replaysOf<Recording extends { dispose(): void }>(recorder: Recorder<Recording>): Replays {
  /** How often each computation came by. */
  const times = new Map<string, number>();
  const recordings = new Map<string, Recording>();
  const rarest = () => [...recordings.keys()].reduce((a, b) => (times.get(b)! < times.get(a)! ? b : a));
  return {
    run(named, inputs, compute) {
      const choices = Object.entries(named).sort(([a], [b]) => (a < b ? -1 : 1));
      const key = JSON.stringify([choices, inputs.map(({ shape }) => shape)]);
      const now = (times.get(key) ?? 0) + 1;
      times.set(key, now);
      // The first time weights may have to be uploaded yet, and many computations never come again.
      if (now === 1) return compute();
      const values = recorder.values(inputs);
      let recording = recordings.get(key);
      if (!recording) {
        if (recordings.size === MOST_RECORDINGS) {
          // Recording costs more than computing once: it does not pay where many computations take turns.
          const other = rarest();
          if (now < 2 * times.get(other)!) return compute();
          recordings.get(other)!.dispose();
          recordings.delete(other);
        }
        recording = recorder.record(inputs, compute);
        recordings.set(key, recording);
      }
      return recorder.play(recording, values);
    },
    dispose() {
      for (const recording of recordings.values()) recording.dispose();
      recordings.clear();
      times.clear();
    },
  };
}
