import fc from 'fast-check';
import { HttpProblem } from './problems.ts';
import { compileParams } from './source-schema.ts';
import { PARAMS } from './testing/params.ts';

const schema = compileParams(PARAMS);
const URLS = ['https://example.org/'];
const options = { allow: [] };

const problemOf = (run: () => unknown): HttpProblem => {
  try {
    run();
  } catch (error) {
    if (error instanceof HttpProblem) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
};

describe('the parameter schema of a source', () => {
  it('says in words what a pattern or a format refuses', () => {
    const region = {
      type: 'string',
      pattern: '^[A-Z]{2}$',
      description: 'A country; ISO 3166-1',
      examples: ['IN'],
    };
    const nested = compileParams({
      type: 'object',
      properties: {
        region,
        list: { type: 'array', items: { anyOf: [region, { type: 'number' }] } },
        at: { type: 'string', format: 'date-time', description: 'An instant' },
        bare: { type: 'string', pattern: '^a$' },
      },
    });
    const given = { region: 'ZZZ', list: [1, 'india'], at: 'soon', bare: 'b' };
    const { errors } = problemOf(() => nested.parse(given, { ...options, prefix: 'params' })).extras;
    const country = 'is not in its form: A country; ISO 3166-1. For example IN';
    expect(errors).toEqual([
      { field: 'params.region', message: country },
      { field: 'params.list.1', message: country },
      { field: 'params.at', message: 'is not in its form: An instant' },
      { field: 'params.bare', message: expect.stringMatching(/^is not in its form: must match pattern/) },
    ]);
  });

  it('fills in defaults, also below, and leaves what was given', () => {
    expect(schema.parse({ urls: URLS }, options)).toEqual({ urls: URLS, depth: 0, scope: 'host' });
    const given = { urls: URLS, depth: 3, scope: 'site', include: [] };
    expect(schema.parse(given, options)).toEqual(given);
    const nested = compileParams({
      type: 'object',
      properties: {
        limits: { type: 'object', default: {}, properties: { pages: { type: 'integer', default: 5 } } },
        list: {
          type: 'array',
          items: { type: 'object', properties: { n: { type: 'integer', default: 1 } } },
        },
      },
    });
    expect(nested.parse({ limits: {}, list: [{}, { n: 2 }] }, options)).toEqual({
      limits: { pages: 5 },
      list: [{ n: 1 }, { n: 2 }],
    });
  });

  it('does not share a default between jobs, nor change what it was given', () => {
    const shared = compileParams({ type: 'object', properties: { tags: { type: 'array', default: [] } } });
    (shared.parse({}, options)['tags'] as unknown[]).push('x');
    expect(shared.parse({}, options)).toEqual({ tags: [] });
    const given = Object.freeze({ urls: Object.freeze([...URLS]) });
    expect(schema.parse(given, options)).not.toBe(given);
  });

  it('refuses what it does not know, also where the schema does not say so', () => {
    const open = compileParams({ type: 'object', properties: { a: { type: 'string' } } });
    expect(problemOf(() => open.parse({ a: 'x', b: 1 }, options)).extras.errors).toEqual([
      { field: 'b', message: 'is not known' },
    ]);
  });

  it('names fields from where the client stands', () => {
    const { code, extras } = problemOf(() =>
      schema.parse({ urls: [1], depth: 1.5, scope: 'moon', more: 1 }, { allow: [], prefix: 'params' }),
    );
    expect(code).toBe('invalid_request');
    expect(extras.errors).toEqual([
      { field: 'params.more', message: 'is not known' },
      { field: 'params.urls.0', message: 'must be string' },
      { field: 'params.depth', message: 'must be integer' },
      { field: 'params.scope', message: 'must be one of host, site, prefix' },
    ]);
    expect(problemOf(() => schema.parse({}, options)).extras.errors).toEqual([
      { field: 'urls', message: 'is required' },
    ]);
  });

  it('reports at most so many URLs, each with its code', () => {
    const urls = Array.from({ length: 100 }, (_, i) => `ftp://example.org/${i}`);
    const { code, extras } = problemOf(() => schema.parse({ urls }, options));
    expect(code).toBe('scheme_not_allowed');
    expect(extras.errors).toHaveLength(20);
    expect(extras.errors?.[19]).toMatchObject({ field: 'urls.19', code: 'scheme_not_allowed' });
  });

  it('finds URLs in alternatives', () => {
    const either = compileParams({
      type: 'object',
      properties: {
        start: {
          anyOf: [
            { type: 'array', items: { type: 'string', format: 'http-url' } },
            { type: 'string', format: 'http-url' },
          ],
        },
      },
    });
    expect(problemOf(() => either.parse({ start: 'http://10.0.0.1/' }, options)).code).toBe(
      'blocked_address',
    );
    expect(problemOf(() => either.parse({ start: ['http://[::1]/'] }, options)).code).toBe('blocked_address');
  });

  it.each([
    [{ depth: '3' }, { depth: 3 }],
    [{ depth: 'three' }, 'depth'],
    [{ depth: '' }, 'depth'],
    [{ sitemaps: 'on' }, { sitemaps: true }],
    [{ sitemaps: 'FALSE' }, { sitemaps: false }],
    [{ sitemaps: 'maybe' }, 'sitemaps'],
    [{ either: 'true' }, { either: true }],
    [{ either: 'https://example.org/a' }, { either: ['https://example.org/a'] }],
    [
      { either: ['https://example.org/a', 'https://example.org/b'] },
      { either: ['https://example.org/a', 'https://example.org/b'] },
    ],
    [{ either: 'ftp://example.org/' }, 'either.0'],
    [{ include: 'a*' }, { include: ['a*'] }],
    [{ include: ['a*', 'b*'] }, { include: ['a*', 'b*'] }],
    [{ minBytes: '1e3' }, 'minBytes'],
    [{ minBytes: ['1', '2'] }, 'minBytes'],
  ])('reads a form: %j', (form, expected) => {
    const parse = () => schema.parse({ urls: 'https://example.org/', ...form }, { allow: [], form: true });
    if (typeof expected === 'string') expect(problemOf(parse).extras.errors?.[0]?.field).toBe(expected);
    else expect(parse()).toMatchObject({ urls: URLS, ...expected });
  });

  it('refuses anything else with a problem, never otherwise', () => {
    fc.assert(
      fc.property(fc.anything({ withNullPrototype: true }), fc.boolean(), (params, form) => {
        try {
          schema.parse(params, { allow: [], form });
        } catch (error) {
          expect(error).toBeInstanceOf(HttpProblem);
        }
      }),
    );
  });

  it('is itself bounded', () => {
    const properties = Object.fromEntries(
      Array.from({ length: 5000 }, (_, i) => [`property-${i}`, { type: 'string' }]),
    );
    expect(() => compileParams({ type: 'object', properties })).toThrow('too large');
    let deep: object = { type: 'string' };
    for (let i = 0; i < 40; i++) deep = { type: 'array', items: deep };
    expect(() => compileParams({ type: 'object', properties: { deep } })).toThrow('too deep');
    expect(() => compileParams({ type: 'array' })).toThrow('not one of an object');
  });
});
