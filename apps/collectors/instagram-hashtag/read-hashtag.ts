import {
  Permanent,
  Retryable,
  Type,
  type Step,
  type StepContext,
  type StepError,
  type StepResult,
} from '@magpie/collector-kit';
import { callGraph, graphMessage, type GraphCall, type GraphError } from '@magpie/collector-kit/graph';
import type { TSchema, Static } from 'typebox';
import type { ApiSettings } from './params.ts';
import { mediaStep, type HashtagInput } from './steps.ts';

const Found = Type.Object({
  data: Type.Array(Type.Object({ id: Type.String({ pattern: '^\\d+$' }) }), { minItems: 1 }),
});

/**
 * Asks for the hashtag's number, and goes on with the first page of each list.
 * https://developers.facebook.com/docs/instagram-platform/instagram-graph-api/reference/ig-hashtag-search
 */
export async function readHashtag(
  { input: { terms }, url = '' }: Step<HashtagInput>,
  context: StepContext<ApiSettings>,
): Promise<StepResult> {
  const { data } = await ask(context, {
    path: 'ig_hashtag_search',
    params: { q: terms.tag },
    operation: 'ig_hashtag_search',
    schema: Found,
  });
  const hashtag = data[0]?.id ?? '';
  return { next: terms.edges.map((edge) => mediaStep({ terms, hashtag, edge, page: 1, outside: 0 }, url)) };
}

/** Calls the API for the Instagram user that the credential names. */
export async function ask<S extends TSchema>(
  context: StepContext<ApiSettings>,
  call: Pick<GraphCall<S>, 'path' | 'params' | 'operation' | 'schema'>,
): Promise<Static<S>> {
  const { INSTAGRAM_API_URL: base, INSTAGRAM_API_VERSION: version } = context.settings;
  const account = context.credential?.account;
  if (account === undefined || account === '') {
    throw new Permanent(
      'credential_incomplete',
      'the credential does not name its Instagram user in `account`',
    );
  }
  return await callGraph(context, {
    ...call,
    base,
    ...(/\/v\d+\.\d+\/*$/.test(base) ? {} : { version }),
    params: { user_id: account, ...call.params },
    fault,
  });
}

/** Errors of this API besides those that all of the Graph API has. */
function fault(error: GraphError, status: number): StepError | undefined {
  const { code, subcode, message } = error;
  if (code === 24 || subcode === 2_207_024) {
    return new Permanent('unknown_hashtag', `Instagram shows no such hashtag: ${graphMessage(error)}`, {
      status,
    });
  }
  // Asked for elsewhere with the same account: those that are asked for here are counted before.
  if (code === 18 || subcode === 2_207_034)
    return new Retryable('hashtag_limit', graphMessage(error), { status });
  if (code === 100 && /cursor/i.test(message)) {
    return new Permanent('broken_cursor', graphMessage(error), { status });
  }
  return undefined;
}
