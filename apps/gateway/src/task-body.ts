import { HttpProblem } from './problems.ts';

const MAX_URLS = 10_000;

const refuse = (field: string, message: string): never => {
  throw new HttpProblem('invalid_request', undefined, { errors: [{ field, message }] });
};

/**
 * The parameters of a task's source: `url` (one, or repeated in a form) and `urls` (a list, or one) become `urls`;
 * every other key is taken as it is, for the source's schema to judge.
 * @throws HttpProblem `invalid_request`
 */
export function taskParams(body: unknown): Record<string, unknown> {
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    return refuse('body', 'must be an object with `url` or `urls`');
  const { url, urls, ...rest } = body as Record<string, unknown>;
  const all = [...listOf('url', url), ...listOf('urls', urls)];
  if (all.length === 0) return refuse('url', 'is required, or `urls`');
  if (all.length > MAX_URLS) return refuse('urls', `must be at most ${MAX_URLS}`);
  return { ...rest, urls: all };
}

/** Errors name the field that the client sent: `url`, where the source knows `urls` alone. */
export function inTermsOfTask(error: unknown, body: unknown): unknown {
  if (!(error instanceof HttpProblem) || error.extras.errors === undefined) return error;
  const { url } = body as { url?: unknown };
  const ahead = url === undefined ? 0 : Array.isArray(url) ? url.length : 1;
  const errors = error.extras.errors.map((fault) => {
    const index = /^urls\.(\d+)$/.exec(fault.field)?.[1];
    if (index === undefined) return fault;
    const place = Number(index);
    if (place >= ahead) return { ...fault, field: `urls.${place - ahead}` };
    return { ...fault, field: Array.isArray(url) ? `url.${place}` : 'url' };
  });
  return new HttpProblem(error.code, error.message, { ...error.extras, errors });
}

function listOf(field: string, value: unknown): string[] {
  if (value === undefined) return [];
  const list: unknown[] = Array.isArray(value) ? value : [value];
  const wrong = list.findIndex((entry) => typeof entry !== 'string' || entry === '');
  if (wrong >= 0) refuse(Array.isArray(value) ? `${field}.${wrong}` : field, 'must be a URL');
  return list as string[];
}
