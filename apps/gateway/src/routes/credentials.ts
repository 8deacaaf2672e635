import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import {
  ChangeCredential,
  CreateCredential,
  Credential,
  CredentialState,
  Page,
  PageQuery,
  type Provider,
} from '@magpie/contracts';
import { dayIn, nextDayIn, seal, usedAt } from '@magpie/domain';
import {
  createCredential,
  CredentialExists,
  findCredential,
  listCredentials,
  listSources,
  removeCredential,
  updateCredential,
  type OpenCredential,
} from '@magpie/store';
import { Type } from 'typebox';
import { credentialExample } from '../credential-examples.ts';
import { requestIdempotency } from '../idempotency.ts';
import { distinctUsed } from '../job-plan.ts';
import { sendPage } from '../paging.ts';
import { HttpProblem, type FieldError } from '../problems.ts';
import { publicUrl } from '../public-url.ts';
import { IdempotencyHeaders, IdParams } from '../requests.ts';
import { routeDoc } from '../route-doc.ts';

const MAX_SOURCES = 500;

const CredentialQuery = Type.Object(
  {
    ...PageQuery.properties,
    provider: Type.Optional(Type.String({ maxLength: 41 })),
    state: Type.Optional(CredentialState),
  },
  { additionalProperties: false },
);

const isoOrNull = (at: Date | null): string | null => at?.toISOString() ?? null;
const ahead = (at: Date | null, now: number): string | null =>
  at !== null && at.getTime() > now ? at.toISOString() : null;

function credentialView(
  { credential, quota }: OpenCredential,
  provider: Provider | undefined,
  now = Date.now(),
): Credential {
  const { unitsPerDay, callsPerHour, resetTimeZone, exhaustedUntil, tokensAt } = quota;
  const state = { ...quota, exhaustedUntil: exhaustedUntil?.getTime() ?? null, tokensAt: tokensAt.getTime() };
  const bound = provider?.distinct;
  return {
    id: credential._id,
    provider: credential.provider,
    name: credential.name,
    account: credential.account ?? null,
    project: credential.project,
    state: credential.state,
    reason: credential.reason,
    order: credential.order,
    unitsPerDay,
    usedToday: usedAt(state, now),
    day: dayIn(now, resetTimeZone),
    resetsAt: unitsPerDay === null ? null : new Date(nextDayIn(now, resetTimeZone)).toISOString(),
    exhaustedUntil: ahead(exhaustedUntil, now),
    callsPerHour,
    costs: { ...provider?.operations, ...quota.costs },
    addedAt: credential.addedAt.toISOString(),
    lastUsedAt: isoOrNull(credential.lastUsedAt),
    lastExhaustedAt: isoOrNull(credential.lastExhaustedAt),
    restsUntil: ahead(credential.restUntil, now),
    distinct: bound ? { ...bound, used: distinctUsed(credential, bound.days, now) } : null,
  };
}

const refuse = (errors: FieldError[]): never => {
  throw new HttpProblem('invalid_request', undefined, { errors });
};

