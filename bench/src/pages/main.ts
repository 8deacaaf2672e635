/** `npm run bench:pages`: many pages measured again and again, and the chart of a year. */
import { writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { HELP, readOptions, type PagesOptions } from './options.ts';
import { roundsReport, yearReport } from './report.ts';
import { runRounds } from './rounds.ts';
import { chartYear } from './year.ts';

const stopped = new AbortController();
const say = (line: string): void => console.log(line);

async function main(options: PagesOptions): Promise<void> {
  const results: Record<string, unknown> = { options };
  if (options.year !== 'only') {
    say(`${options.pages} pages, ${options.rounds} rounds, one every ${options.every} s`);
    const rounds = await runRounds(options, stopped.signal, say);
    results['rounds'] = rounds;
    say(`\n${roundsReport(rounds, options.every)}\n`);
  }
  if (options.year !== 'no') {
    const year = await chartYear(options, stopped.signal);
    results['year'] = year;
    say(yearReport(year));
  }
  if (options.json !== undefined) await writeFile(options.json, `${JSON.stringify(results, null, 2)}\n`);
}

for (const name of ['SIGINT', 'SIGTERM'] as const)
  process.on(name, () => {
    if (stopped.signal.aborted) process.exit(130);
    say('stopping …');
    stopped.abort(new Error('stopped'));
  });

try {
  const options = readOptions(process.argv.slice(2));
  if (options === undefined) say(HELP);
  else if (process.platform !== 'linux') throw new Error('the bench reads /proc: it wants Linux');
  else {
    say(`${availableParallelism()} cores, Node ${process.version}`);
    await main(options);
  }
} catch (error) {
  console.error(stopped.signal.aborted ? 'stopped' : (error as Error).stack);
  process.exitCode = stopped.signal.aborted ? 130 : 1;
}
