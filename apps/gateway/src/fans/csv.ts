/** The answers of the fans routes as CSV: a line a time, and a column a series. */
import type { FanPages, FanPoint, FanRow } from '@magpie/contracts';
import { csvRecord, type CsvCell } from '@magpie/domain';

export const pointsCsv = (points: readonly FanPoint[]): string =>
  csvOf(
    ['at', 'fans', 'followers', 'suspect'],
    points.map(({ at, fans, followers, suspect }) => [at, fans, followers, suspect]),
  );

export const pagesCsv = ({ labels, pages }: FanPages): string =>
  csvOf(
    ['at', ...pages.flatMap(({ page }) => [page, `${page} followers`])],
    labels.map((at, i) => [
      at,
      ...pages.flatMap(({ data, followers }) => [data[i] ?? null, followers[i] ?? null]),
    ]),
  );

export const tableCsv = (rows: readonly FanRow[]): string =>
  csvOf(
    [
      'at',
      'fans',
      'fans change',
      'fans change %',
      'followers',
      'followers change',
      'followers change %',
      'suspect',
    ],
    rows.map(({ at, fans, followers, fans_change: f, followers_change: g, suspect }) => [
      at,
      fans,
      f?.absolute ?? null,
      f?.percent ?? null,
      followers,
      g?.absolute ?? null,
      g?.percent ?? null,
      suspect,
    ]),
  );

const csvOf = (header: readonly string[], rows: readonly (readonly CsvCell[])[]): string =>
  [header, ...rows].map((record) => csvRecord(record)).join('');
