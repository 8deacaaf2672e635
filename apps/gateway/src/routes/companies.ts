import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { AddCompany, Company, Page } from '@magpie/contracts';
import {
  addCompany,
  companyId,
  companyOfKey,
  findCompany,
  findStandingJob,
  JobIsOver,
  listCompanies,
  targetKeys,
  type CompanyDocument,
} from '@magpie/store';
import type { FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import * as examples from '../fans/examples.ts';
import { SOURCE } from '../fans/query.ts';
import { requestIdempotency } from '../idempotency.ts';
import { sendPage } from '../paging.ts';
import { HttpProblem } from '../problems.ts';
import { publicUrl } from '../public-url.ts';
import { IdempotencyHeaders, ListQuery } from '../requests.ts';
import { routeDoc } from '../route-doc.ts';

/** The one job that measures the pages of all companies. */
const STANDING = 'companies';

const CompanyParams = Type.Object({ name: Type.String({ maxLength: 200, description: 'Its name' }) });

const routes: FastifyPluginAsyncTypebox = async (app) => {
  const { store } = app;
  const base = publicUrl(app.config);

  const view = ({ name, pages, addedAt }: CompanyDocument, jobId: string | undefined): Company => ({
    name,
    pages,
    added_at: addedAt.toISOString(),
    job_url: jobId === undefined ? null : `${base}/api/v1/jobs/${jobId}`,
  });
  const standingJob = async (): Promise<string | undefined> => (await findStandingJob(store, STANDING))?._id;

  /** The job that measures is made with the first company; who is first does not matter. */
  async function add(
    request: FastifyRequest,
    body: AddCompany,
  ): Promise<{ company: Company; replayed: boolean }> {
    const { name: given, pages } = body;
    const idempotency = requestIdempotency(request, body);
    const name = given.trim().replace(/\s+/g, ' ');
    if (name === '')
      throw new HttpProblem('invalid_request', undefined, {
        errors: [{ field: 'name', message: 'is empty' }],
      });
    const names = pages === undefined ? [name] : [pages].flat();
    const { keys, invalid } = targetKeys(names);
    if (invalid.length > 0)
      throw new HttpProblem('invalid_request', undefined, {
        errors: invalid.map((place) =>
          pages === undefined
            ? { field: 'name', message: 'is not the name of a page: give its `pages`' }
            : { field: `pages.${String(place)}`, message: 'must be the name or the address of a page' },
        ),
      });
    const exists = () =>
      new HttpProblem('already_exists', 'There is a company of that name.', {
        errors: [{ field: 'name', message: 'is taken' }],
      });
    const id = companyId(name);
    // In this order: who sees that the name is taken sees by which key.
    const taken = (await findCompany(store, id)) !== undefined;
    const before = idempotency && (await companyOfKey(store, idempotency));
    if (before !== undefined) return { company: view(before, await standingJob()), replayed: true };
    if (taken) throw exists();
    const company: CompanyDocument = { _id: id, name, pages: keys, addedAt: new Date() };
    for (let tries = 1; ; tries++) {
      const { job } = await app.takeJob(request, {
        source: SOURCE,
        params: { pages: keys },
        standing: STANDING,
        builtIn: true,
      });
      try {
        const entered = await addCompany(store, job, company, idempotency);
        if (entered === undefined) throw exists();
        return { company: view(entered.company, job._id), replayed: entered.replayed };
      } catch (error) {
        // Somebody ended it just now: the next one measures.
        if (!(error instanceof JobIsOver) || tries === 3) throw error;
      }
    }
  }

  for (const path of ['/api/fans/insertcompany', '/api/fans/put'])
    app.post(
      path,
      {
        schema: routeDoc({
          summary: 'Add a company',
          description:
            'From now on its pages are measured, by a job that does so for all companies. Its name is its page, unless `pages` says others. JSON or a form.',
          tag: 'fans',
          headers: IdempotencyHeaders,
          body: AddCompany,
          example: { name: 'NASA', pages: ['nasa', 'https://www.facebook.com/NASAJPL'] },
          form: true,
          answers: {
            201: {
              description: 'The company',
              schema: Company,
              example: examples.company,
              headers: { location: { type: 'string', description: 'The company' } },
            },
          },
          errors: ['already_exists', 'idempotency_conflict', 'missing_credential', 'source_unavailable'],
        }),
      },
      async (request, reply) => {
        const { company, replayed } = await add(request, request.body);
        if (replayed) void reply.header('idempotent-replayed', 'true');
        return reply
          .code(201)
          .header('location', `${base}/api/fans/companies/${encodeURIComponent(companyId(company.name))}`)
          .send(company);
      },
    );

  app.get(
    '/api/fans/companies',
    {
      schema: routeDoc({
        summary: 'List companies',
        description: 'By name.',
        tag: 'fans',
        query: ListQuery,
        answers: {
          200: {
            description: 'A page of companies',
            schema: Page(Company),
            example: { items: [examples.company], next: null },
          },
        },
        errors: ['invalid_cursor'],
      }),
    },
    async (request, reply) => {
      const { rows, next } = await listCompanies(store, request.query);
      const job = await standingJob();
      return sendPage(
        request,
        reply,
        rows.map((company) => view(company, job)),
        next,
      );
    },
  );

  app.get(
    '/api/fans/companies/:name',
    {
      schema: routeDoc({
        summary: 'Get a company',
        description: 'By its name, without regard to case.',
        tag: 'fans',
        params: CompanyParams,
        answers: { 200: { description: 'The company', schema: Company, example: examples.company } },
        errors: ['not_found'],
      }),
    },
    async (request) => {
      const company = await findCompany(store, companyId(request.params.name));
      if (company === undefined) throw new HttpProblem('not_found', 'There is no such company.');
      return view(company, await standingJob());
    },
  );
};

export default routes;