const routes: FastifyPluginAsyncTypebox = async (app) => {
  const { store, config } = app;
  const base = publicUrl(config);

  async function providers(): Promise<Map<string, Provider>> {
    const { rows } = await listSources(store, { limit: MAX_SOURCES });
    return new Map(rows.flatMap(({ provider }) => (provider ? [[provider.id, provider] as const] : [])));
  }

  function sealer(secret: string): (id: string) => string {
    const { MAGPIE_SECRET } = config;
    if (MAGPIE_SECRET === undefined) throw new HttpProblem('sealing_unavailable');
    return (id) => seal(MAGPIE_SECRET, id, secret);
  }

  function checkCosts(provider: Provider | undefined, costs: Record<string, number> | undefined): void {
    if (provider === undefined) return;
    const known = Object.keys(provider.operations);
    const unknown = Object.keys(costs ?? {}).filter((operation) => !known.includes(operation));
    if (unknown.length > 0)
      refuse(
        unknown.slice(0, 20).map((operation) => ({
          field: `costs.${operation}`.slice(0, 100),
          message: `is not one of ${known.join(', ')}`,
        })),
      );
  }

  /** A name that is taken is an answer. */
  async function taking<T>(provider: string, work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      if (error instanceof CredentialExists)
        throw new HttpProblem('already_exists', `For ${provider}, ${error.message}.`);
      throw error;
    }
  }

  const orMissing = <T>(found: T | undefined): T => {
    if (found === undefined) throw new HttpProblem('not_found', 'There is no such credential.');
    return found;
  };

  app.post(
    '/api/v1/credentials',
    {
      schema: routeDoc({
        summary: 'Add a key of a provider',
        description:
          'Kept sealed (AES-256-GCM), used by the next step that needs it, and never shown again. Keys are used in the order in which they were added: one until its quota is gone, then the next. What a project has used stays counted when its keys are removed and added again.',
        tag: 'credentials',
        headers: IdempotencyHeaders,
        body: CreateCredential,
        example: {
          provider: 'youtube',
          name: 'first project',
          secret: 'AIzaSy-the-key',
          project: 'first-project',
        },
        answers: {
          201: {
            description: 'The credential',
            schema: Credential,
            example: credentialExample,
            headers: { location: { type: 'string', description: 'The credential' } },
          },
        },
        errors: ['unknown_provider', 'already_exists', 'idempotency_conflict', 'sealing_unavailable'],
      }),
    },
    async (request, reply) => {
      const { secret, provider: id, ...rest } = request.body;
      const sealed = sealer(secret);
      const idempotency = requestIdempotency(request, request.body, config.MAGPIE_SECRET);
      const known = await providers();
      const provider = known.get(id);
      if (provider === undefined)
        throw new HttpProblem(
          'unknown_provider',
          known.size === 0
            ? 'No source that runs has a provider.'
            : `The sources that run have ${[...known.keys()].sort().join(', ')}.`,
          { errors: [{ field: 'provider', message: 'is not the provider of a source that runs' }] },
        );
      if (provider.account !== undefined && rest.account === undefined)
        refuse([{ field: 'account', message: `is required: ${provider.account}` }]);
      checkCosts(provider, rest.costs);
      const created = await taking(
        id,
        createCredential(store, {
          ...rest,
          provider: id,
          seal: sealed,
          idempotency,
          usual: {
            unitsPerDay: provider.unitsPerDay ?? null,
            callsPerHour: provider.callsPerHour ?? null,
            resetTimeZone: provider.resetTimeZone ?? 'UTC',
          },
        }),
      );
      const { _id } = created.credential;
      request.log.info({ credentialId: _id, provider: id, replayed: created.replayed }, 'credential added');
      if (created.replayed) void reply.header('idempotent-replayed', 'true');
      return reply
        .code(201)
        .header('location', `${base}/api/v1/credentials/${_id}`)
        .send(credentialView(created, provider));
    },
  );

  app.get(
    '/api/v1/credentials',
    {
      schema: routeDoc({
        summary: 'List the keys of providers',
        description: 'By provider, each in the order in which they are used; with quotas, without secrets.',
        tag: 'credentials',
        query: CredentialQuery,
        answers: {
          200: {
            description: 'A page of credentials',
            schema: Page(Credential),
            example: { items: [credentialExample], next: null },
          },
        },
        errors: ['invalid_cursor'],
      }),
    },
    async (request, reply) => {
      const { provider, state, ...page } = request.query;
      const { rows, next } = await listCredentials(store, { provider, state }, page);
      const known = await providers();
      const views = rows.map((one) => credentialView(one, known.get(one.credential.provider)));
      return sendPage(request, reply, views, next);
    },
  );

  app.get(
    '/api/v1/credentials/:id',
    {
      schema: routeDoc({
        summary: 'Get a key of a provider',
        description: 'Its quota, when it was last used and exhausted, why it is disabled.',
        tag: 'credentials',
        params: IdParams,
        answers: { 200: { description: 'The credential', schema: Credential, example: credentialExample } },
        errors: ['not_found'],
      }),
    },
    async (request) => {
      const found = orMissing(await findCredential(store, request.params.id));
      return credentialView(found, (await providers()).get(found.credential.provider));
    },
  );

  app.patch(
    '/api/v1/credentials/:id',
    {
      schema: routeDoc({
        summary: 'Change a key of a provider',
        description:
          'Name, order, state, the bounds of its project, or another secret in place of its own. Enabling it, or a new secret, ends its rest. Takes effect within two seconds.',
        tag: 'credentials',
        params: IdParams,
        body: ChangeCredential,
        example: { state: 'disabled' },
        answers: { 200: { description: 'The credential', schema: Credential, example: credentialExample } },
        errors: ['not_found', 'already_exists', 'sealing_unavailable'],
      }),
    },
    async (request) => {
      const { secret, ...change } = request.body;
      const { id } = request.params;
      const sealed = secret === undefined ? undefined : sealer(secret);
      const { credential } = orMissing(await findCredential(store, id));
      const provider = (await providers()).get(credential.provider);
      checkCosts(provider, change.costs);
      const changed = orMissing(
        await taking(credential.provider, updateCredential(store, id, { ...change, seal: sealed })),
      );
      request.log.info({ credentialId: id, changed: Object.keys(request.body) }, 'credential changed');
      return credentialView(changed, provider);
    },
  );

  app.delete(
    '/api/v1/credentials/:id',
    {
      schema: routeDoc({
        summary: 'Remove a key of a provider',
        description: 'Steps that are under way with it end; no other begins with it.',
        tag: 'credentials',
        params: IdParams,
        answers: { 204: { description: 'Removed' } },
        errors: ['not_found'],
      }),
    },
    async (request, reply) => {
      if (!(await removeCredential(store, request.params.id))) orMissing(undefined);
      request.log.info({ credentialId: request.params.id }, 'credential removed');
      return reply.code(204).send();
    },
  );
};

export default routes;
