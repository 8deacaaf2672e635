import { canonicalUrl, idOf } from '@magpie/domain';
import fc from 'fast-check';
import type { Detected, Row } from '../read/index.ts';
import { isFault, itemFields, targetColumn } from './fields.ts';
import { itemReader, type ItemRow } from './item-rows.ts';
import { Seen } from './seen.ts';
import { targetReader } from './target-rows.ts';

const OBJECTS: Detected = { format: 'ndjson', gzip: false, encoding: 'utf-8', header: true, columns: null };
const rowOf = (values: Row['values']): Row => ({ line: 7, end: 0, next: 8, values });

describe('a row as an item', () => {
  const reader = itemReader({ upload: 'x', as: 'items' }, OBJECTS, { video: ['title'] });
  const read = (row: Row) => reader(row, 3);

  test('whatever a row holds is an item with its identity, or a fault at its line', () => {
    const url = fc.oneof(fc.webUrl({ withFragments: true, withQueryParameters: true }), fc.string());
    fc.assert(
      fc.property(
        fc.dictionary(fc.string(), fc.jsonValue()),
        fc.option(fc.oneof(url, fc.jsonValue()), { nil: undefined }),
        (rest, address) => {
          const outcome = read(rowOf({ ...rest, ...(address === undefined ? {} : { url: address }) }));
          if (isFault(outcome)) {
            expect(outcome.line).toBe(7);
            return;
          }
          const item = outcome as ItemRow;
          expect(item.url).toBe(canonicalUrl(String(address ?? rest['url'])));
          expect(item).toMatchObject({ id: idOf(item.kind, item.url), row: 3 });
          expect(Object.getPrototypeOf(item.data)).toBe(Object.prototype);
          expect(item.data).not.toHaveProperty('url');
        },
      ),
    );
  });

  test('a name that would reach the prototype is refused, wherever it stands', () => {
    for (const text of [
      '{"url":"https://example.org/","__proto__":{"x":1}}',
      '{"url":"https://example.org/","data":{"__proto__":{"x":1}}}',
      '{"url":"https://example.org/","a":[{"b":{"__proto__":1}}]}',
    ])
      expect(read(rowOf(JSON.parse(text) as Row['values']))).toMatchObject({
        code: 'invalid_field',
        line: 7,
      });
  });

  test('a name that the driver of the database reads a meaning from is refused: the row, not the import', () => {
    for (const text of [
      '{"url":"https://example.org/","_bsontype":"ObjectId"}',
      '{"url":"https://example.org/","a":[{"_bsontype":"Long"}]}',
    ])
      expect(read(rowOf(JSON.parse(text) as Row['values']))).toMatchObject({ code: 'invalid_field' });
  });

  test('words of fields that are searched for are kept', () => {
    const row = rowOf({ url: 'https://example.org/', kind: 'video', title: 'Fast Bowling, fast' });
    expect(read(row)).toMatchObject({ terms: ['fast', 'bowling'] });
  });
});

describe('a row as a target', () => {
  const targets = { source: 's', most: 1, params: {}, schedule: null, warnings: [] };
  const options = { upload: 'x', as: 'targets' } as const;

  test.each([
    ['measured', { target: 'https://www.facebook.com/NASA/' }, 'nasa'],
    ['measured', { pages: 19_292_868_552 }, '19292868552'],
    ['listed', { url: 'HTTPS://Example.org/%7ea#x' }, 'https://example.org/~a'],
    ['one', { anything: ' #Sunset ' }, 'sunset'],
  ] as const)('%s: %j', (how, values, key) => {
    const read = targetReader({ ...options, targets: { ...targets, how, param: 'pages' } }, OBJECTS, {});
    expect(read(rowOf(values))).toMatchObject({ key });
  });

  test('a row without one, or with one that the source refuses, is a fault', () => {
    const params = { properties: { tag: { type: 'string', pattern: '^[a-z]+$' } } };
    const read = targetReader(
      { ...options, targets: { ...targets, how: 'one', param: 'tag' } },
      OBJECTS,
      params,
    );
    expect(read(rowOf({ a: 'x', b: 'y' }))).toMatchObject({ code: 'missing_value', column: 'target' });
    expect(read(rowOf({ tag: 'Two Words' }))).toMatchObject({ code: 'invalid_target', column: 'tag' });
  });

  test('why a source refuses one is told: by its own words, by the rule, by what is wrong with an address', () => {
    const why = (how: 'one' | 'listed', schema: object, text: string): unknown => {
      const params = { properties: { x: how === 'one' ? schema : { items: schema } } };
      const read = targetReader(
        { ...options, targets: { ...targets, how, param: 'x' } },
        OBJECTS,
        params as Record<string, unknown>,
      );
      return (read(rowOf({ x: text })) as { message: string }).message;
    };
    const tag = { type: 'string', pattern: '^[a-z]+$', maxLength: 5 };
    expect(why('one', { ...tag, description: 'A word' }, 'no tag')).toBe(
      'is not what the source takes: must not have more than 5 characters; it takes “A word”',
    );
    expect(why('one', tag, 'no!')).toBe('is not what the source takes: must match pattern "^[a-z]+$"');
    expect(why('listed', { type: 'string', format: 'http-url' }, 'example.org')).toBe(
      'not a valid URL: example.org',
    );
  });
});

describe('which column is which field', () => {
  const table = (...columns: string[]) => ({ ...OBJECTS, format: 'csv' as const, header: true, columns });
  const items = (columns: string[], mapping?: Record<string, string>) =>
    itemFields(
      { upload: 'x', as: 'items', ...(mapping && { mapping }) },
      table(...columns),
    )({}).map(({ field, column }) => `${field}=${column}`);

  test('an item’s own in any case, unless one bears the very name; any other as it is', () => {
    expect(items(['URL', 'Title', 'Kind'])).toEqual(['url=URL', 'Title=Title', 'kind=Kind']);
    expect(items(['URL', 'url'])).toEqual(['URL=URL', 'url=url']);
    expect(items(['Url', 'URL'])).toEqual(['url=Url', 'URL=URL']);
    expect(items(['Address', 'x'], { url: 'address' })).toEqual(['url=Address']);
    const objects = itemFields({ upload: 'x', as: 'items' }, OBJECTS);
    expect(objects({ URL: 'a', t: 1 })).toEqual([
      { field: 'url', column: 'URL' },
      { field: 't', column: 't' },
    ]);
  });

  test('a target’s in any case, unless one bears the very name', () => {
    const column = (...columns: string[]) =>
      targetColumn({ upload: 'x', as: 'targets' }, table(...columns))({});
    expect(column('x', 'URL')).toBe('URL');
    expect(column('Target', 'url')).toBe('url');
    expect(() => column('x', 'y')).toThrow('say in `mapping` which it is');
  });
});

test('what came by is known again', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(3000), { minLength: 3000, maxLength: 5000 }), (numbers) => {
      const seen = new Seen();
      const known = new Set<number>();
      const first = numbers.map((number) => known.size < known.add(number).size);
      expect(numbers.map((number) => seen.add(idOf(String(number))))).toEqual(first);
    }),
    { numRuns: 20 },
  );
});
