import fc from 'fast-check';
import { largestCandidate, parseSrcset, sourceSet } from './srcset.ts';
import type { SrcsetCandidate } from './srcset.ts';

const table: [title: string, input: string, expected: SrcsetCandidate[]][] = [
  ['nothing', '', []],
  ['only separators', ' ,, ,\t\n', []],
  ['no descriptor', 'a.jpg', [{ url: 'a.jpg' }]],
  ['surrounded by white space', '\n\t a.jpg \f', [{ url: 'a.jpg' }]],
  [
    'widths',
    'a.jpg 100w, b.jpg 200w',
    [
      { url: 'a.jpg', width: 100 },
      { url: 'b.jpg', width: 200 },
    ],
  ],
  [
    'densities',
    'a 1x,b 1.5x ,c .5x, d 2e1x',
    [
      { url: 'a', density: 1 },
      { url: 'b', density: 1.5 },
      { url: 'c', density: 0.5 },
      { url: 'd', density: 20 },
    ],
  ],
  ['a comma inside a URL', 'a,b.jpg 2x', [{ url: 'a,b.jpg', density: 2 }]],
  ['a comma without space belongs to the URL', 'a.jpg,b.jpg', [{ url: 'a.jpg,b.jpg' }]],
  [
    'a comma at the end of a URL ends it',
    'a.jpg, b.jpg 2x',
    [{ url: 'a.jpg' }, { url: 'b.jpg', density: 2 }],
  ],
  ['many commas at the end', 'a.jpg,,,, 2x', [{ url: 'a.jpg' }, { url: '2x' }]],
  ['leading commas', ',,a.jpg 1x', [{ url: 'a.jpg', density: 1 }]],
  [
    'comma after descriptor without space',
    'a 1x,b 2x',
    [
      { url: 'a', density: 1 },
      { url: 'b', density: 2 },
    ],
  ],
  ['a data: URL', 'data:,a 1x', [{ url: 'data:,a', density: 1 }]],
  [
    'data: with base64',
    'data:image/png;base64,AA== 2x, b 3x',
    [
      { url: 'data:image/png;base64,AA==', density: 2 },
      { url: 'b', density: 3 },
    ],
  ],
  ['parentheses protect commas, and are an error', 'a (1x, b) 2x, c 3x', [{ url: 'c', density: 3 }]],
  ['parentheses that never close', 'a (1x, b 2x', []],
  ['a parenthesis closes once', 'a ((1x), b 2x), c', [{ url: 'b', density: 2 }, { url: 'c' }].slice(1)],
  ['width and density', 'a 1w 1x, b', [{ url: 'b' }]],
  ['two widths', 'a 1w 2w', []],
  ['two densities', 'a 1x 2x', []],
  ['zero width', 'a 0w', []],
  ['zero density', 'a 0x', [{ url: 'a', density: 0 }]],
  ['negative zero density', 'a -0x', [{ url: 'a', density: 0 }]],
  ['negative density', 'a -1x', []],
  ['negative width', 'a -1w', []],
  ['plus signs', 'a +1x, b +1w', []],
  ['fraction of a width', 'a 1.5w', []],
  ['exponent of a width', 'a 1e3w', []],
  ['a point without digits', 'a 1.x, b .x', []],
  ['a density that is no number', 'a x, b NaNx, c Infinityx, d 0x1x', []],
  ['a density too great for a number', 'a 1e999x', []],
  ['upper case units', 'a 1W, b 1X', []],
  ['unknown descriptor', 'a 1y', []],
  ['width with height', 'a 10w 20h', [{ url: 'a', width: 10, height: 20 }]],
  ['height with width', 'a 20h 10w', [{ url: 'a', width: 10, height: 20 }]],
  ['height alone', 'a 20h', []],
  ['height with density', 'a 20h 1x', []],
  ['density with height', 'a 1x 20h', []],
  ['two heights', 'a 1w 2h 3h', []],
  ['zero height', 'a 1w 0h', []],
  ['non-breaking space is no white space', 'a\u00a01x', [{ url: 'a\u00a01x' }]],
  ['vertical tab is no white space', 'a\u000b1x', [{ url: 'a\u000b1x' }]],
  ['descriptor in parentheses glued to a unit', 'a x(,)y 1w, b', [{ url: 'b' }]],
  [
    'only the faulty candidate is dropped',
    'a 1w, b zz, c 3w',
    [
      { url: 'a', width: 1 },
      { url: 'c', width: 3 },
    ],
  ],
];

