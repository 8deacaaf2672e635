/** What the routes of videos take. */
import { Id, PageQuery } from '@magpie/contracts';
import { instantOf, InvalidMoment, searchTerms } from '@magpie/domain';
import type { VideoFilter } from '@magpie/store';
import { Type } from 'typebox';
import { HttpProblem } from '../problems.ts';

/** A search has no more. */
export const MAX_WORDS = 10;

const closed = { additionalProperties: false } as const;
const moment = (description: string) =>
  Type.Optional(
    Type.String({ maxLength: 40, description, examples: ['2026-05-01', '2026-05-01T12:00:00Z'] }),
  );

export const VideoListQuery = Type.Object(
  {
    ...PageQuery.properties,
    channel: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 100,
        description: 'The id of a channel',
        examples: ['UC_x5XG1OV2P6uZZ5FSM9Ttw'],
      }),
    ),
    publishedAfter: moment('Published at this instant, or from this day (UTC), or later'),
    publishedBefore: moment('Published at this instant, or on this day (UTC), or earlier'),
    job: Type.Optional(Id),
  },
  closed,
);

export const VideoSearchQuery = Type.Object(
  {
    ...PageQuery.properties,
    q: Type.String({
      minLength: 1,
      maxLength: 200,
      description: `Up to ${String(MAX_WORDS)} words, or beginnings of words; no operators`,
      examples: ['tea how'],
    }),
  },
  closed,
);

const refuse = (field: string, message: string): never => {
  throw new HttpProblem('invalid_request', undefined, { errors: [{ field, message }] });
};

const LAST = Date.parse('9999-12-31T23:59:59.999Z');

function edge(field: 'publishedAfter' | 'publishedBefore', text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  try {
    const at = instantOf(text, 'UTC', field === 'publishedAfter' ? 'from' : 'to');
    return new Date(Math.min(Math.max(at, 0), LAST)).toISOString();
  } catch (error) {
    if (!(error instanceof InvalidMoment)) throw error;
    return refuse(field, error.message);
  }
}

/** The period that is meant. @throws HttpProblem `invalid_request` naming the field */
export function published(query: {
  publishedAfter?: string;
  publishedBefore?: string;
}): Pick<VideoFilter, 'after' | 'before'> {
  const after = edge('publishedAfter', query.publishedAfter);
  const before = edge('publishedBefore', query.publishedBefore);
  if (after !== undefined && before !== undefined && before < after)
    refuse('publishedBefore', 'must not be before publishedAfter');
  return { after, before };
}

/** The words of a search, as they are kept. @throws HttpProblem `invalid_request` */
export function wordsOf(q: string): string[] {
  const words = searchTerms(q);
  if (words.length === 0) refuse('q', 'has no letter and no digit');
  if (words.length > MAX_WORDS) refuse('q', `has more than ${String(MAX_WORDS)} words`);
  return words;
}
