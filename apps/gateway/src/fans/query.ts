/** What the routes of fans take: pages, a period, an interval. */
import { INTERVALS, PageQuery } from '@magpie/contracts';
import { instantOf, InvalidMoment, targetKey } from '@magpie/domain';
import { isKnown, TooManyPoints, type Interval, type Store } from '@magpie/store';
import { Type } from 'typebox';
import { HttpProblem } from '../problems.ts';

export const SOURCE = 'facebook-pages';

/** One answer has no more. */
export const MAX_POINTS = 100_000;
export const MAX_PAGES = 50;

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** From when on, where nothing is said. */
const USUAL_DAYS = 30;

const FORMATS = ['chart', 'json', 'csv'] as const;
const moment = (description: string) =>
  Type.Optional(
    Type.String({ maxLength: 40, description, examples: ['2026-05-01', '2026-05-01T12:00:00Z'] }),
  );

const period = {
  from: moment('A day (UTC) or an instant; 30 days ago unless said'),
  to: moment('A day, which is included, or an instant; now unless said'),
  interval: Type.Optional(
    Type.Enum(INTERVALS, {
      description:
        'Every sample, or the last one of each hour or day (UTC). Unless said: raw up to 2 days, hour up to 60, else day',
    }),
  ),
};
const closed = { additionalProperties: false } as const;
const format = Type.Optional(
  Type.Enum(FORMATS, { description: '`chart` unless said, or CSV where `Accept` asks for it' }),
);

export const PageParams = Type.Object({
  page: Type.String({
    maxLength: 500,
    description: 'Its name, without regard to case, or its address',
    examples: ['nasa'],
  }),
});
export const ChartQuery = Type.Object({ ...period, format }, closed);
export const TableQuery = Type.Object(
  { ...period, ...PageQuery.properties, format: Type.Optional(Type.Enum(['json', 'csv'])) },
  closed,
);
export const PagesQuery = Type.Object(
  {
    ...period,
    format,
    pages: Type.Union([
      Type.Array(Type.String({ maxLength: 500 }), { minItems: 1, maxItems: MAX_PAGES }),
      Type.String({ maxLength: 500 }),
    ]),
  },
  closed,
);

export interface Asked {
  from: Date;
  to: Date;
  interval: Interval;
  /** The period is over: what is answered does not change any more. */
  past: boolean;
}

const refuse = (field: string, message: string): never => {
  throw new HttpProblem('invalid_request', undefined, { errors: [{ field, message }] });
};

function edge(field: 'from' | 'to', text: string): number {
  try {
    return instantOf(text, 'UTC', field);
  } catch (error) {
    if (!(error instanceof InvalidMoment)) throw error;
    return refuse(field, error.message);
  }
}

/** The period and interval that are meant. @throws HttpProblem `invalid_request` naming the field */
export function asked(
  { from, to, interval }: { from?: string; to?: string; interval?: Interval },
  now = Date.now(),
): Asked {
  const end = to === undefined ? now : edge('to', to);
  const begin = from === undefined ? end - USUAL_DAYS * DAY_MS : edge('from', from);
  if (end < begin) refuse('to', 'must not be before from');
  const span = end - begin;
  const usual = span <= 2 * DAY_MS ? 'raw' : span <= 60 * DAY_MS ? 'hour' : 'day';
  return {
    from: new Date(Math.max(0, begin)),
    to: new Date(end),
    interval: interval ?? usual,
    past: end < now - DAY_MS,
  };
}

/** The key of a page that is measured, or was. @throws HttpProblem `not_found` */
export async function knownPage(store: Store, name: string): Promise<string> {
  const page = targetKey(name);
  if (page === undefined || !(await isKnown(store, { source: SOURCE, target: page })))
    throw new HttpProblem('not_found', 'No such page is measured.');
  return page;
}

/** So many points at most; more is 400, with what to do. */
export async function within<T>(
  { from, to, interval }: Asked,
  limit: number,
  read: () => Promise<T>,
): Promise<T> {
  const span = to.getTime() - from.getTime();
  const least = { raw: 0, hour: span / HOUR_MS, day: span / DAY_MS }[interval];
  if (least <= limit)
    try {
      return await read();
    } catch (error) {
      if (!(error instanceof TooManyPoints)) throw error;
    }
  const other = span / HOUR_MS <= limit ? 'hour' : span / DAY_MS <= limit ? 'day' : undefined;
  return refuse(
    'interval',
    other === undefined || other === interval
      ? `makes more than ${MAX_POINTS} points: ask for a shorter period`
      : `makes more than ${MAX_POINTS} points: ask for interval=${other}, or a shorter period`,
  );
}
