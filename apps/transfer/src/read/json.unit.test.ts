import fc from 'fast-check';
import { JsonReader } from './json.ts';
import { whereBroken } from './json-syntax.ts';
import { NdjsonReader } from './ndjson.ts';
import { MAX_DEPTH } from './object.ts';
import { START, type BadRow, type Row } from './row.ts';

const LIMITS = { maxColumns: 10, maxCell: 50, maxLine: 1000 };
const READERS = { json: JsonReader, ndjson: NdjsonReader };

interface Outcome {
  rows: (Row | BadRow)[];
  fault?: string;
}

function read(
  format: keyof typeof READERS,
  text: string | Buffer,
  { limits = LIMITS, sizes = [Infinity], from = START } = {},
): Outcome {
  const reader = new READERS[format](limits, from);
  const bytes = Buffer.from(text);
  try {
    for (let at = 0, i = 0; at < bytes.length; i++) {
      const size = sizes[i % sizes.length]!;
      reader.take(bytes.subarray(at, at + size));
      at += size;
    }
    reader.finish();
  } catch (error) {
    return { rows: reader.rows, fault: (error as Error).message };
  }
  return { rows: reader.rows };
}

const told = ({ rows, fault }: Outcome) => [
  ...rows.map((row) =>
    'fault' in row
      ? `${row.line}: ${row.fault.code} ${row.fault.column}`
      : `${row.line}: ${JSON.stringify(row.values)}`,
  ),
  ...(fault === undefined ? [] : [fault]),
];

describe('NDJSON', () => {
  it('whole numbers that a double may not hold are kept as text, digit by digit', () => {
    const text =
      '{"a":10158921341234567891,"b":[-9007199254740993, 1],"c":{"d":\t9007199254740992},"e":9007199254740991,"f":"10158921341234567891","g":1234567890.125000000000000000,"h":1e30}';
    const values = {
      a: '10158921341234567891',
      b: ['-9007199254740993', 1],
      c: { d: '9007199254740992' },
      e: 9007199254740991,
      f: '10158921341234567891',
      g: 1234567890.125,
      h: 1e30,
    };
    expect(read('ndjson', text).rows).toMatchObject([{ values }]);
    expect(read('json', `[${text}]`).rows).toMatchObject([{ values }]);
    expect(told(read('ndjson', `{"a":${'1'.repeat(51)}}`))).toEqual(['1: cell_too_long a']);
  });

  it('a line is an object, or bad; blank lines are passed over', () => {
    const text = '{"a":1}\r\n\n  \n[1]\n"x"\nnull\n{"a":}\n {"b": {"c": [1, "é"]}} \n{"a":1}';
    expect(told(read('ndjson', text))).toEqual([
      '1: {"a":1}',
      '4: bad_json null',
      '5: bad_json null',
      '6: bad_json null',
      '7: bad_json null',
      '8: {"b":{"c":[1,"é"]}}',
      '9: {"a":1}',
    ]);
    const faults = read('ndjson', text).rows.flatMap((row) => ('fault' in row ? [row.fault.message] : []));
    expect(faults).toEqual([
      'An array where an object is expected',
      'A string where an object is expected',
      'null where an object is expected',
      'Not valid JSON: unexpected "}" at character 6',
    ]);
  });

  it('limits', () => {
    const deep = (levels: number) => `{"a":${'['.repeat(levels - 1)}${']'.repeat(levels - 1)}}`;
    const wide = JSON.stringify(Object.fromEntries(Array.from({ length: 11 }, (_, i) => [`k${i}`, i])));
    const lines = [
      '{"a":1}',
      `{"a":"${'x'.repeat(51)}"}`,
      `{"a":1,"b":[{"c":"${'x'.repeat(51)}"}]}`,
      wide,
      deep(MAX_DEPTH),
      deep(MAX_DEPTH + 1),
      `{"a":"${'x'.repeat(1000)}"}`,
      '{"b":2}',
    ];
    const expected = [
      '1: {"a":1}',
      '2: cell_too_long a',
      '3: cell_too_long b',
      '4: too_many_columns null',
      `5: ${deep(MAX_DEPTH)}`,
      '6: too_deep a',
      '7: line_too_long null',
      '8: {"b":2}',
    ];
    for (const sizes of [[Infinity], [1], [7]])
      expect(told(read('ndjson', lines.join('\n'), { sizes }))).toEqual(expected);
    // Told before it is parsed, so without the field.
    const inArray = expected.map((line) => line.replace('too_deep a', 'too_deep null'));
    expect(told(read('json', `[${lines.join(',\n')}]`))).toEqual(inArray);
  });

  it('brackets within strings are no levels, in long texts neither', () => {
    const limits = { maxColumns: 10, maxCell: 1e6, maxLine: 1e6 };
    const object = { a: `"${'[{'.repeat(50_000)}\\`, b: '"[' };
    expect(told(read('ndjson', JSON.stringify(object), { limits }))).toEqual([
      `1: ${JSON.stringify(object)}`,
    ]);
  });

  it('a field called __proto__ is a fault at any depth, and touches no prototype', () => {
    const outcome = read('ndjson', '{"__proto__":{"x":1}}\n{"a":{"\\u005f_proto__":1}}\n{"constructor":1}\n');
    expect(told(outcome)).toEqual(['1: bad_name __proto__', '2: bad_name a', '3: {"constructor":1}']);
    expect(({} as Record<string, unknown>).x).toBeUndefined();
  });

  it('what the encoding does not allow is bad', () => {
    const text = Buffer.concat([
      Buffer.from('{"a":"é"}\n{"a":"'),
      Buffer.from([0xe9]),
      Buffer.from('"}\n{"a":"\ufffd"}'),
    ]);
    for (const format of ['ndjson', 'json'] as const) {
      const array = Buffer.from(`[${text.toString('latin1').replaceAll('\n', ',\n')}]`, 'latin1');
      expect(told(read(format, format === 'json' ? array : text))).toEqual([
        '1: {"a":"é"}',
        '2: bad_encoding null',
        '3: {"a":"\ufffd"}',
      ]);
    }
  });
});

