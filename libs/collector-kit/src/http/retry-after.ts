const MIN_MS = 1000;
const MAX_MS = 3_600_000;
/** Used when a 429 or 503 says nothing. */
const UNSTATED_MS = 30_000;

/**
 * When a host may be asked again, by its `Retry-After` header (RFC 9110 section 10.2.3): seconds or an HTTP
 * date, kept between one second and one hour from now; 30 seconds when it is missing or unreadable.
 */
export function retryAfter(header: string | undefined, nowMs: number): { untilMs: number; stated: boolean } {
  const value = header?.trim() ?? '';
  const delay = /^\d+$/.test(value) ? Number(value) * 1000 : httpDate(value) - nowMs;
  if (Number.isNaN(delay)) return { untilMs: nowMs + UNSTATED_MS, stated: false };
  return { untilMs: nowMs + Math.min(MAX_MS, Math.max(MIN_MS, delay)), stated: true };
}

/** All forms of an HTTP date name the day of the week first; other text that a date parser would take is no date. */
function httpDate(value: string): number {
  return /^[A-Za-z]{3,9},? /.test(value) ? Date.parse(value) : Number.NaN;
}
