import { readFileSync } from 'node:fs';
import { decodeHtml } from '@magpie/collector-kit/html';
import { extractText } from './extract.ts';
import { expected } from './fixtures/expected.ts';

describe.each(expected)('$file', ({ file, url, encoding, fields, contains, markdown = [], lacks }) => {
  const decoded = decodeHtml(readFileSync(new URL(`./fixtures/${file}`, import.meta.url)));
  const found = extractText(decoded.text, url);

  it('has the right metadata', () => {
    if (encoding !== undefined) expect(decoded.encoding).toBe(encoding);
    expect(found).toMatchObject(fields);
  });

  it('has the content', () => {
    for (const words of contains) expect(found.text).toContain(words);
    const bare = found.markdown.replace(/\\(?=[^\w\s])/g, '');
    for (const words of contains) expect(bare).toContain(words);
    for (const words of markdown) expect(found.markdown).toContain(words);
  });

  it('has no boilerplate', () => {
    for (const words of lacks) expect(found.text).not.toContain(words);
    for (const words of lacks) expect(found.markdown).not.toContain(words);
  });

  it('has paragraphs apart by one blank line', () => {
    expect(found.text).not.toMatch(/\n{3,}|^\s|\s$/);
    expect(found.markdown).not.toMatch(/\n{3,}|^\n|\n$/);
  });
});
