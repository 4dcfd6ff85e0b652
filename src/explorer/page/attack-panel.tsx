/** The adversary, on the circuit as it is now. */
import { useRef, useState } from 'preact/hooks';
import { count, decimal } from '../../report/figures.js';
import type { Edit } from '../edit.js';
import type { AttackSoFar, LiveAttack } from '../live.js';
import { ask, type Progress } from './ask.js';
import { Doing } from './doing.js';
import { Figure } from './figure.js';
import { useExplorer } from './state.js';
import { short } from './text.js';

const STEPS = 10;
const NAMED = 12;

export function AttackPanel() {
  const { state } = useExplorer();
  const [steps, setSteps] = useState(String(STEPS));
  const [busy, setBusy] = useState(false);
  const [progress, setProgress] = useState<Progress | null>(null);
  const [soFar, setSoFar] = useState<AttackSoFar | null>(null);
  const [found, setFound] = useState<{ attack: LiveAttack; edit: Edit } | null>(null);
  const [error, setError] = useState('');
  const abort = useRef<AbortController | null>(null);
  const start = async () => {
    const own = new AbortController();
    abort.current = own;
    setError('');
    setBusy(true);
    try {
      const given = { edit: state.edit, steps: Number(steps) };
      const attack = await ask('attack', given, {
        signal: own.signal,
        onProgress: setProgress,
        onPart: setSoFar,
      });
      setFound({ attack, edit: state.edit });
    } catch (error) {
      if (!own.signal.aborted) setError((error as Error).message);
    }
    setBusy(false);
    setProgress(null);
    setSoFar(null);
  };
  const stale = found && JSON.stringify(found.edit) !== JSON.stringify(state.edit);
  return (
    <section aria-labelledby="adversary">
      <h2 id="adversary">Does it hold?</h2>
      <p class="dim">
        An adversary puts back what is left out, each direction by a share that is the same for all prompts,
        and looks for the shares that do most harm. It sees training pairs; what it finds is measured on test
        prompts. The more steps, the worse it can get.
      </p>
      <form
        class="choices"
        onSubmit={(event) => {
          event.preventDefault();
          start();
        }}
      >
        <label>
          Steps from each start{' '}
          <input
            type="number"
            min={1}
            max={100}
            required
            value={steps}
            onInput={({ currentTarget }) => setSteps(currentTarget.value)}
          />
        </label>
        <button type="submit" disabled={busy}>
          Attack it
        </button>
        {busy && (
          <>
            <Doing progress={progress} />{' '}
            <button type="button" onClick={() => abort.current?.abort()}>
              Cancel
            </button>
          </>
        )}
      </form>
      {error && (
        <p class="notice" role="alert">
          {short(error, 300)}
        </p>
      )}
      {soFar && (
        <p role="status">
          So far: KL from <strong>{decimal(soFar.plain_kl)}</strong>
          {soFar.kl > soFar.plain_kl ? (
            <>
              {' '}
              to <strong>{decimal(soFar.kl)}</strong>
            </>
          ) : (
            ' on'
          )}
          , measured on {count(soFar.n)} test prompts.
        </p>
      )}
      {found && <Found {...found.attack} stale={stale === true} />}
    </section>
  );
}

function Found({
  plain_kl,
  kl,
  n,
  pairs,
  starts,
  steps,
  control,
  missed,
  stale,
}: LiveAttack & { stale: boolean }) {
  const { link } = useExplorer();
  return (
    <Figure
      title="What the adversary found"
      how={`${count(steps)} steps, ${count(starts)} ${starts === 1 ? 'start' : 'starts'}, on ${count(pairs)} pairs; measured on ${count(n)}. Below are directions that were left out and do most harm when they come back, by their estimated part in the KL.`}
      numbers={{
        columns: ['direction', 'share put back', 'part (nats)', 'KL falls without it by'],
        rows: missed.map(({ component, direction, share, part, returns }) => [
          `${component}.${direction}`,
          share,
          part,
          returns,
        ]),
      }}
    >
      <p role="status">
        {stale && 'Before your last change: '}
        KL from <strong>{decimal(plain_kl)}</strong> to <strong>{decimal(kl)}</strong>. A random set of its
        size: from {decimal(control.plain_kl)} to {decimal(control.kl)}.
      </p>
      <ul class="plainlist">
        {missed.slice(0, NAMED).map(({ component, direction, share, part }) => (
          <li key={`${component}.${direction}`}>
            <a href={link({ view: 'direction', of: `${component}.${direction}` })}>
              {component}.{direction}
            </a>{' '}
            share {share.toFixed(2)}, part {decimal(part)}
          </li>
        ))}
      </ul>
    </Figure>
  );
}