test.each(table)('srcset: %s', (_title, input, expected) => {
  expect(parseSrcset(input)).toEqual(expected);
});

const url = fc
  .string({ minLength: 1, unit: fc.constantFrom(...'abc/.?=&%,()-_~#éü日') })
  .filter((value) => !value.startsWith(',') && !value.endsWith(','));
const space = fc.string({ minLength: 1, maxLength: 3, unit: fc.constantFrom(' ', '\t', '\n', '\r', '\f') });
const candidate = fc.oneof(
  fc.record({ url }),
  fc.record({ url, width: fc.integer({ min: 1, max: 99_999 }) }),
  fc.record({ url, density: fc.integer({ min: 0, max: 999 }).map((value) => value / 10) }),
  fc.record({ url, width: fc.integer({ min: 1, max: 9_999 }), height: fc.integer({ min: 1, max: 9_999 }) }),
);

function written(one: SrcsetCandidate, gap: string): string {
  const parts = [one.url];
  if (one.width !== undefined) parts.push(`${one.width}w`);
  if (one.density !== undefined) parts.push(`${one.density}x`);
  if (one.height !== undefined) parts.push(`${one.height}h`);
  return parts.join(gap);
}

test('what is written down is read back, whatever the white space', () => {
  fc.assert(
    fc.property(
      fc.array(candidate, { maxLength: 8 }),
      space,
      space,
      (candidates: SrcsetCandidate[], gap, after) => {
        const text = candidates.map((one) => written(one, gap)).join(`,${after}`);
        expect(parseSrcset(gap + text + after)).toEqual(candidates);
      },
    ),
  );
});

test('any string gives URLs without white space or closing commas, and numbers in range', () => {
  const soup = fc.string({ unit: fc.constantFrom(...'ab1290.,()xwhe+- \n'), maxLength: 80 });
  fc.assert(
    fc.property(fc.oneof(soup, fc.string({ unit: 'binary' })), (text) => {
      for (const one of parseSrcset(text)) {
        expect(one.url).toMatch(/^[^ \t\n\r\f,]([^ \t\n\r\f]*[^ \t\n\r\f,])?$/);
        expect(text).toContain(one.url);
        expect(one.width ?? 1).toBeGreaterThan(0);
        expect(one.density ?? 0).toBeGreaterThanOrEqual(0);
        expect(one.width === undefined || one.density === undefined).toBe(true);
      }
    }),
  );
});

test('the largest candidate', () => {
  const largest = (srcset: string) => largestCandidate(parseSrcset(srcset))?.url;
  expect(largest('')).toBeUndefined();
  expect(largest('a 100w, b 300w, c 200w')).toBe('b');
  expect(largest('a, b 2x, c 1.5x')).toBe('b');
  expect(largest('a .5x, b')).toBe('b');
  expect(largest('a 1x, b 1x')).toBe('a');
  expect(largest('a 9x, b 10w')).toBe('b');
});

test('the src is a candidate of density 1, unless there are widths or another', () => {
  const urls = (srcset: string, src: string) => sourceSet(parseSrcset(srcset), src).map((one) => one.url);
  expect(urls('', 's')).toEqual(['s']);
  expect(urls('b 2x', 's')).toEqual(['b', 's']);
  expect(urls('b 1x', 's')).toEqual(['b']);
  expect(urls('b', 's')).toEqual(['b']);
  expect(urls('b 20w', 's')).toEqual(['b']);
  expect(urls('b 2x', '')).toEqual(['b']);
});
