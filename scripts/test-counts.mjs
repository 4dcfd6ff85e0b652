/**
 * Prints what Vitest counted as one line, `N passed, N failed, N skipped`.
 * Usage: node scripts/test-counts.mjs REPORT [FURTHER…]
 * Tests that passed and were skipped are those of the first report; failures are those of all reports, which are of
 * the same tests in other surroundings. Fails where a test failed or a report is missing.
 */
import { readFileSync } from 'node:fs';

const [first, ...further] = process.argv.slice(2).map(countsOf);
const failed = [first, ...further].reduce((sum, counts) => sum + counts.failed, 0);
console.log(`${first.passed} passed, ${failed} failed, ${first.skipped} skipped`);
process.exitCode = failed ? 1 : 0;

function countsOf(path) {
  let report;
  try {
    report = JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return { passed: 0, failed: 1, skipped: 0 };
  }
  return {
    passed: report.numPassedTests,
    // A file that does not even load has no tests to count, but it is a failure.
    failed: report.numFailedTests || (report.success ? 0 : 1),
    skipped: report.numPendingTests + report.numTodoTests,
  };
}
