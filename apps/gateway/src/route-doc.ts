/** A route's schema for fastify and for the OpenAPI document, said once: what it takes, gives and can answer. */
import { ERRORS, Problem, type HttpErrorCode } from '@magpie/contracts';
import type { TSchema } from 'typebox';

export const TAGS = {
  jobs: 'Jobs: what is to be collected',
  items: 'Everything kept',
  sources: 'What can be collected',
  credentials: 'Keys of providers, and their quotas',
  tasks: 'Images and text of web pages',
  form: 'A form, and the pages of its tasks',
  videos: 'Videos, and the search in them',
  fans: 'Fans and followers of pages over time',
  transfers: 'Data in and out: uploads, imports, exports',
  operations: 'Health, metrics, dead letters',
} as const;

interface Answer {
  /** What it is. */
  description: string;
  schema?: TSchema;
  example?: unknown;
  /** Media type; JSON unless said. */
  type?: string;
  /** It is given as CSV too; an example. */
  csv?: string;
  headers?: Record<string, { type: string; description: string }>;
}

interface Doc<P, Q, B, H> {
  summary: string;
  description: string;
  tag: keyof typeof TAGS;
  params?: P;
  query?: Q;
  headers?: H;
  body?: B;
  /** Example of the body; needed with one. */
  example?: unknown;
  /** The body may be a form too. */
  form?: boolean;
  answers: Record<number, Answer>;
  /** Codes beyond those that every such route can answer with. */
  errors?: readonly HttpErrorCode[];
  /** Neither the database nor a key is needed. */
  open?: boolean;
}

/** The schema of a route. Codes that follow from what the route takes are added by themselves. */
export function routeDoc<
  P extends TSchema | undefined = undefined,
  Q extends TSchema | undefined = undefined,
  B extends TSchema | undefined = undefined,
  H extends TSchema | undefined = undefined,
>(doc: Doc<P, Q, B, H>) {
  const { summary, description, tag, params, query, headers, body, example, form, answers, open } = doc;
  const codes = new Set<HttpErrorCode>([
    ...(doc.errors ?? []),
    ...(params || query || body || headers ? (['invalid_request'] as const) : []),
    ...(body ? (['invalid_json', 'payload_too_large', 'unsupported_media_type'] as const) : []),
    ...(open ? [] : (['unauthorized', 'forbidden', 'storage_unavailable'] as const)),
    'rate_limited',
    'internal_error',
    'overloaded',
  ]);
  const schema = {
    summary,
    description,
    tags: [tag],
    ...(open ? { security: [] } : {}),
    ...(params ? { params } : {}),
    ...(query ? { querystring: query } : {}),
    ...(headers ? { headers } : {}),
    ...(body ? { body: withExample(body, example) } : {}),
    ...(form ? { consumes: ['application/json', 'application/x-www-form-urlencoded'] } : {}),
    response: {
      ...problems([...codes]),
      ...Object.fromEntries(Object.entries(answers).map(([status, answer]) => [status, success(answer)])),
    },
  };
  return schema as typeof schema & {
    params: P extends TSchema ? P : never;
    querystring: Q extends TSchema ? Q : never;
    headers: H extends TSchema ? H : never;
    body: B extends TSchema ? B : never;
  };
}

const withExample = <B extends TSchema>(body: B, example: unknown): B =>
  example === undefined ? body : ({ ...body, examples: [example] } as B);

const success = ({ description, schema, example, type = 'application/json', csv, headers }: Answer) => ({
  description,
  ...(headers ? { headers } : {}),
  ...(schema
    ? {
        content: {
          [type]: { schema, ...(example === undefined ? {} : { example }) },
          ...(csv === undefined ? {} : { 'text/csv': { schema: { type: 'string' }, example: csv } }),
        },
      }
    : { type: 'null' }),
});

/** One response a status, with an example a code. */
function problems(codes: HttpErrorCode[]): Record<string, unknown> {
  const byStatus = new Map<number, HttpErrorCode[]>();
  for (const code of codes) {
    const { status } = ERRORS[code];
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  return Object.fromEntries(
    [...byStatus].map(([status, those]) => [
      status,
      {
        description: those.map((code) => `\`${code}\`: ${ERRORS[code].title}`).join('. '),
        content: {
          'application/problem+json': {
            schema: Problem,
            examples: Object.fromEntries(
              those.map((code) => [code, { $ref: `#/components/examples/${code}` }]),
            ),
          },
        },
      },
    ]),
  );
}
