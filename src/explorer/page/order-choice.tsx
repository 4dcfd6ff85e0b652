/** In which order directions of a component stand. */
import { useExplorer } from './state.js';

export function OrderChoice() {
  const { state, go } = useExplorer();
  return (
    <fieldset class="choices">
      <legend>Order</legend>
      {[
        ['', 'by σ'],
        ['mask', 'by mask'],
      ].map(([value, label]) => (
        <label key={value}>
          <input
            type="radio"
            name="order"
            checked={(state.sort === 'mask') === (value === 'mask')}
            onChange={() => go({ sort: value })}
          />{' '}
          {label}
        </label>
      ))}
    </fieldset>
  );
}
