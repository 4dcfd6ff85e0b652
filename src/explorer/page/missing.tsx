/** What is not there, and the command that computes it. */
import { useExplorer } from './state.js';
import { visible } from './text.js';

export function Missing({ what, command }: { what: string; command: string }) {
  return (
    <p class="missing">
      {what}. To compute: <code>{visible(command)}</code>, then{' '}
      <code>orthoscope report {visible(useExplorer().data.core.folder)}</code> writes this page anew.
    </p>
  );
}
