import { randomBytes } from 'node:crypto';
import { newId, nextOrder } from '@magpie/domain';
import { openStore, type Store } from './connect.ts';
import { stagesOf } from './query-plan.ts';
import { QUERIES, type Query } from './queries.ts';

const JOB = newId();
const OWNER = { jobId: JOB, rows: 7 };
const AT = new Date();
const period = { from: new Date(0), to: new Date(Date.now() + 1000) };
const place = [nextOrder(), 'x'] as const;
const published = { after: '2026-01-01T00:00:00.000Z', before: '2026-12-31T23:59:59.999Z' };
const video = ['2026-05-01T00:00:00.000Z', 'video-7'] as const;
const everything = { kind: 'image', source: 'web-images', host: 'example.org', ...period };

/** Each query as the gateway sends it, with every filter that makes it another one. A new query needs a line here. */
const EXAMPLES: { [K in keyof typeof QUERIES]: Record<string, Query> } = {
  job: { one: QUERIES.job(JOB) },
  jobsByIds: { some: QUERIES.jobsByIds([JOB, 'other']) },
  jobs: {
    all: QUERIES.jobs({}, 51),
    next: QUERIES.jobs({}, 51, JOB),
    'by state': QUERIES.jobs({ state: 'queued' }, 51, JOB),
    'by source': QUERIES.jobs({ source: 'web-images' }, 51, JOB),
    'by time': QUERIES.jobs(period, 51),
    'by all': QUERIES.jobs({ state: 'queued', source: 'web-images', ...period }, 51, JOB),
  },
  transfers: {
    all: QUERIES.transfers('import', {}, 51),
    next: QUERIES.transfers('import', {}, 51, JOB),
    'by state': QUERIES.transfers('export', { state: 'running' }, 51, JOB),
    'by time': QUERIES.transfers('import', period, 51),
  },
  jobsImportedBy: {
    first: QUERIES.jobsImportedBy(JOB, 51),
    next: QUERIES.jobsImportedBy(JOB, 51, JOB),
  },
  jobItems: {
    first: QUERIES.jobItems(JOB, {}, 1, 51),
    next: QUERIES.jobItems(JOB, {}, 1, 51, place),
    latest: QUERIES.jobItems(JOB, everything, -1, 51, place),
    'by kind': QUERIES.jobItems(JOB, { kind: 'image' }, 1, 51),
  },
  jobItem: { one: QUERIES.jobItem(OWNER, 'item') },
  jobErrors: {
    failed: QUERIES.jobErrors(JOB, 'failed', 51),
    'failed, next': QUERIES.jobErrors(JOB, 'failed', 51, place),
    skipped: QUERIES.jobErrors(JOB, 'skipped', 51),
  },
  item: { one: QUERIES.item('item') },
  items: {
    all: QUERIES.items({}, 51),
    next: QUERIES.items({}, 51, place),
    'by kind': QUERIES.items({ kind: 'image' }, 51, place),
    'by source': QUERIES.items({ source: 'web-images' }, 51, place),
    'by host': QUERIES.items({ host: 'example.org' }, 51, place),
    'by host and port': QUERIES.items({ host: 'example.org:8080' }, 51),
    'by time': QUERIES.items(period, 51),
    'by all': QUERIES.items(everything, 51, place),
  },
  search: {
    words: QUERIES.search('magpie', {}, undefined, 51),
    next: QUERIES.search('magpie', {}, undefined, 51, [1.5, 'x']),
    'by all': QUERIES.search('magpie', everything, OWNER, 51, [1.5, 'x']),
  },
  source: { one: QUERIES.source('web-images') },
  sources: { all: QUERIES.sources(51), next: QUERIES.sources(51, 'web-images') },
  deadLetter: { one: QUERIES.deadLetter('letter') },
  deadLetters: { all: QUERIES.deadLetters(51), next: QUERIES.deadLetters(51, [AT, 'letter']) },
  idempotency: { one: QUERIES.idempotency('key') },
  runs: {
    all: QUERIES.runs(JOB, {}, 51),
    next: QUERIES.runs(JOB, { state: 'failed' }, 51, 7),
  },
  credential: { one: QUERIES.credential('key') },
  credentials: {
    all: QUERIES.credentials({}, 51),
    next: QUERIES.credentials({}, 51, ['youtube', 5, 'key']),
    'by provider': QUERIES.credentials({ provider: 'youtube' }, 51),
    'by provider, next': QUERIES.credentials({ provider: 'youtube' }, 51, ['youtube', 5, 'key']),
    'by all': QUERIES.credentials({ provider: 'youtube', state: 'disabled' }, 51, ['youtube', 5, 'key']),
    'by state': QUERIES.credentials({ state: 'disabled' }, 51),
  },
  activeCredentials: { all: QUERIES.activeCredentials('youtube') },
  credentialOfAccount: { one: QUERIES.credentialOfAccount('instagram', '1784') },
  quotas: { some: QUERIES.quotas(['youtube:a', 'youtube:b']) },
  videos: {
    all: QUERIES.videos({}, 51),
    next: QUERIES.videos({}, 51, video),
    'by time': QUERIES.videos(published, 51, video),
    'by channel': QUERIES.videos({ channel: 'c1' }, 51, video),
    'by all': QUERIES.videos({ channel: 'c1', ...published }, 51, video),
  },
  videosAmong: {
    few: QUERIES.videosAmong(['video-1', 'video-2'], {}, 51),
    'few, by all': QUERIES.videosAmong(['video-1', 'video-2'], { channel: 'c1', ...published }, 51, video),
  },
  itemsOfJob: { ids: QUERIES.itemsOfJob(JOB, 20_001) },
  videosOfLargeJob: {
    all: QUERIES.videosOfLargeJob(OWNER, {}, 51),
    next: QUERIES.videosOfLargeJob(OWNER, { channel: 'c1', ...published }, 51, video),
  },
  countVideosWith: { one: QUERIES.countVideosWith('mag', 5001) },
  videoFloor: { one: QUERIES.videoFloor() },
  videosWith: {
    word: QUERIES.videosWith(['mag'], { rarest: 'mag' }),
    'words, next': QUERIES.videosWith(['mag', 't1'], { rarest: 't1', upTo: 5 }),
    newest: QUERIES.videosWith(['mag', 't1'], { floor: '2026-01-01T00:00:00.000Z' }),
    'newest, next': QUERIES.videosWith(['mag'], { floor: '2026-01-01T00:00:00.000Z', upTo: 5 }),
  },
  videosByIds: { some: QUERIES.videosByIds(['video-1', 'video-2']) },
  filesOfItems: { some: QUERIES.filesOfItems(['item-1', 'item-2']) },
  standingJob: { one: QUERIES.standingJob('name') },
  parkedSteps: { some: QUERIES.parkedSteps(['a', 'b']) },
  linksOfJob: { batch: QUERIES.linksOfJob(JOB, 500) },
  failedLinksOf: { some: QUERIES.failedLinksOf(['item-1', 'item-2']) },
  stepsOfJob: { batch: QUERIES.stepsOfJob(JOB, 500) },
};

