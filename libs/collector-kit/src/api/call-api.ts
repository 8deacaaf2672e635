import { canonicalUrl } from '@magpie/domain';
import type { Static, TSchema } from 'typebox';
import { Compile, type Validator } from 'typebox/compile';
import type { StepContext } from '../context/context.ts';
import { Permanent, Retryable, StepError, Throttled, type StepErrorDetails } from '../errors.ts';
import { retryAfter } from '../http/retry-after.ts';

/** An answer of an API, whatever its status. */
export interface ApiAnswer {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** The JSON in it; undefined when it is none. */
  readonly body: unknown;
}

export interface ApiCall<S extends TSchema> {
  /** What `params` are added to. */
  readonly url: string;
  /** Default: POST with a body, GET without. */
  readonly method?: 'GET' | 'POST';
  /** Query parameters; those that are undefined are left out. */
  readonly params?: Readonly<Record<string, string | number | boolean | undefined>>;
  readonly headers?: Readonly<Record<string, string>>;
  /** A form, or what is sent as JSON. */
  readonly body?: URLSearchParams | Readonly<Record<string, unknown>> | readonly unknown[];
  /** What it is in the provider's quota; counted when an answer came, an error too. */
  readonly operation: string;
  /** How many calls of the operation it counts as; default 1. */
  readonly calls?: number;
  /** What a good answer must be; what is not named in it is let through. */
  readonly schema: S;
  /** Bytes of the decompressed answer; default 4 MiB. */
  readonly maxBytes?: number;
  /** Sees every answer first, a good one too; what it throws is what the call throws. */
  readonly onAnswer?: (answer: ApiAnswer) => void;
  /** What an answer that is not 2xx means to this provider; undefined: see {@link callApi}. */
  readonly fault?: (
    status: number,
    body: unknown,
    headers: Readonly<Record<string, string>>,
  ) => StepError | undefined;
}

const MAX_BYTES = 4 * 1024 * 1024;
const validators = new WeakMap<TSchema, Validator>();

/**
 * Calls a documented JSON API: robots.txt is not asked, redirects are refused, so that no header with a secret travels,
 * and the answer is validated. Errors have the URL without its query, and no values of the answer.
 *
 * @throws whatever `onAnswer` throws or `fault` returns; else by status:
 *   Retryable `api_error` (5xx, 408, 425), Throttled (429, until its Retry-After), Permanent `not_available` (404),
 *   Permanent `api_error` (the rest)
 * @throws Retryable `invalid_answer` when the answer is not JSON or does not fit the schema
 * @throws Permanent `too_many_redirects` on a redirect, `body_too_large`, `decompressed_too_large`
 * @throws whatever `HttpClient.request` throws when no answer came
 */
export async function callApi<S extends TSchema>(
  context: Pick<StepContext, 'http' | 'spend'>,
  call: ApiCall<S>,
): Promise<Static<S>> {
  const { schema, fault, onAnswer } = call;
  const url = new URL(canonicalUrl(call.url));
  for (const [name, value] of Object.entries(call.params ?? {})) {
    if (value !== undefined) url.searchParams.set(name, String(value));
  }
  const shown = `${url.origin}${url.pathname}`;
  const { status, headers, text } = await exchange(context, url.href, call).catch((error: unknown) => {
    throw withUrl(error, shown);
  });
  const body = parsed(text);
  const details = { url: shown, status };
  try {
    onAnswer?.({ status, headers, body });
    if (status < 200 || status > 299) {
      throw fault?.(status, body, headers) ?? faultOfStatus(status, headers, details);
    }
  } catch (error) {
    throw withUrl(error, shown, status);
  }
  if (body === undefined) throw new Retryable('invalid_answer', 'the answer is not JSON', details);
  const validator = validatorOf(schema);
  if (validator.Check(body)) return body as Static<S>;
  const [wrong] = validator.Errors(body);
  const where = `${wrong?.instancePath || '/'} ${wrong?.message ?? 'does not fit'}`;
  throw new Retryable('invalid_answer', `the answer is not as documented: ${where}`, details);
}

/** What a status means where the provider says nothing else of it. */
export function faultOfStatus(
  status: number,
  headers: Readonly<Record<string, string>>,
  details: StepErrorDetails = {},
): StepError {
  const about = { ...details, status };
  if (status === 429) {
    const { untilMs, stated } = retryAfter(headers['retry-after'], Date.now());
    return new Throttled(stated ? untilMs : undefined, about);
  }
  const message = `the API answered with status ${status}`;
  if (status >= 500 || status === 408 || status === 425) return new Retryable('api_error', message, about);
  return new Permanent(status === 404 ? 'not_available' : 'api_error', message, about);
}

async function exchange(
  { http, spend }: Pick<StepContext, 'http' | 'spend'>,
  url: string,
  { method, headers, body, operation, calls, maxBytes = MAX_BYTES }: ApiCall<TSchema>,
): Promise<{ status: number; headers: Readonly<Record<string, string>>; text: string }> {
  const form = body instanceof URLSearchParams;
  const type = form ? 'application/x-www-form-urlencoded' : 'application/json';
  const response = await http.request(url, {
    method: method ?? (body === undefined ? 'GET' : 'POST'),
    accept: 'application/json',
    headers: { ...(body === undefined ? {} : { 'content-type': type }), ...headers },
    ...(body === undefined ? {} : { body: form ? body.toString() : JSON.stringify(body) }),
    robots: false,
    expect: () => true,
    limits: { maxRedirects: 0, maxBytes, maxWireBytes: maxBytes },
  });
  spend(operation, calls);
  const text = Buffer.from(await response.bytes()).toString('utf8');
  return { status: response.status, headers: response.headers, text };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function validatorOf(schema: TSchema): Validator {
  const known = validators.get(schema);
  if (known) return known;
  const made = Compile(schema) as Validator;
  validators.set(schema, made);
  return made;
}

/** The error with the URL as it may be shown, and the status if it has none. */
function withUrl(error: unknown, url: string, status?: number): unknown {
  if (!(error instanceof StepError)) return error;
  return Object.assign(error, {
    url,
    ...(error.status === undefined && status !== undefined ? { status } : {}),
  });
}
