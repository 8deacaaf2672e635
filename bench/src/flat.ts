/** Whether memory stays flat while a job goes on: what each process had at each tenth of it. */
import type { Sample } from './processes.ts';

export interface Growth {
  /** Bytes at 10 %, 20 %, … 100 % of the images. */
  tenths: number[];
  /** Bytes for each 10,000 images, by least squares over the samples from 20 % on. */
  slope: number;
}

export interface Progress {
  /** ms since the watch began. */
  at: number;
  done: number;
}

/** @param images how many there are in all */
export function growthOf(
  samples: readonly Sample[],
  progress: readonly Progress[],
  images: number,
): Record<string, Growth> {
  const doneAt = (at: number): number => {
    const after = progress.findIndex((one) => one.at >= at);
    const [low, high] = [progress[after - 1], progress[after]];
    if (high === undefined) return progress.at(-1)?.done ?? 0;
    if (low === undefined) return high.done;
    return low.done + ((high.done - low.done) * (at - low.at)) / Math.max(1, high.at - low.at);
  };
  const points = samples.map(({ at, rssBytes }) => ({ done: doneAt(at), rssBytes }));
  const names = Object.keys(samples[0]?.rssBytes ?? {});
  return Object.fromEntries(
    names.map((name): [string, Growth] => {
      const series = points.map(({ done, rssBytes }) => ({ x: done, y: rssBytes[name] ?? 0 }));
      const tenths = Array.from({ length: 10 }, (_, i) => {
        const wanted = (images * (i + 1)) / 10;
        const near = series.reduce((a, b) => (Math.abs(b.x - wanted) < Math.abs(a.x - wanted) ? b : a));
        return near.y;
      });
      return [name, { tenths, slope: slopeOf(series.filter(({ x }) => x >= images / 5)) * 10_000 }];
    }),
  );
}

/** Of the straight line nearest to the points; 0 where there is none. */
export function slopeOf(points: readonly { x: number; y: number }[]): number {
  const mean = (of: (point: { x: number; y: number }) => number): number =>
    points.reduce((sum, point) => sum + of(point), 0) / points.length;
  const [x, y] = [mean((point) => point.x), mean((point) => point.y)];
  const spread = points.reduce((sum, point) => sum + (point.x - x) ** 2, 0);
  return spread > 0 ? points.reduce((sum, point) => sum + (point.x - x) * (point.y - y), 0) / spread : 0;
}
