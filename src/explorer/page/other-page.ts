/** Another run, from its own page: a file that anybody may have written. */
import { Data, unpacked } from './data.js';

/** Bytes of a page that is read. */
const LARGEST = 3e8;

/**
 * @param own the run of this page, whose directions the other's must be
 * @throws Error with what is wrong
 */
export async function readOtherPage(file: File, own: Data): Promise<Data> {
  if (file.size > LARGEST) throw new Error('is larger than 300 MB');
  const block = /<script type="text\/plain" id="block-core">([A-Za-z0-9+/=]*)<\/script>/.exec(
    await file.text(),
  );
  if (!block) throw new Error('is no page of a run');
  let other: Data;
  try {
    other = Data.from(await unpacked(block[1]!));
    if (other.values.masks?.length !== other.size) throw new Error('holds no masks');
  } catch (error) {
    throw new Error(`holds no run that can be read (${(error as Error).message})`);
  }
  const names = ({ places }: Data) => places.map(({ name, directions }) => `${name} ${directions}`).join();
  const { model, weight_form } = own.core.metrics.measured;
  const { measured } = other.core.metrics;
  if (measured.model.hash !== model.hash) throw new Error('is of another model');
  if (
    measured.weight_form !== weight_form ||
    other.core.basis !== own.core.basis ||
    names(other) !== names(own)
  )
    throw new Error(
      'masks other directions than this run: other components, another weight form or another basis',
    );
  return other;
}
