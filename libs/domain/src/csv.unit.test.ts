import fc from 'fast-check';
import { csvRecord, harmlessText, originalText } from './csv.ts';

test('quotes what holds a separator, a quote or either half of a line break, and nothing else', () => {
  expect(csvRecord(['a,b', 'a"b', 'a\rb', 'a\nb', 'a;=1+1', 'a\tb', ' a b ', 'a'])).toBe(
    '"a,b","a""b","a\rb","a\nb","a;=1+1","a\tb", a b ,a\r\n',
  );
});

test('writes values as they are told, and nothing for null', () => {
  expect(csvRecord([1.5, -5, 12345678901234567890n, true, false, null, ''])).toBe(
    '1.5,-5,12345678901234567890,true,false,,\r\n',
  );
});

test('a record of one empty cell is no empty line', () => {
  expect([csvRecord(['']), csvRecord([null]), csvRecord([])]).toEqual(['""\r\n', '""\r\n', '\r\n']);
});

test('text that a spreadsheet would run begins with an apostrophe, unless it is asked for', () => {
  const run = ['=1', '+1', '-1', '@a', '\t=1', '＝1', "'=1"];
  for (const text of run) {
    expect(harmlessText(text)).toBe(`'${text}`);
    const quote = text.startsWith('\t') ? '"' : '';
    expect(csvRecord([text, 1])).toBe(`${quote}'${text}${quote},1\r\n`);
    expect(csvRecord([text, 1], true)).toBe(`${quote}${text}${quote},1\r\n`);
  }
  for (const text of ['a=1', "it's", '1-2', '']) expect(harmlessText(text)).toBe(text);
});

test('gives back what the text was', () => {
  const text = fc.oneof(fc.string({ unit: 'grapheme' }), fc.stringMatching(/^'{0,3}[=a\t-]?$/));
  fc.assert(fc.property(text, (given) => expect(originalText(harmlessText(given))).toBe(given)));
});
