import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { controlJob, findJob, findSource, listJobItems, type JobDocument } from '@magpie/store';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { sendProblem } from '../plugins/errors.ts';
import { HttpProblem, toProblem, type FieldError } from '../problems.ts';
import { publicUrl } from '../public-url.ts';
import { IdParams } from '../requests.ts';
import { routeDoc } from '../route-doc.ts';
import { STYLE } from '../task-pages/layout.ts';
import { FIELDS, newTaskPage, type Values } from '../task-pages/new-task-page.ts';
import { problemPage, wordsOf } from '../task-pages/problem-page.ts';
import { ACTIONS, taskPage, type PageAction } from '../task-pages/task-page.ts';

const SOURCE = 'instagram-hashtag';
const HTML = 'text/html; charset=utf-8';
/** Pictures of a page. */
const PICTURES = 24;

const Page = Type.String({ description: 'An HTML page' });
const EXAMPLE = '<!doctype html>\n<html lang="en">…</html>\n';
const NEGOTIATED = 'Errors are pages too, or problem documents for clients that accept JSON and no HTML.';
const SEE_OTHER = (what: string) => ({
  description: what,
  headers: { location: { type: 'string', description: 'The task’s page' } },
});

const NewTask = Type.Object({
  tag: Type.String({ description: 'The hashtag, with or without its #' }),
  start: Type.Optional(Type.String({ description: 'A day, or an instant with its offset; may be empty' })),
  end: Type.Optional(Type.String({ description: 'A day, or an instant with its offset; may be empty' })),
  timeZone: Type.Optional(Type.String({ description: 'Whose days these are; UTC unless said' })),
});

const PageQuery = Type.Object(
  {
    cursor: Type.Optional(Type.String({ maxLength: 512, description: 'Of the older pictures' })),
    still: Type.Optional(Type.Boolean({ description: 'The page does not load itself again' })),
  },
  { additionalProperties: false },
);

const ACTION_TEXT: Record<PageAction, string> = {
  pause: 'Pause a task by its page',
  resume: 'Resume a task by its page',
  stop: 'Stop a task by its page',
  retry: 'Retry a task by its page',
};

const wantsHtml = ({ headers: { accept = '*/*' } }: FastifyRequest): boolean =>
  /text\/html|\*\/\*|text\/\*/i.test(accept);

