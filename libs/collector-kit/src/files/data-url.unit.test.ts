import fc from 'fast-check';
import { decodeDataUrl } from './data-url.ts';

const limit = { maxBytes: 1_000 };
const decoded = (url: string): [string, string] | undefined => {
  const found = decodeDataUrl(url, limit);
  return found && [found.mediaType, Buffer.from(found.bytes).toString('latin1')];
};

const table: [url: string, expected: [string, string] | undefined][] = [
  ['data:image/png;base64,aGVsbG8=', ['image/png', 'hello']],
  ['data:image/png;base64,aGVsbG8', ['image/png', 'hello']],
  ['DATA:Image/PNG;charset=x;BASE64,aGVsbG8=', ['image/png', 'hello']],
  ['data:image/png; base64 ,aGVsbG8=', ['image/png', 'hello']],
  ['data:image/png;base64,aGVs%0A\n bG8%3D', ['image/png', 'hello']],
  ['data:image/svg+xml,%3Csvg%20a="b"/>', ['image/svg+xml', '<svg a="b"/>']],
  ['data:image/svg+xml;utf8,<svg>%zz%4</svg>', ['image/svg+xml', '<svg>%zz%4</svg>']],
  ['data:image/svg+xml,<svg>#cut</svg>', ['image/svg+xml', '<svg>']],
  ['data:,é', ['text/plain', '\xc3\xa9']],
  ['data:;base64,', ['text/plain', '']],
  ['data:image/png;base64', undefined],
  ['data:image/png;base64,a', undefined],
  ['data:image/png;base64,a-_b', undefined],
  ['data:image/png;base64,aGVsbG8==', undefined],
  ['http://example.org/,', undefined],
  ['', undefined],
];

test.each(table)('%s', (url, expected) => {
  expect(decoded(url)).toEqual(expected);
});

test('what was encoded is decoded, by either encoding', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      const text = Buffer.from(bytes);
      const escaped = text.toString('hex').replace(/../g, '%$&');
      for (const url of [`data:image/x;base64,${text.toString('base64')}`, `data:image/x,${escaped}`]) {
        const found = decodeDataUrl(url, limit);
        expect(Buffer.from(found?.bytes ?? []).equals(text)).toBe(true);
      }
    }),
  );
});

test('more bytes than the limit are refused, before and after decoding', () => {
  const exact = `data:image/x;base64,${Buffer.alloc(1_000).toString('base64')}`;
  expect(decodeDataUrl(exact, limit)?.bytes).toHaveLength(1_000);
  for (const bytes of [1_001, 1_000_000]) {
    const url = `data:image/x;base64,${Buffer.alloc(bytes).toString('base64')}`;
    expect(() => decodeDataUrl(url, limit)).toThrow(expect.objectContaining({ code: 'body_too_large' }));
  }
});

test('no string makes it throw', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (rest) => {
      decodeDataUrl(rest, limit);
      decodeDataUrl(`data:${rest}`, limit);
      decodeDataUrl(`data:image/png;base64,${rest}`, limit);
    }),
  );
});
