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
  await perform('thing', { n: 2 });
  expect(seen).toEqual([{ params: { n: 1 } }, { n: 2 }]);
});
