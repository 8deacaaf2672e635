import { tmpdir } from 'node:os';
import { listing, measuring, serveDouble, TOKEN } from './api-source.ts';
import { playJob } from './play-job.ts';
import { testSource } from './test-source.ts';

const settings = (origin: string) => ({ DOUBLE_URL: origin });
const things = (...ids: number[]) => ids.map((id) => `https://thing.example/${id}`);

testSource(listing, {
  credential: TOKEN,
  cases: [
    {
      name: 'all pages',
      serve: serveDouble,
      settings,
      params: () => ({ q: 'x' }),
      items: () => things(1, 2, 3, 4, 5, 6),
    },
  ],
});

testSource(measuring, {
  credential: { secret: TOKEN, account: 'someone' },
  cases: [
    {
      name: 'three targets',
      serve: serveDouble,
      settings,
      params: () => ({ names: ['a', 'b', 'c'] }),
      run: { number: 1, at: 0 },
      items: [],
      samples: ['a', 'b', 'c'],
    },
  ],
});

describe('the player', () => {
  const play = async (known: number[]) => {
    const double = await serveDouble();
    const job = await playJob(
      listing,
      { q: 'x' },
      {
        filesRoot: tmpdir(),
        settings: settings(double.origin),
        credential: TOKEN,
        known: things(...known).map((url) => ({ kind: 'thing', url })),
      },
    );
    await double.close();
    return { ...job, asked: double.asked };
  };

  test('fetches what is new, and pages on while there is news', async () => {
    const first = await play([]);
    expect(first.asked.toSorted()).toEqual(['/details', '/details', '/details', '/list', '/list', '/list']);
    expect(first.spent).toEqual({ list: 3, get: 3 });
    expect(first.coverage).toEqual({ from: 98, to: 100 });
    const second = await play([2, 3, 4]);
    expect(second.items.map(({ url }) => url)).toEqual(things(1));
    expect(second.asked.toSorted()).toEqual(['/details', '/list', '/list']);
    const third = await play([1, 2]);
    expect(third.asked).toEqual(['/list']);
  });

  test('measures targets in portions, and keeps what the provider says of its limits', async () => {
    const double = await serveDouble();
    const names = ['a', 'b', 'c'];
    const options = { filesRoot: tmpdir(), settings: settings(double.origin), credential: TOKEN };
    const job = await playJob(measuring, { names }, options);
    await double.close();
    expect(job.steps.map(({ work }) => work.input['targets'])).toEqual([['a', 'b'], ['c']]);
    expect(job.spent).toEqual({ get: 3 });
    expect([...job.targets.keys()]).toEqual(names);
    expect(job.steps.map(({ outcome }) => outcome.usage)).toEqual([{ percent: 42 }, { percent: 42 }]);
  });

  test('a credential that the provider does not take is refused', async () => {
    const double = await serveDouble();
    const options = { filesRoot: tmpdir(), settings: settings(double.origin), credential: 'another' };
    const { undone } = await playJob(measuring, { names: ['a'] }, options);
    await double.close();
    expect(undone.map(({ outcome }) => outcome)).toMatchObject([
      { outcome: 'credential', state: 'refused', status: 401, spent: { get: 1 } },
    ]);
  });
});
