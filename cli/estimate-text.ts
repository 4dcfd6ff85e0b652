/** What `--dry-run` prints for training. */
import { formatByteSize } from '../src/formats/byte-size.js';
import { count, duration } from '../src/report/figures.js';
import type { RunEstimate } from '../src/run/estimate.js';

export function runEstimateText(estimate: RunEstimate): string {
  const { decompose, train, evaluate } = estimate.seconds;
  const stages = [
    [decompose, 'to decompose'],
    [train, `for at most ${count(estimate.steps)} steps`],
    [evaluate, 'to evaluate'],
  ] as const;
  const parts = stages.filter(([seconds]) => seconds >= 0.1);
  const worker = estimate.engine === 'native-gpu' ? 'GPU' : 'thread';
  return [
    `engine  ${estimate.engine}, ${estimate.workers} ${worker}${estimate.workers === 1 ? '' : 's'}, ` +
      `${count(estimate.micro_batch_tokens)} tokens in a pass`,
    `time    about ${parts.map(([seconds, what]) => `${duration(seconds)} ${what}`).join(', ')}`,
    `memory  ${formatByteSize(estimate.memory_bytes)}`,
    `disk    ${formatByteSize(estimate.disk_bytes)}`,
  ].join('\n');
}
