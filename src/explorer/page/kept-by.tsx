/** How stable a direction is: how many of the runs that are known keep it. */
import { useExplorer } from './state.js';

export function KeptBy({ flat }: { flat: number }) {
  const { core, values } = useExplorer().data;
  const kept = values.keeping?.[flat];
  if (!core.keeping || kept === undefined) return null;
  const { runs, from } = core.keeping;
  return (
    <span>
      kept by {kept} of {runs} {from === 'sweep' ? 'seeds' : 'runs'}
    </span>
  );
}
