import { matcher, searchable } from './search-terms.ts';

const text = searchable('Cricket: India & Pakistan, "catch of the season" #12', 'カササギ 観察');

test.each([
  ['', true],
  ['cricket', true],
  ['CRICKET', true],
  ['crick', false],
  ['cricket india', true],
  ['cricket norway', false],
  ['norway|india', true],
  ['norway | india', true],
  ['norway|peru', false],
  ['cricket -india', false],
  ['cricket -norway', true],
  ['norway|cricket -pakistan', false],
  ['norway|cricket -peru', true],
  ['"catch of the season"', true],
  ['"season of the catch"', false],
  ['-cricket', false],
  ['カササギ', true],
  ['-', true],
])('q=%s matches: %s', (q, expected) => {
  expect(matcher(q)(text)).toBe(expected);
});
