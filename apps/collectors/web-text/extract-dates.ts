/** Dates as pages write them. */

const MONTHS =
  /\b(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?\s+(\d{1,2})(?:st|nd|rd|th)?,?\s+(\d{4})\b|\b(\d{1,2})(?:st|nd|rd|th)?\.?\s+(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?,?\s+(\d{4})\b/i;
const NAMES = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];

/**
 * ISO 8601 of a date: `2024-05-01` where the page names a day, `2024-05-01T08:00:00.000Z` where it names a
 * time. A time without a zone is taken for UTC. Understood: ISO 8601 and its common variants, RFC 2822, English
 * month names, `01.05.2024`, `2024/05/01`, `2024年5月1日`, seconds or milliseconds since the epoch. Undefined for
 * anything else, for `05/01/2024`, whose order nobody knows, and for years outside of 1500 to 2199.
 */
export function isoDate(value: string | null | undefined): string | undefined {
  const text = value?.trim() ?? '';
  if (text === '' || text.length > 100) return undefined;
  return isoLike(text) ?? epoch(text) ?? rfc2822(text) ?? named(text) ?? numeric(text);
}

function isoLike(text: string): string | undefined {
  const match =
    /^(\d{4})-?(\d{2})-?(\d{2})(?:[T ]+(\d{2}):?(\d{2})(?::?(\d{2})(?:[.,]\d+)?)?\s*(Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)?)?$/i.exec(
      text,
    );
  if (match === null) return undefined;
  const [, year, month, day, hour, minute, second = '00', zone = 'Z'] = match;
  const date = dayOf(Number(year), Number(month), Number(day));
  if (date === undefined || hour === undefined) return date;
  const offset = /^[+-]\d{2}$/.test(zone) ? `${zone}:00` : zone.replace(/^([+-]\d{2})(\d{2})$/, '$1:$2');
  return instant(
    `${date}T${hour}:${minute}:${second}${/^(utc|gmt)$/i.test(offset) ? 'Z' : offset.toUpperCase()}`,
  );
}

function epoch(text: string): string | undefined {
  if (!/^\d{10}(\d{3})?$/.test(text)) return undefined;
  return new Date(Number(text) * (text.length === 10 ? 1000 : 1)).toISOString();
}

function rfc2822(text: string): string | undefined {
  if (
    !/^(?:[a-z]{3},?\s+)?\d{1,2}\s+[a-z]{3}\s+\d{4}\s+\d{2}:\d{2}(:\d{2})?\s+([+-]\d{4}|GMT|UT|UTC|Z|[ECMP][SD]T)$/i.test(
      text,
    )
  ) {
    return undefined;
  }
  return instant(text);
}

function named(text: string): string | undefined {
  const match = MONTHS.exec(text);
  if (match === null) return undefined;
  const month = (match[1] ?? match[5] ?? '').toLowerCase();
  return dayOf(Number(match[3] ?? match[6]), NAMES.indexOf(month) + 1, Number(match[2] ?? match[4]));
}

function numeric(text: string): string | undefined {
  const yearFirst = /^(\d{4})[./年]\s?(\d{1,2})[./月]\s?(\d{1,2})(?!\d)/.exec(text);
  if (yearFirst !== null) return dayOf(Number(yearFirst[1]), Number(yearFirst[2]), Number(yearFirst[3]));
  const dayFirst = /^(\d{1,2})\.(\d{1,2})\.(\d{4})(?!\d)/.exec(text);
  return dayFirst === null ? undefined : dayOf(Number(dayFirst[3]), Number(dayFirst[2]), Number(dayFirst[1]));
}

function dayOf(year: number, month: number, day: number): string | undefined {
  const date = new Date(Date.UTC(year, month - 1, day));
  const real =
    date.getUTCFullYear() === year && date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
  return real && year >= 1500 && year < 2200 ? date.toISOString().slice(0, 10) : undefined;
}

function instant(text: string): string | undefined {
  const time = Date.parse(text);
  return Number.isFinite(time) ? new Date(time).toISOString() : undefined;
}
