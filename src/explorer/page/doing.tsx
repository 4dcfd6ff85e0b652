/** What the engine computes for an ask, and how long it will take. */
import { duration } from '../../report/figures.js';
import type { Progress } from './ask.js';
import { short } from './text.js';

export function Doing({ progress }: { progress: Progress | null }) {
  if (!progress) return <>Waiting for the engine …</>;
  const { stage, share, left, note } = progress;
  return (
    <>
      <progress value={share} aria-label={short(stage, 40)} />{' '}
      <span class="dim">
        {short(stage, 40)}
        {note && `: ${short(note, 40)}`}
        {left !== null && `, about ${duration(left)} left`}
      </span>
    </>
  );
}
