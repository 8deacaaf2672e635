import { StepError, type Step, type StepContext, type StepResult } from '@magpie/collector-kit';
import type { ApiSettings } from './params.ts';
import { FIELDS, Listing, photoSteps, postItem, publishedAt, type Media } from './post.ts';
import { ask } from './read-hashtag.ts';
import { mediaStep, type MediaInput, type Terms } from './steps.ts';

/** The most that a page holds. */
const PAGE_SIZE = 50;
/** The top posts are not sorted by time: many in a row out of the period say little of what follows. */
const TOP_PATIENCE = 10;

/**
 * Reads one page of a list, keeps the posts of the period, and goes on while there is a next page to read.
 * https://developers.facebook.com/docs/instagram-platform/instagram-graph-api/reference/ig-hashtag/recent-media
 * https://developers.facebook.com/docs/instagram-platform/instagram-graph-api/reference/ig-hashtag/top-media
 *
 * A cursor that the API does not take begins the list once more, one time; what is known by then costs the requests.
 * @throws Permanent `broken_cursor` the second time
 */
export async function readMedia(
  { input, url = '' }: Step<MediaInput>,
  context: StepContext<ApiSettings>,
): Promise<StepResult> {
  const { terms, hashtag, edge, after } = input;
  let listing: Listing;
  try {
    listing = await ask(context, {
      path: `${hashtag}/${edge}_media`,
      params: { fields: FIELDS, limit: PAGE_SIZE, after },
      operation: 'media',
      schema: Listing,
    });
  } catch (error) {
    const broken = error instanceof StepError && error.code === 'broken_cursor';
    if (!broken || after === undefined || input.restarted === true) throw error;
    return { next: [mediaStep({ terms, hashtag, edge, page: 1, outside: 0, restarted: true }, url)] };
  }
  const posts = listing.data.map((media) => ({ media, at: publishedAt(media) }));
  const wanted = posts.filter(({ at }) => isWithin(at, terms)).map(({ media }) => media);
  const outside = posts.reduce((count, { at }) => countOutside(count, at, input), input.outside);
  const items = wanted.map((media) => postItem(media, terms.tag));
  const photos = terms.photos ? wanted.flatMap(photoSteps) : [];
  const coverage = edge === 'recent' ? periodOf(posts) : undefined;
  const further = nextPage(input, listing, outside);
  // A page out of the period has no news, though there may be some behind it.
  const onlyIfNew = terms.again && input.restarted !== true && (edge === 'top' || wanted.length > 0);
  return {
    items,
    next: [...photos, ...(further === undefined ? [] : [mediaStep(further, url, { onlyIfNew })])],
    ...(coverage === undefined ? {} : { coverage }),
  };
}

/** The page after this one; undefined where the list ends, or goes on too long out of the period, or goes in circles. */
function nextPage(input: MediaInput, { data, paging }: Listing, outside: number): MediaInput | undefined {
  const { terms, edge, page } = input;
  const first = data[0]?.id;
  const patience = edge === 'top' ? terms.patience * TOP_PATIENCE : terms.patience;
  if (paging?.next === undefined || first === undefined || outside >= patience) return undefined;
  const after = paging.cursors?.after ?? URL.parse(paging.next)?.searchParams.get('after') ?? undefined;
  // The API says that the cursor is the same for each page: only the posts show that one came again.
  if (after === undefined || first === input.first) return undefined;
  return { ...input, page: page + 1, after, outside, first };
}

const isWithin = (at: number, { start = -Infinity, end = Infinity }: Terms): boolean =>
  start <= at && at <= end;

/** Of the recent ones, those that are newer come before the period, and say nothing of its end. */
function countOutside(count: number, at: number, { terms, edge }: MediaInput): number {
  if (isWithin(at, terms)) return 0;
  return edge === 'recent' && at > (terms.end ?? Infinity) ? count : count + 1;
}

function periodOf(posts: readonly { media: Media; at: number }[]): StepResult['coverage'] {
  if (posts.length === 0) return undefined;
  const times = posts.map(({ at }) => at);
  return { from: Math.max(0, Math.min(...times)), to: Math.max(0, ...times) };
}
