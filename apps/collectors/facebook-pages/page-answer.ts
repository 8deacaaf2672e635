/**
 * What the Graph API's answer for one page means.
 *
 * Fields: https://developers.facebook.com/docs/graph-api/reference/page
 * Errors: https://developers.facebook.com/docs/graph-api/guides/error-handling
 */
import { Retryable, type StepError, Throttled, type Sample, type TargetReport } from '@magpie/collector-kit';
import { graphErrorOf, graphFault, graphMessage, type GraphError } from '@magpie/collector-kit/graph';

export const FIELDS = ['id', 'name', 'username', 'fan_count', 'followers_count'] as const;

/** What is read of a page that answered, or what state it is in, or what went wrong this time. */
export type PageAnswer =
  | { readonly is: 'measured'; readonly sample: Sample; readonly report: TargetReport }
  | { readonly is: 'elsewhere'; readonly report: TargetReport }
  | { readonly is: 'failed'; readonly fault: StepError };

export interface Asked {
  /** As the job names it. */
  readonly target: string;
  /** Asked for by an id that was learned before, since its username may have changed. */
  readonly byId: boolean;
  /** When the answer came, ms since the epoch. */
  readonly at: number;
  /** Whether the calls of the credential are used up, by all that the answer says of it. */
  readonly usedUp: boolean;
}

/** The path of a page's node. Addresses of pages without a username end with its id: `Some-Name-100064…`. */
export function nodeOf(target: string): string {
  return encodeURIComponent(/-(\d{9,})$/.exec(target)?.[1] ?? target);
}

/** Reads one operation's answer, whatever it is. */
export function readAnswer(operation: unknown, asked: Asked): PageAnswer {
  // https://developers.facebook.com/docs/graph-api/batch-requests#timeouts
  if (operation === null) return failed(new Retryable('api_error', 'the API did not come to it in time'));
  const { code: status, body } = (typeof operation === 'object' ? operation : {}) as Record<string, unknown>;
  if (typeof status !== 'number' || typeof body !== 'string')
    return invalid('the answer of an operation has no code or body');
  let page: unknown;
  try {
    page = JSON.parse(body);
  } catch {
    return invalid(`the answer for ${asked.target} is not JSON`);
  }
  const error = graphErrorOf(page);
  if (error !== undefined) return ofError(error, status, asked);
  if (status !== 200 || typeof page !== 'object' || page === null)
    return failed(new Retryable('api_error', `the API answered with status ${status}`, { status }));
  return ofPage(page as Record<string, unknown>, asked);
}

/** A measurement needs one of the counts at least; each that is there must be a whole number, not negative. */
function ofPage(page: Record<string, unknown>, { target, byId, at }: Asked): PageAnswer {
  const values: Record<string, number> = {};
  for (const field of ['fan_count', 'followers_count'] as const) {
    const value = page[field];
    if (value === undefined) continue;
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0)
      return invalid(`${field} of ${target} is no whole number from 0 on`);
    values[field] = value;
  }
  if (Object.keys(values).length === 0) return invalid(`the answer for ${target} has no count`);
  const { id, name, username } = page;
  if (typeof id !== 'string' || id === '') return invalid(`the answer for ${target} has no id`);
  const newName =
    typeof username === 'string' && !sameName(username, target) && nodeOf(target) !== id
      ? username
      : undefined;
  const report: TargetReport = {
    target,
    state: newName !== undefined && byId ? 'renamed' : 'active',
    providerId: id.slice(0, 200),
    ...(typeof name === 'string' ? { name: name.slice(0, 500) } : {}),
    ...(newName === undefined ? {} : { movedTo: newName.slice(0, 200) }),
  };
  return { is: 'measured', sample: { target, at, values }, report };
}

/** Case and dots make no other username: https://www.facebook.com/help/105399436216001 */
const sameName = (a: string, b: string): boolean => plain(a) === plain(b);
const plain = (name: string): string => name.toLowerCase().replaceAll('.', '');

function ofError(error: GraphError, status: number, { target, usedUp }: Asked): PageAnswer {
  const { code, subcode, message } = error;
  const elsewhere = (state: TargetReport['state'], movedTo?: string): PageAnswer => ({
    is: 'elsewhere',
    report: { target, state, message: graphMessage(error), ...(movedTo === undefined ? {} : { movedTo }) },
  });
  if (code === 803) return elsewhere('unknown');
  if (code === 21) return elsewhere('merged', /migrated to page id (\d+)/i.exec(message)?.[1]);
  if (code === 100 && subcode === 33) return elsewhere('unpublished');
  // A person, a group, an app: it has no such fields.
  if (code === 100 && /on node type \((?!page\))/i.test(message)) return elsewhere('unknown');
  if (code === 10 || (code >= 200 && code <= 299)) return elsewhere('forbidden');
  const fault = graphFault(error, { status });
  // A page has limits of its own: they are no reason to rest for all the others.
  if (fault instanceof Throttled && !usedUp)
    return failed(new Retryable('provider_rate_limited', graphMessage(error), { status }));
  return failed(fault);
}

const failed = (fault: StepError): PageAnswer => ({ is: 'failed', fault });
const invalid = (message: string): PageAnswer => failed(new Retryable('invalid_answer', message));