describe('every query of the gateway', () => {
  let store: Store;
  beforeAll(async () => {
    const url = process.env['MAGPIE_TEST_MONGODB_URL'];
    if (!url) throw new Error('MAGPIE_TEST_MONGODB_URL is not set: these tests need a real MongoDB');
    store = openStore({ url, database: `queries-${randomBytes(6).toString('hex')}` });
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
        ? await collection.aggregate(query.pipeline, hintOf(query)).explain('queryPlanner')
        : await explainFind(collection as never, query);
    const found = stagesOf(plan);
    const names = found.map(({ stage }) => stage);
    expect(names).not.toContain('COLLSCAN');
    expect(names.some((name) => /^(IXSCAN|IDHACK|TEXT_MATCH|EXPRESS.*)$/.test(String(name)))).toBe(true);

    // Read from the index alone: the documents of a common word are many.
    if (ALONE.has(name)) expect(names).not.toContain('FETCH');

    // Sorted by the index, or, a search by score and a list of given ids, no more held than the page.
    const pipeline = (plan as { stages?: Record<string, { limit?: number }>[] }).stages ?? [];
    const sorts = [...found.filter(({ stage }) => stage === 'SORT').map(({ limitAmount }) => limitAmount)];
    for (const stage of pipeline) if (stage['$sort']) sorts.push(stage['$sort'].limit);
    if (name === 'videosAmong') expect([[], [51]]).toContainEqual(sorts);
    else expect(sorts).toEqual('pipeline' in query && JSON.stringify(query).includes('$text') ? [51] : []);

    for (const { $lookup } of lookups(query)) expect($lookup.foreignField).toBe('_id');
  });

  it('has a limit, or a bounded list of ids', () => {
    for (const [name, how, query] of cases) {
      const bounded = JSON.stringify(query).match(/"limit":\d+|"\$limit":\d+|"(_id|target)":/);
      expect([name, how, bounded === null]).toEqual([name, how, false]);
    }
  });
});

