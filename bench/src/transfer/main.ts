/** `npm run bench:transfer`: many rows in and out. */
import { writeFile } from 'node:fs/promises';
import { isNode, median, table } from '../report.ts';
import { runBench } from '../run-bench.ts';
import { HELP, readOptions, type TransferOptions } from './options.ts';
import { runRound, type TransferRound, type Way } from './round.ts';

const AIMS = { ratio: 0.6, nodeBytes: 200 * 2 ** 20 };
const say = (line: string): void => console.log(line);

async function main({ rows, rounds: count, json }: TransferOptions, signal: AbortSignal): Promise<void> {
  const rounds: TransferRound[] = [];
  for (let n = 1; n <= count; n++) {
    say(`round ${n} of ${count}`);
    rounds.push(await runRound(rows, signal, say));
  }
  const of = (pick: (round: TransferRound) => Way | null): number[] =>
    rounds.flatMap((round) => pick(round)?.seconds ?? []);
  const ways: [string, number[], number[]][] = [
    ['in: csv-parse → bulkWrite, bare rows', of((r) => r.in.bare), of((r) => r.in.platform)],
    ['in: csv-parse → bulkWrite, items with their indexes', of((r) => r.in.items), of((r) => r.in.platform)],
    ['in: mongoimport, bare rows', of((r) => r.in.mongoimport), of((r) => r.in.platform)],
    ['out: find → csv-stringify', of((r) => r.out.floor), of((r) => r.out.platform)],
    ['out: mongoexport', of((r) => r.out.mongoexport), of((r) => r.out.platform)],
  ];
  say('');
  say(
    table(
      ['beside', 'rows/s', 'platform rows/s', 'ratio'],
      ways.map(([name, theirs, ours]) =>
        theirs.length === 0
          ? [name, 'not installed', '', '']
          : [
              name,
              (rows / median(theirs)).toFixed(0),
              (rows / median(ours)).toFixed(0),
              median(ours.map((mine, i) => (theirs[i] ?? NaN) / mine)).toFixed(2),
            ],
      ),
    ),
  );
  const names = Object.keys(rounds[0]?.in.platform.usage ?? {});
  const usage = (way: 'in' | 'out', name: string) => rounds.map((round) => round[way].platform.usage?.[name]);
  say('');
  say(
    table(
      ['process', 'CPU µs a row, in', 'out', 'peak MiB'],
      names.map((name) => [
        name,
        ...(['in', 'out'] as const).map((way) =>
          ((median(usage(way, name).map((used) => used?.cpuSeconds ?? 0)) * 1e6) / rows).toFixed(1),
        ),
        mib(peak(rounds, name)),
      ]),
    ),
  );
  const largest = Math.max(...names.filter(isNode).map((name) => peak(rounds, name)));
  say(
    `\naims: ${AIMS.ratio} of the floors; largest Node process at most ${mib(AIMS.nodeBytes)} MiB (has ${mib(largest)})`,
  );
  if (json !== undefined) await writeFile(json, `${JSON.stringify({ rows, rounds }, null, 2)}\n`);
}

const peak = (rounds: readonly TransferRound[], name: string): number =>
  Math.max(
    ...rounds.flatMap((round) =>
      (['in', 'out'] as const).map((way) => round[way].platform.usage?.[name]?.peakBytes ?? 0),
    ),
  );
const mib = (bytes: number): string => (bytes / 2 ** 20).toFixed(0);

await runBench({ help: HELP, readOptions }, main);
