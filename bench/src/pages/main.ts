/** `npm run bench:pages`: many pages measured again and again, and the chart of a year. */
import { writeFile } from 'node:fs/promises';
import { runBench } from '../run-bench.ts';
import { HELP, readOptions, type PagesOptions } from './options.ts';
import { roundsReport, yearReport } from './report.ts';
import { runRounds } from './rounds.ts';
import { chartYear } from './year.ts';

const say = (line: string): void => console.log(line);

async function main(options: PagesOptions, signal: AbortSignal): Promise<void> {
  const results: Record<string, unknown> = { options };
  if (options.year !== 'only') {
    say(`${options.pages} pages, ${options.rounds} rounds, one every ${options.every} s`);
    const rounds = await runRounds(options, signal, say);
    results['rounds'] = rounds;
    say(`\n${roundsReport(rounds, options.every)}\n`);
  }
  if (options.year !== 'no') {
    const year = await chartYear(options, signal);
    results['year'] = year;
    say(yearReport(year));
  }
  if (options.json !== undefined) await writeFile(options.json, `${JSON.stringify(results, null, 2)}\n`);
}

await runBench({ help: HELP, readOptions }, main);
