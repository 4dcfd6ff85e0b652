/** Where a job is done: on whose disk, with how much of the machine. */
export interface Place {
  /** Local path or hub id of the model. */
  model: string;
  /** Folder of stored decompositions; null: in the cache folder. */
  store: string | null;
  /** Cores that a native TensorFlow, or the threads of a scoring, may use. */
  cores: number;
}
