export { createHttpClient } from './client.ts';
export type { HttpClient, HttpClientOptions, HttpRequestOptions, HttpResponse } from './http-types.ts';
export { DEFAULT_LIMITS, type HttpLimits } from './limits.ts';
export type { Lookup, ResolvedAddress } from './guard.ts';
export { parseRobots, type RobotsRules } from './robots-rules.ts';
