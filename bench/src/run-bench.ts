import { availableParallelism } from 'node:os';

/**
 * Runs a benchmark from the command line: its options, or help; Ctrl-C aborts the signal and lets it tidy up, the
 * second time nothing is waited for. Ends with 0, 1 after an error, 130 when it was stopped.
 */
export async function runBench<O>(
  { help, readOptions }: { help: string; readOptions: (args: string[]) => O | undefined },
  main: (options: O, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const stopped = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const)
    process.on(name, () => {
      // Whoever watches over the servers ends them.
      if (stopped.signal.aborted) process.exit(130);
      console.log('stopping …');
      stopped.abort(new Error('stopped'));
    });
  try {
    const options = readOptions(process.argv.slice(2));
    if (options === undefined) console.log(help);
    else if (process.platform !== 'linux') throw new Error('the bench reads /proc: it wants Linux');
    else {
      console.log(`${availableParallelism()} cores, Node ${process.version}`);
      await main(options, stopped.signal);
    }
  } catch (error) {
    console.error(stopped.signal.aborted ? 'stopped' : (error as Error).stack);
    process.exitCode = stopped.signal.aborted ? 130 : 1;
  }
}
