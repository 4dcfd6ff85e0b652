/** Prints what Vitest counted in its last run as one line, `N passed, N failed, N skipped`; fails without a report. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const report = readReport(fileURLToPath(new URL('../dist/test-results.json', import.meta.url)));
// A file that does not even load has no tests to count, but it is a failure.
const failed = report && (report.numFailedTests || (report.success ? 0 : 1));
console.log(
  report
    ? `${report.numPassedTests} passed, ${failed} failed, ${report.numPendingTests + report.numTodoTests} skipped`
    : '0 passed, 1 failed, 0 skipped',
);
process.exitCode = report && !failed ? 0 : 1;

function readReport(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}
