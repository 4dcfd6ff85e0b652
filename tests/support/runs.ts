/** Whether a process is still at work. */
import { existsSync, readFileSync } from 'node:fs';

export function runs(pid: number): boolean {
  try {
    process.kill(pid, 0);
    // An orphan that ended stays in the list of processes until whoever inherited it looks.
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' && !existsSync('/proc/self');
  }
}
