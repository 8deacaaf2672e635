/** Points and rows of fans as they are shown. */
import type { FanChart, FanPages, FanPoint, FanRow } from '@magpie/contracts';
import type { Interval, Point, Row } from '@magpie/store';

const fans = ({ values }: Point): number | null => values['fan_count'] ?? null;
const followers = ({ values }: Point): number | null => values['followers_count'] ?? null;

export const chartView = (page: string, interval: Interval, points: readonly Point[]): FanChart => ({
  page,
  interval,
  labels: points.map(({ at }) => at.toISOString()),
  data: points.map(fans),
  followers: points.map(followers),
});

export const pointView = (point: Point): FanPoint => ({
  at: point.at.toISOString(),
  fans: fans(point),
  followers: followers(point),
  suspect: point.suspect,
});

export const rowView = ({ point, before }: Row): FanRow => ({
  ...pointView(point),
  fans_change: change(fans(point), before && fans(before)),
  followers_change: change(followers(point), before && followers(before)),
});

function change(now: number | null, before: number | null | undefined): FanRow['fans_change'] {
  if (now === null || before === null || before === undefined) return null;
  const absolute = now - before;
  return { absolute, percent: before === 0 ? null : Math.round((absolute / before) * 1e6) / 1e4 };
}

/** Series on all times that any of them has; rounds, so that samples of one round stand side by side. */
export function pagesView(interval: Interval, series: ReadonlyMap<string, readonly Point[]>): FanPages {
  const times = new Set<number>();
  for (const points of series.values()) for (const { round } of points) times.add(round.getTime());
  const labels = [...times].sort((a, b) => a - b);
  return {
    interval,
    labels: labels.map((at) => new Date(at).toISOString()),
    pages: [...series].map(([page, points]) => {
      const by = new Map(points.map((point) => [point.round.getTime(), point]));
      const of = (value: (point: Point) => number | null) =>
        labels.map((at) => {
          const point = by.get(at);
          return point === undefined ? null : value(point);
        });
      return { page, data: of(fans), followers: of(followers) };
    }),
  };
}
