import fc from 'fast-check';
import { CredentialRefused, Permanent, Retryable, Throttled } from '../errors.ts';
import { graphErrorOf, graphFault, type GraphError } from './graph-error.ts';
import { graphUsage } from './graph-usage.ts';

const error = (code: number, more: Partial<GraphError> = {}): GraphError => ({
  code,
  message: 'm',
  transient: false,
  ...more,
});

test.each([
  [error(190, { subcode: 463 }), CredentialRefused, 'credential_refused'],
  [error(102), CredentialRefused, 'credential_refused'],
  [error(104), CredentialRefused, 'credential_refused'],
  ...[4, 17, 32, 341, 368, 613, 80_000, 80_002, 80_014].map(
    (code) => [error(code, { transient: true }), Throttled, 'provider_rate_limited'] as const,
  ),
  [error(10), Permanent, 'api_error'],
  [error(200), Permanent, 'api_error'],
  [error(299), Permanent, 'api_error'],
  [error(100), Permanent, 'api_error'],
  [error(100, { subcode: 33 }), Permanent, 'not_available'],
  [error(803), Permanent, 'not_available'],
  [error(80_015), Permanent, 'api_error'],
  [error(1), Retryable, 'api_error'],
  [error(2), Retryable, 'api_error'],
  [error(100, { transient: true }), Retryable, 'api_error'],
] as const)('%j', (given, kind, code) => {
  const fault = graphFault(given, { status: 400, untilMs: 5 });
  expect(fault).toBeInstanceOf(kind);
  expect(fault).toMatchObject({ code, status: 400 });
  if (fault instanceof Throttled) expect(fault.untilMs).toBe(5);
});

test('5xx passes, 429 is a limit, 404 is nothing, whatever the code', () => {
  expect(graphFault(error(9), { status: 503 })).toBeInstanceOf(Retryable);
  expect(graphFault(error(9), { status: 429 })).toBeInstanceOf(Throttled);
  expect(graphFault(error(9), { status: 404 })).toMatchObject({ code: 'not_available' });
});

test('reads the envelope, and nothing else', () => {
  const body = {
    error: { message: 'M', type: 'T', code: 190, error_subcode: 463, is_transient: true, fbtrace_id: 'A' },
  };
  expect(graphErrorOf(body)).toEqual({
    message: 'M',
    type: 'T',
    code: 190,
    subcode: 463,
    transient: true,
    traceId: 'A',
  });
  for (const none of [
    undefined,
    null,
    'x',
    1,
    [],
    {},
    { error: 'x' },
    { error: null },
    { error: { code: '190' } },
  ]) {
    expect(graphErrorOf(none)).toBeUndefined();
  }
});

test('usage is the most of all measures, with the latest time', () => {
  const app = JSON.stringify({ call_count: 28, total_time: 31, total_cputime: 25 });
  const business = JSON.stringify({
    '1': [{ type: 'pages', call_count: 95, total_time: 2, estimated_time_to_regain_access: 3 }],
    '2': [{ type: 'instagram', call_count: 100, total_cputime: 5, estimated_time_to_regain_access: 12 }],
  });
  expect(graphUsage({ 'x-app-usage': app }, 1_000)).toEqual({ percent: 31 });
  expect(graphUsage({ 'x-app-usage': app, 'x-business-use-case-usage': business }, 1_000)).toEqual({
    percent: 100,
    untilMs: 721_000,
  });
  expect(graphUsage({})).toBeUndefined();
});

test('no header is too odd', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), fc.oneof(fc.string(), fc.json()), (app, business) => {
      const usage = graphUsage({ 'x-app-usage': app, 'x-business-use-case-usage': business });
      expect(usage === undefined || usage.percent >= 0).toBe(true);
      graphErrorOf(app);
    }),
  );
});
