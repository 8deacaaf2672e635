/** The frame of the OpenAPI document, and how what the routes declare becomes one with named components. */
import {
  AddCompany,
  ChangeCredential,
  Company,
  Coverage,
  CreateCredential,
  CreateJob,
  CreateTask,
  Credential,
  DeadLetter,
  ERRORS,
  FanChart,
  FanPages,
  FanPoints,
  FanRow,
  Gap,
  Image,
  ImagesTask,
  Item,
  Job,
  JobControl,
  JobError,
  NewUpload,
  Plan,
  Problem,
  Readiness,
  Run,
  Schedule,
  Source,
  Target,
  Text,
  TextTask,
  UploadJob,
  Video,
  type HttpErrorCode,
} from '@magpie/contracts';
import type { TSchema } from 'typebox';
import { HttpProblem, problemDocument } from './problems.ts';
import { TAGS } from './route-doc.ts';

const COMPONENTS = {
  AddCompany,
  ChangeCredential,
  Company,
  Coverage,
  CreateCredential,
  CreateJob,
  CreateTask,
  Credential,
  DeadLetter,
  FanChart,
  FanPages,
  FanPoints,
  FanRow,
  Gap,
  Image,
  ImagesTask,
  Item,
  Job,
  JobControl,
  JobError,
  NewUpload,
  Plan,
  Problem,
  Readiness,
  Run,
  Schedule,
  Source,
  Target,
  Text,
  TextTask,
  UploadJob,
  Video,
} as const satisfies Record<string, TSchema>;

const table = (rows: string[][]): string => rows.map((row) => `| ${row.join(' | ')} |`).join('\n');

/** Every code, those of routes first. */
function codesAsMarkdown(): string {
  const entries = Object.entries(ERRORS) as [string, { status?: number; title: string; help: string }][];
  const row = ([code, { status, title, help }]: (typeof entries)[number]) => [
    `\`${code}\``,
    status === undefined ? '' : String(status),
    title,
    help,
  ];
  const head = [
    ['code', 'status', 'what', 'what to do'],
    ['---', '---', '---', '---'],
  ];
  return [
    table([...head, ...entries.filter(([, { status }]) => status !== undefined).map(row)]),
    '',
    'On jobs and their errors:',
    '',
    table([...head, ...entries.filter(([, { status }]) => status === undefined).map(row)]),
  ].join('\n');
}

const DESCRIPTION = `Give it a job, it fetches, keeps each thing once, and serves what it kept.

**Errors** are problem documents (RFC 9457, \`application/problem+json\`) with a stable \`code\`; \`instance\` is the request's id, as in the logs.

**Lists** take \`limit\` and \`cursor\`; \`next\` in the body, and a \`Link\` header with \`rel="next"\`, lead to the following page.

**Idempotency-Key** on a POST that makes a job, adds a key of a provider or adds a company: of any number of requests with one key and one body, one has the effect, and all are answered alike. A replayed answer bears \`Idempotent-Replayed: true\`; another body is 409. A name that is taken is 409 too.

**A key** is needed when the operator has set one: as \`Authorization: Bearer …\`, as \`X-API-Key\`, or as the password of HTTP Basic.

## Codes

${codesAsMarkdown()}
`;

/** A problem document a code, as a route answers it. */
const problemExamples = (base: string) =>
  Object.fromEntries(
    Object.entries(ERRORS)
      .filter(([, error]) => 'status' in error)
      .map(([code, { title }]) => [
        code,
        { summary: title, value: problemDocument(base, new HttpProblem(code as HttpErrorCode)) },
      ]),
  );

/** What the document says before any route. */
export const openapiFrame = (base: string) => ({
  openapi: '3.1.0',
  info: {
    title: 'Magpie',
    version: '0.1.0',
    description: DESCRIPTION,
    license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
  },
  servers: [{ url: base, description: 'Where nginx is' }],
  tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
  security: [{}, { bearer: [] }, { apiKey: [] }, { basic: [] }],
  components: {
    examples: problemExamples(base),
    securitySchemes: {
      bearer: { type: 'http' as const, scheme: 'bearer' },
      apiKey: { type: 'apiKey' as const, in: 'header' as const, name: 'X-API-Key' },
      basic: { type: 'http' as const, scheme: 'basic', description: 'Any user name; the key as password' },
    },
  },
});

const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

/** Schemas of contracts become components, wherever they stand. */
export function withComponents(document: Record<string, unknown>): Record<string, unknown> {
  const named = new Map(
    Object.entries(COMPONENTS).map(([name, schema]) => [(schema as { title?: string }).title, name]),
  );
  const refer = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(refer);
    if (typeof value !== 'object' || value === null) return value;
    const { title, type } = value as { title?: unknown; type?: unknown };
    const name = type === 'object' && typeof title === 'string' ? named.get(title) : undefined;
    if (name !== undefined) return { $ref: `#/components/schemas/${name}` };
    return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, refer(part)]));
  };
  const inside = (schema: unknown) =>
    Object.fromEntries(Object.entries(plain(schema) as object).map(([key, part]) => [key, refer(part)]));
  const { components, paths, ...rest } = plain(document) as {
    components: Record<string, unknown>;
    paths: Record<string, unknown>;
  };
  const sorted = Object.entries(paths).sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    ...rest,
    paths: refer(Object.fromEntries(sorted)),
    components: {
      ...components,
      schemas: Object.fromEntries(Object.entries(COMPONENTS).map(([name, schema]) => [name, inside(schema)])),
    },
  };
}
