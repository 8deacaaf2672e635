import { isNode, median, table } from '../report.ts';
import type { RoundsResult } from './rounds.ts';
import type { YearResult } from './year.ts';

const mib = (bytes: number): string => (bytes / 2 ** 20).toFixed(0);

/** Processes that are not the platform's. */
const OTHERS = new Set(['the provider']);

export function roundsReport(result: RoundsResult, every: number): string {
  const { rounds, skipped, calls, usage, bytesPerSample, seconds } = result;
  const samples = rounds.reduce((sum, round) => sum + round.samples, 0);
  const names = Object.keys(usage);
  const cpu = (name: string): number => usage[name]?.cpuSeconds ?? 0;
  const own = names.filter((name) => !OTHERS.has(name));
  const slowest = Math.max(...rounds.map((round) => round.seconds));
  const rss = (name: string, round: number): string => mib(rounds[round]?.rssBytes[name] ?? 0);
  const last = rounds.length - 1;
  return [
    table(
      ['process', 'CPU s', 'CPU µs a sample', ...rounds.map((_, n) => `MiB ${n + 1}`), 'peak MiB'],
      names.map((name) => [
        name,
        cpu(name).toFixed(1),
        ((cpu(name) * 1e6) / samples).toFixed(0),
        ...rounds.map((_, n) => rss(name, n)),
        mib(usage[name]?.peakBytes ?? 0),
      ]),
    ),
    '',
    `rounds: ${rounds.map((round) => round.seconds.toFixed(1)).join(', ')} s; median ${median(rounds.map((round) => round.seconds)).toFixed(1)} s`,
    `a round in at most 60 s: ${slowest <= 60 ? 'reached' : 'not reached'} (calls are spread over ${(every * 0.9).toFixed(0)} s of each ${every} s); ${skipped} skipped`,
    `CPU of the platform a round: ${(own.reduce((sum, name) => sum + cpu(name), 0) / rounds.length).toFixed(1)} s of ${(2 * every).toFixed(0)} that 2 cores have`,
    `samples: ${samples}, ${(samples / seconds).toFixed(0)} a second over all; ${bytesPerSample.toFixed(1)} bytes each on disk`,
    `requests: ${calls.requests} for ${calls.operations} pages read, ${(calls.operations / calls.requests).toFixed(1)} a request`,
    `memory from the second round to the last: ${names
      .filter(isNode)
      .filter((name) => !OTHERS.has(name))
      .map((name) => `${name} ${rss(name, Math.min(1, last))} → ${rss(name, last)} MiB`)
      .join(', ')}`,
  ].join('\n');
}

export function yearReport({ points, asked }: YearResult): string {
  return [
    `a year of one page: ${points} samples`,
    table(
      ['chart', 'points', 'ms', 'find of all points, ms', 'ratio'],
      asked.map(({ interval, labels, ms, findMs }) => [
        interval,
        String(labels),
        ms.toFixed(1),
        findMs.toFixed(1),
        (findMs / ms).toFixed(1),
      ]),
    ),
  ].join('\n');
}