const routes: FastifyPluginAsyncTypebox = async (app) => {
  const { store } = app;
  const base = publicUrl(app.config);
  const { origin, pathname } = new URL(base);
  const root = pathname.replace(/\/+$/, '');
  /** Forms go to this origin alone; pictures come from nginx, which may be another one than the gateway. */
  const policy = [
    "default-src 'none'",
    "style-src 'self'",
    `img-src 'self' ${origin}`,
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ].join('; ');

  const send = (reply: FastifyReply, page: string, status = 200): FastifyReply =>
    reply
      .code(status)
      .header('content-security-policy', policy)
      // With `no-referrer` browsers send forms with an Origin of null, which is refused.
      .header('referrer-policy', 'same-origin')
      .header('cache-control', 'no-store')
      .type(HTML)
      .send(page);

  app.setErrorHandler((error, request, reply) => {
    if (!wantsHtml(request)) return sendProblem(error, request, reply);
    const problem = toProblem(error);
    if (problem.code === 'internal_error') request.log.error({ err: error }, 'a page failed');
    else if (problem.statusCode >= 500)
      request.log.warn({ err: error, code: problem.code }, 'a page was refused');
    for (const [name, value] of Object.entries(extraHeaders(problem))) void reply.header(name, value);
    const { id } = request.params as { id?: unknown };
    const back = problem.code === 'invalid_transition' ? `${root}/task/${String(id)}/` : undefined;
    return send(reply, problemPage(problem, root, back), problem.statusCode);
  });

  const taskOr404 = (job: JobDocument | undefined): JobDocument => {
    if (job?.source !== SOURCE) throw new HttpProblem('not_found', 'There is no such task.');
    return job;
  };
  const limits = async (): Promise<readonly string[]> => (await findSource(store, SOURCE))?.limits ?? [];

  app.get('/task/style.css', { schema: { hide: true } }, async (_request, reply) =>
    reply
      .header('cache-control', 'public, max-age=31536000, immutable')
      .type('text/css; charset=utf-8')
      .send(STYLE),
  );

  app.get(
    '/task/new/',
    {
      schema: routeDoc({
        summary: 'Show the form for a new task',
        description: `A page with a form: hashtag, start date, end date. Needs no JavaScript. ${NEGOTIATED}`,
        tag: 'form',
        answers: { 200: { description: 'The form', schema: Page, example: EXAMPLE, type: 'text/html' } },
      }),
    },
    async (_request, reply) => send(reply, newTaskPage({ root, limits: await limits() })),
  );

  app.post(
    '/task/new/',
    {
      schema: routeDoc({
        summary: 'Make a task of the form',
        description: `Makes a job of the source \`${SOURCE}\` that downloads photos too, and leads to its page. What is wrong comes as the form again, with its values and each error beside its field. ${NEGOTIATED}`,
        tag: 'form',
        body: NewTask,
        example: { tag: '#sunset', start: '2026-05-01', end: '2026-05-31' },
        form: true,
        answers: { 303: SEE_OTHER('The task was made') },
        errors: ['missing_credential', 'source_unavailable'],
      }),
      // The source's own schema judges what is in the form.
      validatorCompiler: () => () => true,
    },
    async (request, reply) => {
      const values = valuesOf(request.body);
      try {
        const { job } = await app.takeJob(request, {
          source: SOURCE,
          params: { ...given(values), media: true },
          form: true,
          builtIn: true,
        });
        return await reply.code(303).header('location', `${root}/task/${job._id}/`).send();
      } catch (error) {
        const problem = toProblem(error);
        if (!wantsHtml(request) || problem.code === 'internal_error') throw error;
        const { errors } = problem.extras;
        for (const [name, value] of Object.entries(extraHeaders(problem))) void reply.header(name, value);
        const page = newTaskPage({
          root,
          values,
          errors: errors?.map(plainField),
          problem: errors === undefined ? wordsOf(problem) : undefined,
          limits: problem.code === 'storage_unavailable' ? [] : await limits(),
        });
        return send(reply, page, problem.statusCode);
      }
    },
  );

  app.get(
    '/task/:id/',
    {
      schema: routeDoc({
        summary: 'Show a task',
        description: `A page with the task’s state, why it waits, what it has seen, and its pictures, the latest first. It loads itself again while the task is live. ${NEGOTIATED}`,
        tag: 'form',
        params: IdParams,
        query: PageQuery,
        answers: { 200: { description: 'The task', schema: Page, example: EXAMPLE, type: 'text/html' } },
        errors: ['not_found', 'invalid_cursor'],
      }),
    },
    async (request, reply) => {
      const { cursor, still = false } = request.query;
      const job = taskOr404(await findJob(store, request.params.id));
      const { rows, next } = await listJobItems(
        store,
        job._id,
        { kind: 'image' },
        { limit: PICTURES, cursor },
        -1,
      );
      const pictures = rows.map(({ item }) => item).filter(({ file }) => file !== undefined);
      return send(reply, taskPage({ job, pictures, next, further: cursor !== undefined, still, base, root }));
    },
  );

  for (const action of ACTIONS) {
    app.post(
      `/task/:id/${action}`,
      {
        schema: routeDoc({
          summary: ACTION_TEXT[action],
          description: `What the page’s button sends; leads back to the page. ${NEGOTIATED}`,
          tag: 'form',
          params: IdParams,
          answers: { 303: SEE_OTHER('Done') },
          errors: ['not_found', 'invalid_transition'],
        }),
      },
      async (request, reply) => {
        const { id } = request.params;
        taskOr404(await findJob(store, id));
        const job = taskOr404(await controlJob(store, id, action));
        app.announce(job);
        request.log.info({ jobId: id, action, state: job.state, epoch: job.epoch }, 'job controlled');
        return reply.code(303).header('location', `${root}/task/${id}/`).send();
      },
    );
  }
};

function extraHeaders({ extras: { retryAfter, headers = {} } }: HttpProblem): Record<string, string> {
  return { ...headers, ...(retryAfter === undefined ? {} : { 'retry-after': String(retryAfter) }) };
}

/** What was sent, as it is shown again. Of a field that was sent twice, the last. */
function valuesOf(body: unknown): Values {
  const sent = (typeof body === 'object' && body !== null ? body : {}) as Record<string, unknown>;
  return Object.fromEntries(
    FIELDS.flatMap((name) => {
      const value = Object.hasOwn(sent, name) ? [sent[name]].flat().at(-1) : undefined;
      return typeof value === 'string' ? [[name, value.slice(0, 500)]] : [];
    }),
  );
}

/** Fields that were left empty were not given. */
const given = (values: Values): Values =>
  Object.fromEntries(
    Object.entries(values)
      .map(([name, value]) => [name, value.trim()])
      .filter(([, value]) => value !== ''),
  );

const plainField = ({ field, ...rest }: FieldError): FieldError => ({
  field: field.replace(/^params\./, ''),
  ...rest,
});

export default routes;
