/** Says so where members of another size are shown than the run's own circuit. */
import { count } from '../../report/figures.js';
import { useExplorer } from './state.js';

export function SizeNote() {
  const { members, go } = useExplorer();
  if (typeof members !== 'number') return null;
  return (
    <p class="notice">
      Shown are the {count(members)} directions with the largest soft masks, not the run’s own circuit.{' '}
      <button type="button" onClick={() => go({ size: null })}>
        Show the circuit
      </button>
    </p>
  );
}
