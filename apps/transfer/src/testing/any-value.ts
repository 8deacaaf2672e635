/** For tests: whatever an item may hold. */
import fc from 'fast-check';

/** Any character of Unicode. What fast-check has for it takes two seconds and 200 MB to set up. */
const character = fc
  .oneof(fc.integer({ min: 0, max: 0xd7ff }), fc.integer({ min: 0xe000, max: 0x10ffff }))
  .map((point) => String.fromCodePoint(point));

/** Any UTF-16, halves of pairs among it; any Unicode; what means something to a format. */
export const text = fc.oneof(
  fc
    .array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 12 })
    .map((units) => String.fromCharCode(...units)),
  fc.array(character, { maxLength: 20 }).map((characters) => characters.join('')),
  fc.string({ unit: 'grapheme', maxLength: 20 }),
  fc.stringMatching(/^[=+@,;"'\t\r\n _x0-9A-F<>&-]{0,12}$/),
  fc.constantFrom(
    '',
    ' ',
    '_x0041_',
    '_x005F_',
    ']]>',
    '\ufeff',
    '\u0000',
    '-5',
    '+49 30 1',
    '=1+1',
    '\r\n',
    '""',
  ),
);

export const nested = fc.oneof(
  fc.array(fc.jsonValue({ maxDepth: 2 }), { maxLength: 3 }),
  fc.dictionary(fc.string({ maxLength: 6 }), fc.jsonValue({ maxDepth: 2 }), { maxKeys: 3 }),
);

export const number = fc.oneof(
  fc.integer(),
  fc.maxSafeInteger(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.constantFrom(-0, 5e-324, Number.MAX_VALUE, 2 ** 60, 0.1, 1e21, -5),
);

export const instant = fc.date({ min: new Date(-8.64e15), max: new Date(8.64e15), noInvalidDate: true });

export const nothing = fc.constantFrom(null, undefined);

export const value = fc.oneof(text, nested, number, instant, nothing, fc.boolean());

/** Rows of fields that hold anything, each with an `id`. */
export const rows = fc.array(fc.record({ a: value, b: value, c: value }), { maxLength: 8 });
