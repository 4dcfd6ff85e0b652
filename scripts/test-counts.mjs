/**
 * Names the tests that failed, a line each, then prints what Vitest counted as one line, `N passed, N failed, N
 * skipped`: whoever sees only the end of a long log learns what to look at.
 * Usage: node scripts/test-counts.mjs REPORT [FURTHER…]
 * Tests that passed and were skipped are those of the first report; failures are those of all reports, which are of
 * the same tests in other surroundings. Fails where a test failed or a report is missing.
 */
import { readFileSync } from 'node:fs';

const [first, ...further] = process.argv.slice(2).map(countsOf);
const failures = [first, ...further].flatMap((counts) => counts.failures);
for (const failure of failures) console.log(`failed: ${failure}`);
console.log(`${first.passed} passed, ${failures.length} failed, ${first.skipped} skipped`);
process.exitCode = failures.length ? 1 : 0;

function countsOf(path) {
  let report;
  try {
    report = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    return { passed: 0, failures: [`no report of the tests: ${error.message}`], skipped: 0 };
  }
  const failures = report.testResults.flatMap(failuresOf);
  return {
    passed: report.numPassedTests,
    failures: failures.length || report.success ? failures : [`${path} says so and names no test`],
    skipped: report.numPendingTests + report.numTodoTests,
  };
}

/** What failed in one test file: its tests, or the file as a whole where it does not even load and has none. */
function failuresOf(file) {
  const tests = file.assertionResults.filter(({ status }) => status === 'failed');
  if (tests.length) {
    return tests.map(
      ({ fullName, failureMessages }) => `${file.name} > ${fullName}: ${firstLine(failureMessages[0])}`,
    );
  }
  return file.status === 'failed' ? [`${file.name}: ${firstLine(file.message)}`] : [];
}

function firstLine(text = '') {
  return text.split('\n', 1)[0];
}