describe('a JSON array', () => {
  it.each([
    ['empty', ' [ ] \n', []],
    ['objects', '[{"a":1},{"b":[1,{"c":"]"}]}]', ['1: {"a":1}', '1: {"b":[1,{"c":"]"}]}']],
    ['over lines', '[\n{\n"a":1\n}\n,\n\n{"b":2}\n]\n', ['2: {"a":1}', '7: {"b":2}']],
    [
      'quotes and backslashes',
      '[{"a":"\\"],[{\\\\"},{"b":"\\\\"}]',
      ['1: {"a":"\\"],[{\\\\"}', '1: {"b":"\\\\"}'],
    ],
    [
      'others than objects',
      '[1,"a,]",null,[2,[3]],{"a":1}]',
      [...Array<string>(4).fill('1: bad_json null'), '1: {"a":1}'],
    ],
    ['an escaped line break', '[{"a":"x\\\n"},\n{"b":1}]', ['1: bad_json null', '3: {"b":1}']],
    ['a broken element', '[{"a":},{"b":[1},{"c":3}]', ['1: bad_json null', '1: bad_json null', '1: {"c":3}']],
    ['a missing comma', '[{"a":1} {"b":2},{"c":3}]', ['1: bad_json null', '1: {"c":3}']],
    ['no end', '[{"a":1},\n{"b":2}', ['1: {"a":1}', '2: {"b":2}', expect.stringContaining('ends too early')]],
    [
      'an end within an element',
      '[{"a":1},{"b":2',
      ['1: {"a":1}', expect.stringContaining('ends too early')],
    ],
    ['an end within a string', '[{"a":1},"}', ['1: {"a":1}', expect.stringContaining('ends too early')]],
    [
      'something after it',
      '[{"a":1}]\n{"b":2}',
      ['1: {"a":1}', expect.stringContaining('in line 2, byte 11')],
    ],
    ['no array', '{"a":1}', [expect.stringContaining('no JSON array')]],
    ['a comma too many', '[{"a":1},]', ['1: {"a":1}', expect.stringContaining('is missing')]],
    ['a comma first', '[,{"a":1}]', [expect.stringContaining('is missing')]],
    ['a bracket too many', '[{"a":1]}]', [expect.stringContaining('not opened')]],
  ])('%s', (_, text, expected) => {
    for (const sizes of [[Infinity], [1], [3]]) expect(told(read('json', text, { sizes }))).toEqual(expected);
  });

  it('an element longer than may be held is bad, and the next is read', () => {
    const text = `[{"a":1},\n{"b":"${'],'.repeat(2000)}"},\n{"c":3}]`;
    for (const sizes of [[Infinity], [100]])
      expect(told(read('json', text, { sizes }))).toEqual([
        '1: {"a":1}',
        '2: line_too_long null',
        '3: {"c":3}',
      ]);
  });
});

