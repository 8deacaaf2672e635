import type { Outcome } from '@magpie/contracts';
import fc from 'fast-check';
import { StepLedger } from './step-ledger.ts';

const of = { id: 's', lease: 'l' };
const outcomes: Outcome[] = [
  { ...of, outcome: 'done', items: [], next: [] },
  { ...of, outcome: 'failed', code: 'c', message: 'm' },
  { ...of, outcome: 'retry', code: 'c', message: 'm' },
  { ...of, outcome: 'credential', state: 'resting', code: 'c', message: 'm' },
  { ...of, outcome: 'released', reason: 'shutdown' },
];

test('what was spent and used is in every outcome', () => {
  const ledger = new StepLedger();
  ledger.spend('list');
  ledger.spend('list', 2);
  ledger.spend('get', 0);
  ledger.usage(30);
  ledger.usage(80, 500.4);
  ledger.usage(10, 200);
  ledger.usage(Number.NaN);
  ledger.usage(-1);
  for (const outcome of outcomes) {
    expect(ledger.complete(outcome)).toEqual({
      ...outcome,
      spent: { list: 3 },
      usage: { percent: 80, until: 500 },
    });
  }
  expect(ledger.complete(undefined)).toBeUndefined();
  expect(() => ledger.spend('list', 1.5)).toThrow(RangeError);
  expect(() => ledger.spend('list', -1)).toThrow(RangeError);
});

test('without anything spent an outcome is as it was', () => {
  for (const outcome of outcomes) expect(new StepLedger().complete(outcome)).toEqual(outcome);
});

test('a hidden secret is in no text, value or error, however it was written', () => {
  const secrets = fc.string({ minLength: 6, maxLength: 30 }).filter((text) => !/^…*$/.test(text));
  fc.assert(
    fc.property(secrets, fc.string(), (secret, other) => {
      const ledger = new StepLedger();
      ledger.hide(secret);
      const url = `https://a.example/?key=${encodeURIComponent(secret)}&x=${new URLSearchParams({ s: secret }).toString()}`;
      const text = `${other}${secret}${other}`;
      const error = new Error(text, { cause: { url, list: [text, new URL(url)] } });
      const cleaned = ledger.clean({ [text]: { text, url, error } }) as Record<string, { error: Error }>;
      const [first] = Object.values(cleaned);
      expect(first?.error).toBeInstanceOf(Error);
      const all = [cleaned, first?.error.message, first?.error.stack, first?.error.cause];
      const told = ledger.complete({ ...of, outcome: 'failed', code: 'c', message: text, url });
      for (const one of [...all, told]) expect(ledger.tells(JSON.stringify(one))).toBe(false);
    }),
  );
});

test('nothing is copied where there is nothing to hide', () => {
  const value = { a: [1] };
  expect(new StepLedger().clean(value)).toBe(value);
});

test('a value that holds itself comes to an end', () => {
  const ledger = new StepLedger();
  ledger.hide('a secret');
  const round: Record<string, unknown> = { text: 'a secret' };
  round['self'] = round;
  const error = new Error('a secret');
  error.cause = error;
  expect(JSON.stringify(ledger.clean(round))).not.toContain('a secret');
  expect((ledger.clean(error) as Error).message).toBe('…');
});