/** Those that give ids and numbers. */
const ALONE: ReadonlySet<string> = new Set(['countVideosWith', 'videoFloor']);

const hintOf = ({ hint }: Extract<Query, { pipeline: unknown }>) => (hint === undefined ? {} : { hint });

const lookups = (query: Query): { $lookup: { foreignField: string } }[] =>
  'pipeline' in query ? (query.pipeline.filter((stage) => '$lookup' in stage) as never) : [];

function explainFind(
  collection: { find(filter: object, options: object): { explain(how: string): Promise<object> } },
  { filter, sort, limit, projection }: Extract<Query, { filter: unknown }>,
): Promise<object> {
  return collection
    .find(filter, { ...(sort && { sort }), ...(limit && { limit }), ...(projection && { projection }) })
    .explain('queryPlanner');
}

/** Enough of everything that the planner has something to choose from. */
async function fillIn(store: Store): Promise<void> {
  const many = <T>(make: (i: number) => T): T[] => Array.from({ length: 200 }, (_, i) => make(i));
  await store.jobs.collection.insertMany(
    many((i) => ({
      _id: newId(Date.now() + i),
      source: 'web-images',
      state: i % 2 ? 'queued' : 'running',
      ...(i % 4 ? {} : { importedBy: JOB }),
    })) as never[],
  );
  await store.jobs.collection.insertMany(
    many((i) => ({
      _id: newId(Date.now() + i),
      source: i % 2 ? 'import' : 'export',
      state: i % 3 ? 'completed' : 'running',
      transfer: { kind: i % 2 ? 'import' : 'export' },
    })) as never[],
  );
  await store.items.collection.insertMany(
    many((i) => ({
      _id: `item-${i}`,
      kind: 'image',
      source: 'web-images',
      host: 'example.org:443',
      order: nextOrder(),
      data: { title: 'magpie' },
    })) as never[],
  );
  await store.items.collection.insertMany(
    many((i) => ({
      _id: `video-${i}`,
      kind: 'video',
      order: nextOrder(),
      data: { publishedAt: new Date(Date.UTC(2026, 0, 1 + i)).toISOString(), channelId: `c${i % 5}` },
      terms: ['magpie', `t${i % 20}`],
    })) as never[],
  );
  await store.links.collection.insertMany(
    many((i) => ({
      _id: `${JOB}:item-${i}`,
      jobId: JOB,
      target: `item-${i}`,
      of: 'item',
      kind: 'image',
      state: ['stored', 'shared', 'failed', 'pending'][i % 4],
      order: nextOrder(),
    })) as never[],
  );
  await store.steps.collection.insertMany(
    many((i) => ({
      _id: `step-${i}`,
      jobs: [JOB],
      state: 'ready',
      host: 'example.org:443',
      order: i,
    })) as never[],
  );
  await store.credentials.collection.insertMany(
    many((i) => ({
      _id: `key-${i}`,
      provider: i % 2 ? 'youtube' : 'facebook',
      name: `n${i}`,
      account: String(i),
      state: 'active',
      order: i,
    })) as never[],
  );
  await store.deadLetters.collection.insertMany(
    many((i) => ({ _id: `letter-${i}`, at: new Date(i) })) as never[],
  );
}