const value = fc
  .object({ maxDepth: 3, maxKeys: 4 })
  .filter((object) => !JSON.stringify(object).includes('__proto__'));
const values = fc.array(value, { maxLength: 8 });
const broken = fc.array(
  fc.constantFrom('{', '}', '[', ']', ',', ':', '"', '\\', '"a"', '{"a":1}', '1', 'null', '\n', ' ', 'é'),
  { maxLength: 40 },
);
const wide = { limits: { maxColumns: 100, maxCell: 10_000, maxLine: 100_000 } };

const longAsText = (_: string, value: unknown): unknown =>
  Number.isInteger(value) && !Number.isSafeInteger(value) && /^-?\d+$/.test(String(value))
    ? String(value)
    : value;

describe('properties', () => {
  it('any objects are read back equal, and from the end of each the rest', () => {
    fc.assert(
      fc.property(values, fc.constantFrom(0, 1), (objects, indent) => {
        const plain = JSON.parse(JSON.stringify(objects), longAsText) as object[];
        const texts = {
          json: JSON.stringify(plain, null, indent),
          ndjson: plain.map((object) => `${JSON.stringify(object)}\n`).join(''),
        };
        for (const format of ['json', 'ndjson'] as const) {
          const { rows, fault } = read(format, texts[format], wide);
          expect(fault).toBeUndefined();
          expect(rows.map((row) => 'values' in row && row.values)).toEqual(plain);
          rows.forEach((row, i) => {
            const rest = Buffer.from(texts[format]).subarray(row.end);
            const from = { end: row.end, line: row.next };
            expect(read(format, rest, { ...wide, from }).rows).toEqual(rows.slice(i + 1));
          });
        }
      }),
      { numRuns: 150 },
    );
  });

  it('rubbish ends in rows, bad rows or a fault, the same however it is cut', () => {
    fc.assert(
      fc.property(broken, fc.integer({ min: 1, max: 5 }), fc.boolean(), (parts, size, array) => {
        const text = (array ? '[' : '') + parts.join('');
        for (const format of ['json', 'ndjson'] as const) {
          const limits = { maxColumns: 2, maxCell: 5, maxLine: 15 };
          expect(read(format, text, { limits, sizes: [size] })).toEqual(read(format, text, { limits }));
        }
      }),
      { numRuns: 1500 },
    );
  });

  it('the place of a fault is where valid JSON ends', () => {
    fc.assert(
      fc.property(broken, (parts) => {
        const text = parts.join('');
        let valid = true;
        try {
          JSON.parse(text);
        } catch {
          valid = false;
        }
        expect(whereBroken(text) === 'no fault found').toBe(valid);
      }),
      { numRuns: 1500 },
    );
  });

  it.each([
    ['', 'it ends too early, after character 0'],
    ['{"a":1', 'it ends too early, after character 6'],
    ['{a:1}', 'unexpected "a" at character 2'],
    ['{"a":01}', 'unexpected "0" at character 6'],
    ['{"a":"\\x"}', 'unexpected "x" at character 8'],
    ['{"a":"\n"}', 'unexpected "\\n" at character 7'],
    ['{"a":"\\u12g4"}', 'unexpected "g" at character 11'],
    ['{"a":"x}', 'the string that begins at character 6 does not end'],
    ['{"a":1}}', 'unexpected "}" at character 8'],
    ['{"a":1,}', 'unexpected "}" at character 8'],
    ['\0', 'unexpected "\\u0000" at character 1'],
  ])('%j: %s', (text, expected) => {
    expect(whereBroken(text)).toBe(expected);
  });
});
