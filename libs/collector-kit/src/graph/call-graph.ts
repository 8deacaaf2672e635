import type { Static, TSchema } from 'typebox';
import { callApi, type ApiCall } from '../api/index.ts';
import type { StepContext } from '../context/context.ts';
import { Permanent, type StepError } from '../errors.ts';
import { graphErrorOf, graphFault, type GraphError } from './graph-error.ts';
import { graphUsage } from './graph-usage.ts';

export interface GraphCall<S extends TSchema> extends Pick<
  ApiCall<S>,
  'method' | 'params' | 'body' | 'operation' | 'calls' | 'schema' | 'maxBytes'
> {
  /** Scheme and host, as `https://graph.facebook.com`; a path in it is kept. */
  readonly base: string;
  /** As `v25.0`; put before the path. Left out when it is already in `base`, or for the app's own default. */
  readonly version?: string;
  /** Below base and version: `ig_hashtag_search`, `17843853986012965/recent_media`; empty for a batch. */
  readonly path: string;
  /** Sees an error of the provider before it is classified by its code; undefined leaves that to `graphFault`. */
  readonly fault?: (error: GraphError, status: number) => StepError | undefined;
}

/**
 * Calls Meta's Graph API with the step's credential. The token goes in `Authorization: Bearer` (RFC 6750 section 2.1)
 * instead of the parameter `access_token`, so that it is in no URL.
 * The usage headers of every answer go to `context.usage`; an error envelope is an error whatever the status.
 * `paging.next` in answers holds the token: keep its cursor, not the URL.
 * @throws what `fault` returns, else what {@link graphFault} says; see `callApi` for the rest
 * @throws Permanent `credential_unreadable`
 */
export async function callGraph<S extends TSchema>(
  context: Pick<StepContext, 'http' | 'spend' | 'usage' | 'credential'>,
  { base, version, path, fault, ...call }: GraphCall<S>,
): Promise<Static<S>> {
  const { credential } = context;
  if (credential === undefined) {
    throw new Permanent('credential_unreadable', 'the step was given no credential');
  }
  const parts = [base.replace(/\/+$/, ''), version ?? '', path.replace(/^\/+/, '')];
  return await callApi(context, {
    ...call,
    url: parts.filter((part) => part !== '').join('/'),
    headers: { authorization: `Bearer ${credential.secret()}` },
    onAnswer({ status, headers, body }) {
      const usage = graphUsage(headers);
      if (usage) context.usage(usage.percent, usage.untilMs);
      const error = graphErrorOf(body);
      if (error) throw fault?.(error, status) ?? graphFault(error, { status, untilMs: usage?.untilMs });
    },
  });
}
