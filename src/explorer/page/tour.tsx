/** Six steps through the page, for whoever sees it for the first time. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { useExplorer, type View } from './state.js';

const STEPS: [view: View, title: string, text: string][] = [
  [
    'summary',
    'The verdict',
    'How many directions are kept, how near they come to the full model, and whether the circuit holds when an adversary puts back what it left out. Compare with the controls: a random set as large should fail.',
  ],
  [
    'model',
    'Where it lies',
    'Every cell is a head or an MLP matrix. Its number says how many of its directions are kept. Open one.',
  ],
  [
    'directions',
    'Its members',
    'All directions, the kept ones first. Sort them by what rests on them, or find one by its name.',
  ],
  [
    'directions',
    'A direction’s card',
    'Open any row: which tokens it writes and reads, what it looks for, how it differs between groups of prompts. Pin those that matter, name them, note what you think.',
  ],
  [
    'prompts',
    'One prompt',
    'What the full model and the circuit say next, the logit difference as an exact sum of all parts, and where each head looks.',
  ],
  [
    'pins',
    'What you keep',
    'Your pins, names and notes. They are part of the address: share the link, or save a file, or take the commands at the foot of the page.',
  ],
];

export function Tour({ onEnd }: { onEnd(): void }) {
  const { go } = useExplorer();
  const dialog = useRef<HTMLDialogElement>(null);
  const [at, setAt] = useState(0);
  useEffect(() => dialog.current?.show(), []);
  useEffect(() => {
    go({ view: STEPS[at]![0], of: '' });
    dialog.current?.querySelector<HTMLElement>('.next')?.focus();
  }, [at]);
  const [, title, text] = STEPS[at]!;
  return (
    <dialog
      ref={dialog}
      class="tour"
      aria-labelledby="tour-title"
      onKeyDown={(event) => event.key === 'Escape' && onEnd()}
    >
      <h2 id="tour-title">
        {at + 1} of {STEPS.length}: {title}
      </h2>
      <p aria-live="polite">{text}</p>
      <p class="buttons">
        {at > 0 && (
          <button type="button" onClick={() => setAt(at - 1)}>
            Back
          </button>
        )}
        <button type="button" class="next" onClick={() => (at + 1 < STEPS.length ? setAt(at + 1) : onEnd())}>
          {at + 1 < STEPS.length ? 'Next' : 'Done'}
        </button>
        <button type="button" class="quiet" onClick={onEnd}>
          Skip the tour
        </button>
      </p>
    </dialog>
  );
}
