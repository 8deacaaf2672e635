import { randomBytes } from 'node:crypto';
import { newId } from '@magpie/domain';
import { openStore, type Store } from './connect.ts';
import { stagesOf } from './query-plan.ts';
import type { Query } from './queries.ts';
import { rollupId } from './rollups.ts';
import { SAMPLE_QUERIES } from './sample-queries.ts';

const JOB = newId();
const DAY = 86_400_000;
const FROM = new Date('2026-01-01T00:00:00Z');
const TO = new Date('2026-12-31T00:00:00Z');
const OF = { source: 'facebook-pages', target: 'page7' };

/** Each query as the gateway sends it. A new one needs a line here. */
const EXAMPLES: { [K in keyof typeof SAMPLE_QUERIES]: Record<string, Query> } = {
  targetsOfJob: {
    all: SAMPLE_QUERIES.targetsOfJob(JOB, undefined, 51),
    next: SAMPLE_QUERIES.targetsOfJob(JOB, undefined, 51, 'page7'),
    'by state': SAMPLE_QUERIES.targetsOfJob(JOB, 'unknown', 51),
    'by state, next': SAMPLE_QUERIES.targetsOfJob(JOB, 'unknown', 51, 'page7'),
  },
  targetOfSource: { one: SAMPLE_QUERIES.targetOfSource(OF) },
  samples: { some: SAMPLE_QUERIES.samples(OF, FROM, TO, 100_001) },
  latestSamples: {
    some: SAMPLE_QUERIES.latestSamples(OF, FROM, TO, 51),
    last: SAMPLE_QUERIES.latestSamples(OF, new Date(0), TO, 1),
  },
  anySample: { one: SAMPLE_QUERIES.anySample(OF) },
  rollups: { some: SAMPLE_QUERIES.rollups(OF, FROM, TO, 366) },
  rollupDays: { some: SAMPLE_QUERIES.rollupDays(OF, FROM, TO, 366) },
  latestRollups: { some: SAMPLE_QUERIES.latestRollups(OF, FROM, TO, 51) },
  lastRollup: { one: SAMPLE_QUERIES.lastRollup(OF) },
  gapsOfJob: {
    all: SAMPLE_QUERIES.gapsOfJob(JOB, 51),
    next: SAMPLE_QUERIES.gapsOfJob(JOB, 51, [FROM, 'x']),
  },
  coverageOfJob: { one: SAMPLE_QUERIES.coverageOfJob(JOB, TO, 600_000, FROM) },
  company: { one: SAMPLE_QUERIES.company('nasa') },
  companies: { all: SAMPLE_QUERIES.companies(51), next: SAMPLE_QUERIES.companies(51, 'nasa') },
};

describe('every query of what is measured', () => {
  let store: Store;
  beforeAll(async () => {
    const url = process.env['MAGPIE_TEST_MONGODB_URL'];
    if (!url) throw new Error('MAGPIE_TEST_MONGODB_URL is not set: these tests need a real MongoDB');
    store = openStore({ url, database: `samples-${randomBytes(6).toString('hex')}` });
    await store.prepare();
    await fillIn(store);
  });
  afterAll(async () => {
    await store.connection.dropDatabase();
    await store.close();
  });

  const cases = Object.entries(EXAMPLES).flatMap(([name, examples]) =>
    Object.entries(examples).map(([how, query]) => [name, how, query] as const),
  );

  it.each(cases)('%s, %s', async (name, _how, query) => {
    const collection = store[query.from].collection;
    const plan =
      'pipeline' in query
        ? await collection.aggregate(query.pipeline).explain('executionStats')
        : await collection
            .find(query.filter as never, {
              ...(query.sort && { sort: query.sort }),
              ...(query.limit && { limit: query.limit }),
              ...(query.projection && { projection: query.projection }),
            })
            .explain('executionStats');
    const names = stagesOf(plan).map(({ stage }) => stage);
    expect(names).not.toContain('COLLSCAN');
    expect(names.some((one) => /^(IXSCAN|IDHACK|EXPRESS.*)$/.test(String(one)))).toBe(true);
    // In the order of the index; but samples, which are those of one target, are sorted once they are unpacked.
    expect(names).not.toContain('SORT');
    // Reads what it gives: of other jobs and targets nothing. A bucket holds a day of one target.
    const examined = [...JSON.stringify(plan).matchAll(/"totalDocsExamined":(\d+)/g)].map(([, n]) =>
      Number(n),
    );
    expect(Math.max(...examined)).toBeLessThanOrEqual(name === 'coverageOfJob' ? 100 : 60);
  });

  it('has a limit, or is one number for a job', () => {
    for (const [name, how, query] of cases)
      expect([name, how, 'limit' in query || name === 'coverageOfJob']).toEqual([name, how, true]);
  });
});

/** 3 jobs of 100 targets, 20 targets of 20 days. */
async function fillIn(store: Store): Promise<void> {
  const many = <T>(n: number, make: (i: number) => T): T[] => Array.from({ length: n }, (_, i) => make(i));
  for (const jobId of [JOB, newId(), newId()]) {
    await store.targets.collection.insertMany(
      many(100, (i) => ({
        _id: `${jobId}:page${i}`,
        jobId,
        source: OF.source,
        key: `page${i}`,
        phase: i / 100,
        state: i % 3 === 0 ? 'unknown' : 'active',
        addedAt: FROM,
      })) as never,
    );
    await store.gaps.collection.insertMany(
      many(100, (i) => ({ _id: `${jobId}:${i}`, jobId, from: new Date(FROM.getTime() + i * DAY) })) as never,
    );
  }
  const days = many(20, (i) => new Date(FROM.getTime() + i * DAY));
  const targets = many(20, (i) => `page${i}`);
  await store.samples.collection.insertMany(
    targets.flatMap((target) =>
      days.map((at) => ({ at, round: at, of: { source: OF.source, target }, values: { fan_count: 1 } })),
    ) as never,
  );
  await store.rollups.collection.insertMany(
    targets.flatMap((target) =>
      days.map((day) => ({
        _id: rollupId(OF.source, target, day),
        source: OF.source,
        target,
        day,
        hours: {},
      })),
    ) as never,
  );
  await store.companies.collection.insertMany(
    many(100, (i) => ({ _id: `company${i}`, name: 'x', pages: [] })) as never,
  );
}
