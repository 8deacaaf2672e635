import { ERRORS } from '@magpie/contracts';
import { Compile } from 'typebox/compile';
import { openapiDocument } from './openapi.ts';

type Json = Record<string, unknown>;

interface Media {
  schema?: Json;
  example?: unknown;
  examples?: Record<string, Json>;
}

interface Operation {
  summary?: string;
  description?: string;
  tags?: string[];
  parameters?: { name: string; in: string; required?: boolean; schema?: Json }[];
  requestBody?: { content: Record<string, Media> };
  responses: Record<string, { description?: string; headers?: Json; content?: Record<string, Media> }>;
}

const METHODS = new Set(['get', 'put', 'post', 'delete', 'options', 'head', 'patch', 'trace']);
const PROBLEM = 'application/problem+json';

const document = (await openapiDocument()) as {
  openapi: string;
  info: { title: string; version: string; description: string };
  tags: { name: string }[];
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Json>; examples: Record<string, Json>; securitySchemes: Json };
};

const operations = Object.entries(document.paths).flatMap(([path, item]) =>
  Object.entries(item).map(
    ([method, operation]) => [`${method.toUpperCase()} ${path}`, path, method, operation] as const,
  ),
);

/** Every object within, with its place. */
function* within(value: unknown, place = '#'): Generator<[string, Json]> {
  if (typeof value !== 'object' || value === null) return;
  if (!Array.isArray(value)) yield [place, value as Json];
  for (const [key, part] of Object.entries(value)) yield* within(part, `${place}/${key}`);
}

const pointedAt = (pointer: string): unknown =>
  pointer
    .slice(2)
    .split('/')
    .reduce<unknown>((value, key) => (value as Json | undefined)?.[key], document);

/** With references replaced, for the validator. */
const whole = (schema: unknown): unknown => {
  if (Array.isArray(schema)) return schema.map(whole);
  if (typeof schema !== 'object' || schema === null) return schema;
  const { $ref } = schema as { $ref?: string };
  return $ref === undefined
    ? Object.fromEntries(Object.entries(schema).map(([key, part]) => [key, whole(part)]))
    : whole(pointedAt($ref));
};

const takesAnyType = ({ requestBody }: Operation): boolean =>
  requestBody?.content['application/octet-stream'] !== undefined;

const faults = (schema: Json | undefined, example: unknown): unknown[] =>
  Compile(whole(schema) as never).Errors(example);

describe('the OpenAPI document', () => {
  it('is one of OpenAPI 3.1', () => {
    expect(document.openapi).toBe('3.1.0');
    expect(document.info.title).not.toBe('');
    expect(document.info.version).toMatch(/^\d+\.\d+\.\d+$/);
    for (const [path, item] of Object.entries(document.paths)) {
      expect(path).toMatch(/^\//);
      for (const method of Object.keys(item)) expect(METHODS).toContain(method);
    }
    for (const name of Object.keys(document.components.schemas)) expect(name).toMatch(/^[\w.-]+$/);
    const [, , , any] = operations[0] ?? [];
    expect(any).toBeDefined();
  });

  it('refers to nothing that is not there', () => {
    for (const [place, { $ref }] of within(document))
      if (typeof $ref === 'string')
        expect([place, $ref, pointedAt($ref) === undefined]).toEqual([place, $ref, false]);
  });

  it('has schemas as JSON Schema 2020-12 writes them', () => {
    for (const [place, node] of within(document.components.schemas)) {
      expect([place, 'nullable' in node && typeof node['nullable'] === 'boolean']).toEqual([place, false]);
      if (Array.isArray(node['required'])) {
        const properties = Object.keys((node['properties'] as Json | undefined) ?? {});
        for (const name of node['required'] as string[])
          expect([place, properties]).toEqual([place, expect.arrayContaining([name])]);
      }
    }
  });

  it('names every code, with what to do', () => {
    for (const [code, { help }] of Object.entries(ERRORS)) {
      expect(document.info.description).toContain(`\`${code}\``);
      expect(document.info.description).toContain(help);
    }
  });

  it('has an example for every code that a route answers', () => {
    const routes = Object.entries(ERRORS).filter(([, error]) => 'status' in error);
    expect(Object.keys(document.components.examples).sort()).toEqual(routes.map(([code]) => code).sort());
    for (const example of Object.values(document.components.examples))
      expect(faults(document.components.schemas['Problem'], example['value'])).toEqual([]);
  });

  describe.each(operations)('%s', (_name, path, _method, operation) => {
    it('says what it does', () => {
      expect(operation.summary).toMatch(/^[A-Z][^.]+$/);
      expect(operation.description).toMatch(/\.$/);
      expect(operation.tags).toHaveLength(1);
      expect(document.tags.map(({ name }) => name)).toContain(operation.tags?.[0]);
    });

    it('names its parameters', () => {
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      const parameters = operation.parameters ?? [];
      expect(parameters.filter((one) => one.in === 'path').map(({ name }) => name)).toEqual(inPath);
      for (const parameter of parameters) {
        expect(parameter.schema).toBeDefined();
        if (parameter.in === 'path') expect(parameter.required).toBe(true);
      }
    });

    it('shows valid examples of what it takes and gives', () => {
      const successes = Object.entries(operation.responses).filter(([status]) => /^[23]/.test(status));
      expect(successes.length).toBeGreaterThan(0);
      const media = [
        ...Object.values(operation.requestBody?.content ?? {}),
        ...successes.flatMap(([, { content = {} }]) => Object.values(content)),
      ];
      const inHeaders = ([status, { headers }]: (typeof successes)[number]): boolean =>
        /^(204|3..)$/.test(status) || headers !== undefined;
      expect(media.length > 0 || successes.every(inHeaders)).toBe(true);
      for (const { schema, example } of media) {
        expect(example).toBeDefined();
        expect(faults(schema, example)).toEqual([]);
      }
    });

    it('lists its errors, as problem documents', () => {
      const errors = Object.entries(operation.responses).filter(([status]) => !/^[23]/.test(status));
      expect(errors.map(([status]) => status)).toEqual(expect.arrayContaining(['429', '500', '503']));
      if (path.includes('{')) expect(operation.responses['404']).toBeDefined();
      if (operation.requestBody)
        expect(Object.keys(operation.responses)).toEqual(
          expect.arrayContaining(takesAnyType(operation) ? ['400', '413'] : ['400', '413', '415']),
        );
      for (const [status, { description, content }] of errors) {
        if (path === '/readyz' && status === '503') {
          expect(content?.['application/json']?.schema).toEqual({ $ref: '#/components/schemas/Readiness' });
          continue;
        }
        const { schema, examples = {} } = content?.[PROBLEM] ?? {};
        expect(schema).toEqual({ $ref: '#/components/schemas/Problem' });
        expect(Object.keys(examples).length).toBeGreaterThan(0);
        for (const code of Object.keys(examples)) {
          expect(description).toContain(`\`${code}\``);
          expect((ERRORS as Record<string, { status?: number }>)[code]?.status).toBe(Number(status));
        }
      }
    });
  });
});
