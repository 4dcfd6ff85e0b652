/** What `--dry-run` prints. */
import { formatByteSize } from '../src/formats/byte-size.js';
import type { ReadingEstimate } from '../src/interpret/reading-estimate.js';
import { count, duration } from '../src/report/figures.js';
import type { RunEstimate } from '../src/run/estimate.js';

export function runEstimateText(estimate: RunEstimate): string {
  const { decompose, load, train, evaluate, read } = estimate.seconds;
  const stages = [
    [decompose, 'to decompose'],
    [load, 'to load'],
    [train, `for at most ${count(estimate.steps)} steps`],
    [evaluate, 'to evaluate'],
    [read, 'to read the circuit for the page'],
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

/** What `--dry-run` prints for reading directions. */
export function readingEstimateText(estimate: ReadingEstimate): string {
  const { directions, prompts, decomposition, memory_bytes, disk_bytes } = estimate;
  const lines = [
    `engine  ${estimate.engine}`,
    `reads   ${count(directions)} directions on ${count(prompts)} prompt${prompts === 1 ? '' : 's'}`,
  ];
  if (decomposition.seconds >= 0.1)
    lines.push(`time    about ${duration(decomposition.seconds)} to decompose`);
  lines.push(`memory  ${formatByteSize(memory_bytes)}`);
  if (disk_bytes > 0) lines.push(`disk    ${formatByteSize(disk_bytes)}`);
  return lines.join('\n');
}
