import { Type } from 'typebox';
import { defineSource } from './define-source.ts';
import { step } from './step.ts';

const sound = {
  id: 'a-source',
  summary: 'For tests',
  params: Type.Object({ n: Type.Integer() }, { additionalProperties: false }),
  emits: { thing: Type.Object({ n: Type.Integer() }) },
  steps: { start: () => ({}) },
};

test('what is announced is plain JSON', () => {
  const { description } = defineSource({ ...sound, batch: { start: 2 } });
  expect(JSON.parse(JSON.stringify(description))).toEqual(description);
  expect(description).toMatchObject({ id: 'a-source', version: '1.0.0', batch: { start: 2 } });
});

test.each([
  ['id', { id: 'Not An Id' }],
  ['batch', { batch: { start: 101 } }],
  ['nowhere', { batch: { nowhere: 1 } }],
  ['elsewhere', { concurrency: { elsewhere: 1 } }],
])('an unsound %s is refused', (named, wrong) => {
  expect(() => defineSource({ ...sound, ...wrong })).toThrow(named);
});

const provider = {
  id: 'test',
  title: 'Test API',
  howTo: 'None',
  operations: { list: 100 },
  steps: { start: { list: 2 } },
  perRun: { list: { usual: { param: 'names' }, most: 3 } },
  resetTimeZone: 'America/Los_Angeles',
};
const targets = { param: 'names', step: 'measure', perStep: 2, jumpParam: 'n' };
const api = {
  ...sound,
  params: Type.Object({ n: Type.Optional(Type.Integer()), names: Type.Array(Type.String()) }),
  steps: { measure: () => ({}), start: () => ({}) },
  provider,
  targets,
  retries: { times: 3, delayMs: 60_000 },
  schedule: { every: 'PT10M', everyParam: 'n', untilParam: 'names' },
  period: { from: 'n', to: 'names' },
  searchable: { thing: ['n'] },
  limits: ['The last day alone'],
};

test('what an API source says of itself is announced as it stands', () => {
  const { provider: p, targets: t, retries, schedule, period, searchable, limits } = api;
  expect(defineSource(api).description).toMatchObject({
    ...{ provider: p, targets: t, retries, schedule, period, searchable, limits },
  });
  expect(defineSource(sound).description).not.toHaveProperty('provider');
});

test.each([
  ['nowhere', { provider: { ...provider, steps: { nowhere: { list: 1 } } } }],
  ['other', { provider: { ...provider, steps: { start: { other: 1 } } } }],
  ['other', { provider: { ...provider, perRun: { other: { usual: 1 } } } }],
  ['other', { provider: { ...provider, perRequest: { other: 1 } } }],
  ['nobody', { provider: { ...provider, perRun: { list: { usual: { param: 'nobody' } } } } }],
  ['nobody', { provider: { ...provider, perRun: { list: { usual: 1, most: { param: 'nobody' } } } } }],
  ['Mars/Base', { provider: { ...provider, resetTimeZone: 'Mars/Base' } }],
  ['provider', { provider: { ...provider, id: 'Not An Id' } }],
  ['nobody', { schedule: { everyParam: 'nobody' } }],
  ['nobody', { schedule: { untilParam: 'nobody' } }],
  ['nobody', { period: { from: 'nobody', to: 'n' } }],
  ['nobody', { period: { from: 'n', to: 'nobody' } }],
  ['nobody', { targets: { ...targets, param: 'nobody' } }],
  ['nobody', { targets: { ...targets, jumpParam: 'nobody' } }],
  ['nowhere', { targets: { ...targets, step: 'nowhere' } }],
  ['no list', { targets: { ...targets, param: 'n' } }],
  ['nothing', { searchable: { nothing: ['n'] } }],
  ['title', { searchable: { thing: ['title'] } }],
  ['start', { targets: undefined, steps: { measure: () => ({}) }, provider: undefined }],
])('an API source that speaks of what is not there is refused: %s', (named, wrong) => {
  expect(() => defineSource({ ...api, ...wrong } as typeof api)).toThrow(named);
});

test('a step that measures gets some targets, parameters and run', async () => {
  const seen: unknown[] = [];
  const source = defineSource({
    ...api,
    provider: undefined as never,
    steps: { measure: ({ input }) => (seen.push(input), {}) },
  });
  const perform = (input: Record<string, unknown>) =>
    source.perform({ id: 's', jobId: 'j', kind: 'measure', attempt: 1, input }, {} as never);
  const params = { names: ['a', 'b', 'c'] };
  const run = { number: 2, at: 5, previousAt: 3, last: true };
  for (const input of [
    { targets: [], params },
    { targets: ['a', 'b', 'c'], params },
    { targets: ['a'], params: {} },
    { targets: ['a'], params, run: { number: 0, at: 5 } },
  ]) {
    await expect(perform(input)).rejects.toThrow('input of the step "measure"');
  }
  await perform({ targets: ['a', 'b'], params, run });
  expect(seen).toEqual([{ targets: ['a', 'b'], params, run }]);
});

test('inputs are checked before a handler sees them', async () => {
  const seen: unknown[] = [];
  const source = defineSource({
    ...sound,
    steps: {
      start: ({ input }) => (seen.push(input), {}),
      thing: step(Type.Object({ n: Type.Integer() }), ({ input }) => (seen.push(input), {})),
    },
  });
  const perform = (kind: string, input: Record<string, unknown>) =>
    source.perform({ id: 's', jobId: 'j', kind, attempt: 1, input }, {} as never);
  await expect(perform('start', { params: {} })).rejects.toThrow('input of the step "start"');
  await expect(perform('thing', { n: 'one' })).rejects.toThrow('input of the step "thing"');
  await expect(perform('toString', {})).rejects.toThrow('no step of the kind');
  expect(seen).toEqual([]);
  await perform('start', { params: { n: 1 } });
  await perform('start', { params: { n: 1 }, run: { number: 1, at: 0 } });
  await expect(perform('start', { params: { n: 1 }, run: { at: 0 } })).rejects.toThrow('/run');
  await perform('thing', { n: 2 });
  expect(seen).toEqual([{ params: { n: 1 } }, { params: { n: 1 }, run: { number: 1, at: 0 } }, { n: 2 }]);
});
