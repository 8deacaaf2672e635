import type { Growth } from './flat.ts';
import type { Usage } from './processes.ts';
import type { SketchResult } from './sketch.ts';

export interface Round {
  floor: SketchResult & { siteCpuSeconds: number };
  platform: { images: number; seconds: number; usage: Record<string, Usage> };
}

/** What the platform aims at. */
export const AIMS = { ratio: 0.5, nodeBytes: 150 * 2 ** 20 };

/** These are no processes of ours written for Node. */
const SERVERS = new Set(['RabbitMQ', 'MongoDB', 'nginx', 'the site']);

export const isNode = (name: string): boolean => !SERVERS.has(name);

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const [low = NaN, high = NaN] = [sorted[Math.ceil(sorted.length / 2) - 1], sorted[middle]];
  return (low + high) / 2;
}

export const rate = ({ images, seconds }: { images: number; seconds: number }): number => images / seconds;
export const ratioOf = ({ floor, platform }: Round): number => rate(platform) / rate(floor);

const mib = (bytes: number): string => (bytes / 2 ** 20).toFixed(0);

/** A table in plain text; the first column is left-aligned. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => (row[column] ?? '').length)));
  const line = (row: readonly string[]): string =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join('  ');
  return [line(head), widths.map((width) => '-'.repeat(width)).join('  '), ...rows.map(line)].join('\n');
}

export function roundsReport(rounds: readonly Round[]): string {
  const speed = table(
    ['round', 'floor images/s', 'platform images/s', 'ratio'],
    rounds.map((round, n) => [
      String(n + 1),
      rate(round.floor).toFixed(0),
      rate(round.platform).toFixed(0),
      ratioOf(round).toFixed(2),
    ]),
  );
  const ratio = median(rounds.map(ratioOf));
  const names = Object.keys(rounds[0]?.platform.usage ?? {});
  const of = (pick: (round: Round) => number): number => median(rounds.map(pick));
  const cpu = (name: string): number => of(({ platform }) => platform.usage[name]?.cpuSeconds ?? 0);
  const peak = (name: string): number => of(({ platform }) => platform.usage[name]?.peakBytes ?? 0);
  const row = (name: string, seconds: number, bytes: number, images: number): string[] => [
    name,
    seconds.toFixed(2),
    ((seconds * 1e6) / images).toFixed(0),
    bytes > 0 ? mib(bytes) : '',
  ];
  const images = of(({ platform }) => platform.images);
  const total = names.reduce((sum, name) => sum + cpu(name), 0);
  const costs = table(
    ['process (medians)', 'CPU s', 'CPU µs an image', 'peak MiB'],
    [
      row(
        'sketch',
        of(({ floor }) => floor.cpuSeconds),
        of(({ floor }) => floor.peakBytes),
        images,
      ),
      row(
        'the site, for the sketch',
        of(({ floor }) => floor.siteCpuSeconds),
        0,
        images,
      ),
      ...names.map((name) => row(name, cpu(name), peak(name), images)),
      row('platform and the site', total, 0, images),
    ],
  );
  const most = Math.max(...names.filter(isNode).map(peak));
  return [
    speed,
    '',
    `median ratio ${ratio.toFixed(2)}; aim ${AIMS.ratio} or more: ${ratio >= AIMS.ratio ? 'reached' : 'not reached'}`,
    '',
    costs,
    '',
    `largest Node process ${mib(most)} MiB; aim ${mib(AIMS.nodeBytes)} or less: ${most <= AIMS.nodeBytes ? 'reached' : 'not reached'}`,
  ].join('\n');
}

export function flatReport(
  growth: Readonly<Record<string, Growth>>,
  images: number,
  seconds: number,
): string {
  const head = ['MiB resident at', ...Array.from({ length: 10 }, (_, i) => `${i + 1}0 %`), 'MiB/10,000'];
  const rows = Object.entries(growth).map(([name, { tenths, slope }]) => [
    name,
    ...tenths.map(mib),
    (slope / 2 ** 20).toFixed(1),
  ]);
  return [
    `${images} images in ${seconds.toFixed(0)} s (${(images / seconds).toFixed(0)} images/s)`,
    '',
    table(head, rows),
  ].join('\n');
}
