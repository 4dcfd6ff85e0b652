/** What is not there, and the command that computes it. */
import { useExplorer } from './state.js';
import { visible } from './text.js';

export function Missing({ what, command }: { what: string; command: string }) {
  const { live, folder } = useExplorer().data.core;
  return (
    <p class="missing">
      {what}. To compute: <code>{visible(command)}</code>, then{' '}
      {live ? (
        'start this page again'
      ) : (
        <>
          <code>orthoscope report {visible(folder)}</code> writes this page anew
        </>
      )}
      .
    </p>
  );
}
