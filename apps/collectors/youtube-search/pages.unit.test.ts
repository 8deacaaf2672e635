import fc from 'fast-check';
import { FIRST, onward, type Place } from './pages.ts';

interface Video {
  readonly id: string;
  readonly at: number;
  readonly rank: number;
}

/** A search as the provider does it: newest first, slightly out of order, 500 results at a time unless said, bounds included. */
function provider(
  videos: readonly Video[],
  behave: { tokens?: 'work' | 'refused' | 'repeat'; reach?: number } = {},
) {
  let requests = 0;
  return {
    requests: () => requests,
    read({ before = Infinity, token }: Place, after: number) {
      requests += 1;
      if (token !== undefined && behave.tokens === 'refused') return undefined;
      const offset = token === undefined || behave.tokens === 'repeat' ? 0 : Number(token);
      const found = videos
        .filter(({ at }) => at >= after && at <= before)
        .toSorted((a, b) => b.rank - a.rank);
      const reached = Math.min(found.length, behave.reach ?? 500);
      const page = found.slice(offset, Math.min(offset + 50, reached));
      return {
        entries: page.length,
        ids: page.map(({ id }) => id),
        times: page.map(({ at }) => at),
        nextToken: offset + 50 < reached ? String(offset + 50) : undefined,
        total: found.length,
      };
    },
  };
}

/** Reads as storage lets a run go on: while there is news. */
function run(from: ReturnType<typeof provider>, after: number, known = new Set<string>()) {
  let place: Place | undefined = FIRST;
  while (place !== undefined) {
    const page = from.read(place, after);
    const news = page?.ids.filter((id) => !known.has(id)) ?? [];
    for (const id of news) known.add(id);
    const to = onward(place, page);
    if (to !== undefined) expect(to.place.page).toBe(place.page + 1);
    if (from.requests() > 3_000) throw new Error('it does not end');
    place = to && (!to.onlyIfNew || news.length > 0) ? to.place : undefined;
  }
  return known;
}

const START = Date.parse('2026-01-01T00:00:00Z');
const GAP_MS = 60_000;
const makeVideos = (count: number, disorderMs: number): Video[] =>
  Array.from({ length: count }, (_, i) => {
    const at = START + i * GAP_MS;
    return { id: `v${i}`, at, rank: at + (i % 10 === 7 ? ((i * 7919) % 2001) / 1000 - 1 : 0) * disorderMs };
  });

test.each(['work', 'refused', 'repeat'] as const)('every video comes, when page tokens %s', (tokens) => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 1_800 }),
      fc.integer({ min: 0, max: 5 }),
      fc.nat({ max: 300 }),
      (count, disorder, skipped) => {
        const videos = makeVideos(count, disorder * GAP_MS);
        const after = START + skipped * GAP_MS;
        const wanted = videos.filter(({ at }) => at >= after);
        const from = provider(videos, { tokens });
        expect(run(from, after).size).toBe(wanted.length);
        if (tokens === 'work') {
          const pages = Math.max(1, Math.ceil(wanted.length / 50));
          // A window of ten pages repeats about two.
          expect(from.requests()).toBeLessThanOrEqual(pages + 2 * Math.ceil(pages / 8) + 1);
        }
        if (tokens === 'work' && wanted.length <= 350)
          expect(from.requests()).toBe(Math.max(1, Math.ceil(wanted.length / 50)));
      },
    ),
    { numRuns: 60 },
  );
});

test('every video comes, when page tokens end early', () => {
  for (const reach of [50, 120, 200, 399]) {
    const videos = makeVideos(1_000, GAP_MS);
    expect(run(provider(videos, { reach }), 0).size).toBe(1_000);
  }
});

test('a run without news is one request; one with a few new videos too', () => {
  const videos = makeVideos(1_000, GAP_MS);
  const known = new Set(videos.slice(0, 990).map(({ id }) => id));
  const from = provider(videos);
  expect(run(from, 0, known).size).toBe(1_000);
  expect(from.requests()).toBe(2);
  run(from, 0, known);
  expect(from.requests()).toBe(3);
});

test('fifty videos of the same second lead nowhere, and that is the end', () => {
  const videos = Array.from({ length: 600 }, (_, i) => ({ id: `v${i}`, at: START, rank: i }));
  const from = provider(videos, { tokens: 'refused' });
  expect(run(from, 0).size).toBe(50);
  expect(from.requests()).toBeLessThan(5);
});
