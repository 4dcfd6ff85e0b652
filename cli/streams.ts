/** What happens where the terminal, the file or the pipe that the program writes to takes no more. */
/**
 * A result that cannot be written ends the program: quietly where its reader has read enough (`| head`), else with
 * exit code 2. Progress that cannot be written, as after a lost terminal, is let go: the work goes on.
 */
export function watchStreams(): void {
  process.stdout.on('error', async (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    const { fileError } = await import('../src/formats/file-error.js');
    const known = fileError(error, 'standard output') as Error;
    process.stderr.write(`orthoscope: ${known.message}\n`);
    process.exit(2);
  });
  process.stderr.on('error', () => {});
}
