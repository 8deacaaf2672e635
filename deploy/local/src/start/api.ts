/** The platform's API as a start asks it: with the admin key, in JSON; throws with the problem's title and detail. */
export type Api = <T>(path: string, body?: unknown, method?: string) => Promise<T>;

/** What the API answered instead of what was asked for. */
export class ApiProblem extends Error {
  override readonly name = 'ApiProblem';
  readonly status: number;
  readonly code: string;

  constructor(status: number, problem: { code?: string; title?: string; detail?: string }) {
    super(`${problem.title ?? status}${problem.detail ? `: ${problem.detail}` : ''}`);
    this.status = status;
    this.code = problem.code ?? '';
  }
}

/** @param base of the platform, without a slash at its end */
export const apiAt = (base: string, signal: AbortSignal): Api => {
  const key = process.env['MAGPIE_ADMIN_KEY'];
  return async <T>(
    path: string,
    body?: unknown,
    method = body === undefined ? 'GET' : 'POST',
  ): Promise<T> => {
    const answer = await fetch(base + path, {
      method,
      signal: AbortSignal.any([signal, AbortSignal.timeout(15_000)]),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      headers: {
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(key ? { 'x-api-key': key } : {}),
      },
    });
    const text = await answer.text();
    const json = (text === '' ? undefined : JSON.parse(text)) as T;
    if (!answer.ok) throw new ApiProblem(answer.status, (json ?? {}) as { code?: string });
    return json;
  };
};
