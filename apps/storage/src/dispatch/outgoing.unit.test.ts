import type { StepDocument } from '@magpie/store';
import fc from 'fast-check';
import { messagesOf, pack } from './outgoing.ts';

const step = (n: number, kind: string, crashes = 0): StepDocument => ({
  _id: `s${n}`,
  source: 'web-images',
  kind,
  key: `k${n}`,
  host: '',
  input: {},
  jobs: ['j'],
  state: 'leased',
  order: n,
  attempt: 1,
  crashes,
  backoffs: 0,
});

const steps = fc
  .array(fc.record({ kind: fc.constantFrom('page', 'image'), crashes: fc.constantFrom(0, 0, 0, 1) }), {
    maxLength: 60,
  })
  .map((rows) => rows.map(({ kind, crashes }, n) => step(n, kind, crashes)));

test('every step is in one batch, of one kind, no larger than its source says; what crashed is alone', () => {
  fc.assert(
    fc.property(steps, fc.integer({ min: 1, max: 20 }), (all, size) => {
      const batches = pack(all, (_source, kind) => (kind === 'image' ? size : 2));
      expect(
        batches
          .flat()
          .map(({ _id }) => _id)
          .sort(),
      ).toEqual(all.map(({ _id }) => _id).sort());
      for (const batch of batches) {
        expect(new Set(batch.map(({ kind }) => kind)).size).toBe(1);
        expect(batch.length).toBeLessThanOrEqual(batch[0]!.kind === 'image' ? size : 2);
        if (batch.some(({ crashes }) => crashes > 0)) expect(batch.length).toBe(1);
      }
    }),
  );
});

test('what crashed goes where it is done alone, and carries the job and the lease', () => {
  const job = { _id: 'j', priority: 'high' as const, epoch: 3, correlationId: 'c' };
  const [first, second] = messagesOf(
    [{ job, steps: [step(1, 'image'), step(2, 'image', 1)] }],
    'lease',
    { startBefore: 1, deadline: 2 },
    () => 10,
  );
  expect(first).toMatchObject({ alone: false, priority: 'high', correlationId: 'c' });
  expect(second).toMatchObject({ alone: true });
  expect(second!.message).toMatchObject({
    startBefore: 1,
    deadline: 2,
    steps: [{ id: 's2', lease: 'lease', jobId: 'j', epoch: 3 }],
  });
});
