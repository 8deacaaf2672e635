/** How much of the Graph API's limits is used. */
export interface GraphUsage {
  /** The most of all measures: calls, CPU time, total time. May be above 100. */
  readonly percent: number;
  /** When access is regained, if the provider said so; ms since the epoch. */
  readonly untilMs?: number;
}

const MINUTE_MS = 60_000;
const MEASURES = ['call_count', 'total_time', 'total_cputime'] as const;

/**
 * What `X-App-Usage` (percentages) and `X-Business-Use-Case-Usage` (by business a list of them, with the minutes until
 * access is regained) say; undefined when neither is there or readable.
 * https://developers.facebook.com/docs/graph-api/overview/rate-limiting#headers
 * @param headers names in lower case
 */
export function graphUsage(
  headers: Readonly<Record<string, string>>,
  nowMs = Date.now(),
): GraphUsage | undefined {
  const business = read(headers['x-business-use-case-usage']);
  const measured = [
    read(headers['x-app-usage']),
    ...Object.values(business).flatMap((list): unknown[] => (Array.isArray(list) ? list : [list])),
  ].filter((one): one is Record<string, unknown> => typeof one === 'object' && one !== null);
  const percents = measured.flatMap((one) =>
    MEASURES.map((name) => numberOf(one[name])).filter((n) => n >= 0),
  );
  if (percents.length === 0) return undefined;
  const minutes = Math.max(0, ...measured.map((one) => numberOf(one['estimated_time_to_regain_access'])));
  return {
    percent: Math.max(...percents),
    ...(minutes > 0 ? { untilMs: nowMs + minutes * MINUTE_MS } : {}),
  };
}

const numberOf = (value: unknown): number =>
  typeof value === 'number' && Number.isFinite(value) ? value : -1;

function read(header: string | undefined): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(header ?? '{}');
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
