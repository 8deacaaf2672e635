import { MESSAGES, type CreateJob, type Priority } from '@magpie/contracts';
import { EXCHANGES } from '@magpie/broker';
import { parseCidrs, periodFaults } from '@magpie/domain';
import { createJob, findSource, type CreatedJob, type JobDocument, type SourceDocument } from '@magpie/store';
import type { FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { requestIdempotency } from '../idempotency.ts';
import { carriedSchedule } from '../job-plan.ts';
import { jobSchedule } from '../job-schedule.ts';
import { takeTargets } from '../job-targets.ts';
import { HttpProblem, type FieldError } from '../problems.ts';
import { compileParams, type ParamSchema } from '../source-schema.ts';

export interface JobRequest {
  source: string;
  params: unknown;
  priority?: Priority | undefined;
  schedule?: CreateJob['schedule'] | undefined;
  stopWhenExhausted?: boolean | undefined;
  /** Refuse a schedule that the keys do not carry. */
  strict?: boolean | undefined;
  /** Put before the names of fields in errors. */
  prefix?: string;
  /** The parameters are texts of a form. */
  form?: boolean;
  /** The route belongs to this source: that it does not run is then nothing that the client did wrong. */
  builtIn?: boolean;
  /**
   * It is the one job of this name: whoever asks for one gets it, as long as it has not ended. An Idempotency-Key is
   * then that of what it is asked for, not its own.
   */
  standing?: string;
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Checks what is asked for and makes the job, or gives the one that the same Idempotency-Key made. */
    takeJob(request: FastifyRequest, wanted: JobRequest): Promise<CreatedJob>;
    /**
     * What a source says, and parameters of a job of it as they are checked when one is made.
     * @throws HttpProblem
     */
    checkParams(
      source: string,
      params: unknown,
      options?: ParamOptions,
    ): Promise<{ found: SourceDocument; params: Record<string, unknown> }>;
    /** Tells whoever listens that a job changed. A hint: never waits, may be lost. */
    announce(job: JobDocument): void;
  }
}

interface ParamOptions {
  /** Put before the names of fields in errors. */
  prefix?: string;
  /** The parameters are texts of a form. */
  form?: boolean;
  /** What the job measures may be missing among them: it stays as it is. */
  targetsStay?: boolean;
  /** This parameter comes from elsewhere: it may be missing. */
  without?: string;
}

/** So many compiled schemas are kept; there are as many as sources, unless one changes all the time. */
const MAX_COMPILED = 64;

export default fp(
  async (app) => {
    const allow = parseCidrs(app.config.MAGPIE_ALLOW_ADDRESSES);
    const compiled = new Map<string, ParamSchema>();

    function schemaOf(id: string, params: Record<string, unknown>): ParamSchema {
      const key = `${id} ${JSON.stringify(params)}`;
      const known = compiled.get(key);
      if (known !== undefined) return known;
      const schema = compileParams(params);
      if (compiled.size >= MAX_COMPILED) compiled.clear();
      compiled.set(key, schema);
      return schema;
    }

    /** With what its schema refuses, it is also said which days are none: nobody is to mend one field at a time. */
    function paramsOf(
      source: SourceDocument,
      given: unknown,
      { prefix = '', form = false }: Pick<ParamOptions, 'prefix' | 'form'>,
      schema = source.params,
    ): Record<string, unknown> {
      try {
        return schemaOf(source._id, schema).parse(given, { allow, prefix, form });
      } catch (error) {
        if (!(error instanceof HttpProblem) || typeof given !== 'object' || given === null) throw error;
        const { errors = [], ...extras } = error.extras;
        const further = periodFaults(source.period, given as Record<string, unknown>)
          .map(({ field, message }): FieldError => ({
            field: prefix ? `${prefix}.${field}` : field,
            message,
          }))
          .filter(({ field }) => errors.every((known) => known.field !== field));
        throw new HttpProblem(error.code, error.message || undefined, {
          ...extras,
          errors: [...errors, ...further],
        });
      }
    }

    app.decorate('checkParams', async (source: string, given: unknown, options: ParamOptions = {}) => {
      const found = await findSource(app.store, source);
      if (found === undefined)
        throw new HttpProblem('unknown_source', undefined, {
          errors: [{ field: 'source', message: 'is not a source that runs' }],
        });
      const { targetsStay, without = targetsStay ? found.targets?.param : undefined, ...rest } = options;
      return {
        found,
        params: paramsOf(found, given, rest, without === undefined ? found.params : lacking(found, without)),
      };
    });

    app.decorate('takeJob', async (request: FastifyRequest, wanted: JobRequest) => {
      const { source, priority = 'normal', prefix = '', form = false, builtIn = false } = wanted;
      const found = await findSource(app.store, source);
      if (found === undefined)
        throw builtIn
          ? new HttpProblem('source_unavailable', `No collector of ${source} has reported yet.`, {
              retryAfter: 5,
            })
          : new HttpProblem('unknown_source', undefined, {
              errors: [{ field: 'source', message: 'is not a source that runs' }],
            });
      const params = paramsOf(found, wanted.params, { prefix, form });
      const { schedule: asked, stopWhenExhausted, strict } = wanted;
      const { schedule, warnings } = await carriedSchedule(
        app.store,
        found,
        params,
        jobSchedule(found, params, asked, { prefix }),
        strict,
      );
      const created = await createJob(app.store, {
        source,
        ...takeTargets(found, params, prefix),
        priority,
        schedule,
        stopWhenExhausted,
        warnings,
        standing: wanted.standing,
        correlationId: request.id,
        idempotency:
          wanted.standing === undefined
            ? requestIdempotency(request, {
                source,
                params: wanted.params,
                priority,
                schedule: asked,
                stopWhenExhausted,
                strict,
              })
            : undefined,
      });
      if (!created.replayed) app.announce(created.job);
      request.log.info({ jobId: created.job._id, source, replayed: created.replayed }, 'job taken');
      return created;
    });

    app.decorate('announce', ({ _id, state, rev, correlationId }: JobDocument) => {
      app.broker.tryPublish({
        exchange: EXCHANGES.events,
        routingKey: `job.${_id}.changed`,
        type: MESSAGES.jobEvent,
        body: { jobId: _id, event: 'changed', state, rev },
        correlationId,
      });
    });
  },
  { name: 'job-intake', fastify: '5.x' },
);

/** The schema of a source's parameters, as if this one were optional. */
const lacking = ({ params }: SourceDocument, param: string): Record<string, unknown> =>
  Array.isArray(params['required'])
    ? { ...params, required: params['required'].filter((name) => name !== param) }
    : params;
