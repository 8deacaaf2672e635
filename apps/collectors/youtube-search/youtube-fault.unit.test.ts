import { CredentialRefused, Permanent, QuotaExhausted, Throttled } from '@magpie/collector-kit';
import { INVALID_PAGE_TOKEN, youtubeFault } from './youtube-fault.ts';

const body = (reason: string, message = 'Words.') => ({ error: { message, errors: [{ reason }] } });
const detail = (reason: string, metadata?: object) => ({
  error: { message: 'Words.', errors: [{ reason: 'badRequest' }], details: [{ reason, metadata }] },
});

test.each([
  [403, body('quotaExceeded'), QuotaExhausted],
  [403, body('dailyLimitExceeded'), QuotaExhausted],
  [429, detail('RATE_LIMIT_EXCEEDED', { quota_limit: 'defaultPerDayPerProject' }), QuotaExhausted],
  [429, detail('RATE_LIMIT_EXCEEDED', { quota_limit: 'defaultPerMinutePerUser' }), Throttled],
  [403, body('rateLimitExceeded'), Throttled],
  [403, body('userRateLimitExceeded'), Throttled],
  [429, body('something'), Throttled],
  [400, detail('API_KEY_INVALID'), CredentialRefused],
  [400, body('keyInvalid'), CredentialRefused],
  [403, body('accessNotConfigured'), CredentialRefused],
  [403, detail('API_KEY_IP_ADDRESS_BLOCKED'), CredentialRefused],
  [403, body('forbidden'), Permanent],
  [400, body('invalidSearchFilter'), Permanent],
])('%d %j', (status, answer, expected) => {
  const fault = youtubeFault(status, answer, {});
  expect(fault).toBeInstanceOf(expected);
  expect(fault?.status).toBe(status);
});

test('what is no error of the API is left to its status', () => {
  for (const answer of [undefined, null, 'text', [], {}, { error: null }, { error: 'no' }])
    expect(youtubeFault(503, answer, {})).toBeUndefined();
  expect(youtubeFault(503, body('backendError'), {})).toBeUndefined();
});

test('a pause is as long as the provider says', () => {
  const before = Date.now();
  const fault = youtubeFault(403, body('rateLimitExceeded'), { 'retry-after': '90' }) as Throttled;
  expect(fault.untilMs).toBeGreaterThanOrEqual(before + 90_000);
  expect(fault.untilMs).toBeLessThan(Date.now() + 100_000);
  expect((youtubeFault(403, body('rateLimitExceeded'), {}) as Throttled).untilMs).toBeUndefined();
});

test('its words come without markup, and with the reason', () => {
  const fault = youtubeFault(400, body('invalidPageToken', 'No <a href="/x">such</a> token.'), {});
  expect(fault).toMatchObject({ code: INVALID_PAGE_TOKEN, message: 'No such token. (invalidPageToken)' });
});
