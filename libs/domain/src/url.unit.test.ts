import fc from 'fast-check';
import { canonicalUrl, hostKey, redactText, redactUrl, UrlError } from './url.ts';
import { directoryOf, isSameHost, isSameSite, isUnderPrefix } from './url-scope.ts';

function codeOf(input: string, base?: string): string {
  try {
    return canonicalUrl(input, base);
  } catch (error) {
    if (error instanceof UrlError) return error.code;
    throw error;
  }
}

describe('canonicalUrl', () => {
  test.each([
    ['HTTP://Example.COM', 'http://example.com/'],
    ['https://example.com:443/a', 'https://example.com/a'],
    ['http://example.com:443/a', 'http://example.com:443/a'],
    ['http://example.com:0080/', 'http://example.com/'],
    ['  \thttp://exa\nmple.com/a\tb \r\n', 'http://example.com/ab'],
    ['http:\\\\example.com\\a', 'http://example.com/a'],
    ['http://example.com/a/./b/../c/%2e%2E/d', 'http://example.com/a/d'],
    ['http://example.com/a//b/', 'http://example.com/a//b/'],
    ['http://example.com/%7euser/%41%2d%5F%2E.x', 'http://example.com/~user/A-_..x'],
    ['http://example.com/%e4%bd%a0', 'http://example.com/%E4%BD%A0'],
    ['http://example.com/你', 'http://example.com/%E4%BD%A0'],
    ['http://example.com/a%2fb%3F', 'http://example.com/a%2Fb%3F'],
    ['http://example.com/a b', 'http://example.com/a%20b'],
    ['http://example.com/100%', 'http://example.com/100%'],
    ['http://example.com/%%32e%2%35%25%32%35', 'http://example.com/%%32e%2%35%2525'],
    ['http://example.com/?b=2&a=1&b=%31', 'http://example.com/?b=2&a=1&b=1'],
    ['http://example.com/?q=a+b%20c', 'http://example.com/?q=a+b%20c'],
    ['http://example.com/?', 'http://example.com/'],
    ['http://example.com/a#top', 'http://example.com/a'],
    ['http://example.com/?a=1#', 'http://example.com/?a=1'],
    ['http://BÜCHER.example/', 'http://xn--bcher-kva.example/'],
    ['http://example.com./', 'http://example.com./'],
    ['http://0x7f.1/', 'http://127.0.0.1/'],
    ['http://①②⑦.⓪.⓪.①', 'http://127.0.0.1/'],
    ['http://[2001:DB8:0:0::1]/', 'http://[2001:db8::1]/'],
  ])('%j is %s', (input, expected) => {
    expect(canonicalUrl(input)).toBe(expected);
  });

  test.each([
    ['../b?x', 'http://example.com/a/c/d', 'http://example.com/a/b?x'],
    ['//cdn.example/x', 'https://example.com/', 'https://cdn.example/x'],
    ['', 'https://example.com/a?b', 'https://example.com/a?b'],
  ])('%j against %s', (input, base, expected) => {
    expect(canonicalUrl(input, base)).toBe(expected);
  });

  test.each([
    ['', 'invalid_url'],
    ['/relative', 'invalid_url'],
    ['http://', 'invalid_url'],
    ['http://a b/', 'invalid_url'],
    ['http://example.com:99999/', 'invalid_url'],
    ['file:///etc/passwd', 'scheme_not_allowed'],
    ['ftp://u:p@example.com/', 'scheme_not_allowed'],
    ['java\nscript:alert(1)', 'scheme_not_allowed'],
    [`data:text/plain,${'a'.repeat(10_000)}`, 'scheme_not_allowed'],
    ['http://user:password@example.com/', 'credentials_in_url'],
    ['http://user@example.com/', 'credentials_in_url'],
    ['http:user:password@example.com/', 'credentials_in_url'],
    [`http://example.com/${'a'.repeat(8192)}`, 'url_too_long'],
    [`http://example.com/${'ä'.repeat(3000)}`, 'url_too_long'],
  ])('%.40j is refused as %s', (input, code) => {
    expect(codeOf(input)).toBe(code);
  });

  test('a relative link cannot leave http', () => {
    expect(codeOf('//u:p@example.com/', 'http://a.example/')).toBe('credentials_in_url');
    expect(codeOf('mailto:a@example.com', 'http://a.example/')).toBe('scheme_not_allowed');
  });

  test('the error never repeats a password', () => {
    const error = (() => {
      try {
        canonicalUrl('http://user:hunter2@exa mple.com/');
      } catch (caught) {
        return caught;
      }
    })();
    expect(error).toBeInstanceOf(UrlError);
    expect(String(error)).not.toContain('hunter2');
  });

  const piece = fc.oneof(
    fc.constantFrom(
      '%',
      '%2',
      '%2e',
      '%2E',
      '%41',
      '%25',
      '%3a',
      '%zz',
      '/',
      '..',
      '.',
      '?',
      '#',
      '&',
      '=',
      '\\',
      ' ',
    ),
    fc.string({ unit: 'binary', maxLength: 4 }),
    fc.string({ maxLength: 4 }),
  );
  const anyUrl = fc.array(piece, { maxLength: 20 }).map((parts) => `http://h.example/${parts.join('')}`);

  test('is idempotent', () => {
    fc.assert(
      fc.property(anyUrl, (input) => {
        const once = canonicalUrl(input);
        expect(canonicalUrl(once)).toBe(once);
        expect(once).toMatch(/^http:\/\/h\.example\/[\x21-\x7e]*$/);
        expect(new URL(once).href).toBe(once);
      }),
      { numRuns: 3000 },
    );
  });

  test('means the same path and query after decoding', () => {
    const decode = (text: string) =>
      text.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
    fc.assert(
      fc.property(anyUrl, (input) => {
        const before = new URL(input);
        const after = new URL(canonicalUrl(input));
        expect(decode(after.pathname + after.search)).toBe(decode(before.pathname + before.search));
      }),
      { numRuns: 3000 },
    );
  });

  test('spellings of one URL are one', () => {
    const name = fc.stringMatching(/^[a-z0-9._~-]{1,8}$/).filter((s) => !/^\.\.?$/.test(s));
    fc.assert(
      fc.property(name, fc.array(fc.nat(255), { minLength: 8, maxLength: 8 }), (text, bits) => {
        const spelt = [...text]
          .map((char, i) => {
            const hex = char.charCodeAt(0).toString(16);
            return (bits[i] ?? 0) % 3 === 0 ? char : `%${(bits[i] ?? 0) % 3 === 1 ? hex : hex.toUpperCase()}`;
          })
          .join('');
        expect(canonicalUrl(`HTTP://H.example:80/x/../${spelt}?q=${spelt}#f`)).toBe(
          canonicalUrl(`http://h.example/${text}?q=${text}`),
        );
      }),
    );
  });

  test('any text at all gives a URL or a coded error', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary' }),
        fc.option(fc.webUrl(), { nil: undefined }),
        (input, base) => {
          expect(codeOf(input, base)).toMatch(/^(https?:\/\/|[a-z_]+$)/);
        },
      ),
    );
  });
});

test('hostKey writes the port out', () => {
  expect(hostKey('https://Example.com/a')).toBe('example.com:443');
  expect(hostKey('http://example.com/')).toBe('example.com:80');
  expect(hostKey('http://[::1]:8080/')).toBe('[::1]:8080');
});

test('isSameHost', () => {
  expect(isSameHost('http://a.example/x', 'https://A.example/y')).toBe(true);
  expect(isSameHost('http://a.example/', 'http://b.a.example/')).toBe(false);
  expect(isSameHost('http://127.0.0.1:8001/', 'http://127.0.0.1:8002/')).toBe(false);
});

test('isSameSite', () => {
  expect(isSameSite('http://www.example.co.uk/', 'https://img.example.co.uk:8443/')).toBe(true);
  expect(isSameSite('http://a.co.uk/', 'http://b.co.uk/')).toBe(false);
  expect(isSameSite('http://a.github.io/', 'http://b.github.io/')).toBe(false);
  expect(isSameSite('http://example.com./', 'http://www.example.com/')).toBe(true);
  expect(isSameSite('http://127.0.0.1/', 'http://127.0.0.1/x')).toBe(true);
  expect(isSameSite('http://10.0.0.1/', 'http://11.0.0.1/')).toBe(false);
  expect(isSameSite('http://127.0.0.1:81/', 'http://127.0.0.1:82/')).toBe(false);
  expect(isSameSite('http://localhost/', 'http://localhost/x')).toBe(true);
  expect(isSameSite('http://localhost/', 'http://a.localhost/')).toBe(false);
});

test('isUnderPrefix stops at a segment boundary', () => {
  const prefix = 'http://a.example/docs';
  expect(isUnderPrefix('http://a.example/docs', prefix)).toBe(true);
  expect(isUnderPrefix('http://a.example/docs?p=2', prefix)).toBe(true);
  expect(isUnderPrefix('http://a.example/%64ocs/x', prefix)).toBe(true);
  expect(isUnderPrefix('http://a.example/docs2', prefix)).toBe(false);
  expect(isUnderPrefix('http://a.example/docs/../x', prefix)).toBe(false);
  expect(isUnderPrefix('http://b.example/docs/x', prefix)).toBe(false);
  expect(isUnderPrefix('http://a.example/docs/x', 'http://a.example/docs/')).toBe(true);
  expect(isUnderPrefix('http://a.example/x', 'http://a.example')).toBe(true);
});

test('directoryOf', () => {
  expect(directoryOf('http://a.example/docs/i.html?x=/y')).toBe('http://a.example/docs/');
  expect(directoryOf('http://a.example')).toBe('http://a.example/');
});

describe('redaction', () => {
  test.each([
    ['http://user:p@ss@h.example/a', 'http://…@h.example/a'],
    ['http:user:pw@h.example/a', 'http:…@h.example/a'],
    ['http:\\\\user:pw@h.example/a', 'http:\\\\…@h.example/a'],
    ['//user:pw@h.example/a', '//…@h.example/a'],
    ['https://h.example/?a=1&access_token=s&b=2', 'https://h.example/?a=1&access_token=…&b=2'],
    [
      'https://h.example/?X-Amz-Signature=s&X-Amz-Date=d',
      'https://h.example/?X-Amz-Signature=…&X-Amz-Date=…',
    ],
    ['https://h.example/?KEY=s&sig=s&Signature=s', 'https://h.example/?KEY=…&sig=…&Signature=…'],
    ['https://h.example/?%74oken=s', 'https://h.example/?%74oken=…'],
    ['https://h.example/#access_token=s', 'https://h.example/#access_token=…'],
    [
      'https://h.example/?next=https%3A%2F%2Fx%2F%3Ftoken%3Ds%26b%3D1',
      'https://h.example/?next=https%3A%2F%2Fx%2F%3Ftoken%3D…%26b%3D1',
    ],
    ['https://h.example/?pageToken=p&monkey=m&q=', 'https://h.example/?pageToken=p&monkey=m&q='],
    ['https://h.example/a@b?c=d@e', 'https://h.example/a@b?c=d@e'],
  ])('%s', (url, expected) => {
    expect(redactUrl(url)).toBe(expected);
  });

  test('finds URLs within text', () => {
    expect(
      redactText(
        'GET "http://a:b@h/?token=s" failed, amqp://guest:guest@mq:5672 and /x?api_key=k&amp;secret=q',
      ),
    ).toBe('GET "http://…@h/?token=…" failed, amqp://…@mq:5672 and /x?api_key=…&amp;secret=…');
  });

  test('hides a secret that stands in the value of another parameter, and all of one that looks like parameters', () => {
    expect(redactText('http://a.example/b?next=/c?token=Z0Z&d=1')).toBe(
      'http://a.example/b?next=/c?token=…&d=1',
    );
    expect(redactText('http://a.example/&b=?token=Z0Z')).toBe('http://a.example/&b=?token=…');
    expect(redactText('?token=Z0Z?a=Z0Z;b=Z0Z&c=1 d')).toBe('?token=…&c=1 d');
    expect(redactText('?u=b%3Fnext%3D/c%3Ftoken%3DZ0Z%26d%3D1')).toBe('?u=b%3Fnext%3D/c%3Ftoken%3D…%26d%3D1');
    expect(redactText('?u=b%3Ftoken%3DZ0Z%3Fa%3DZ0Z%26d%3D1')).toBe('?u=b%3Ftoken%3D…%26d%3D1');
  });

  test('hides every value of a secret parameter, and takes linear time', () => {
    fc.assert(
      fc.property(
        fc.webUrl({ withQueryParameters: true }),
        fc.stringMatching(/^[A-Za-z0-9'()*!~.,:;@/%?=-]{1,30}$/),
        (url, value) => {
          const text = `x ${url}${url.includes('?') ? '&' : '?'}client_secret=<>`.replace(
            '<>',
            () => `Z0Z${value}`,
          );
          expect(redactText(text)).not.toContain('Z0Z');
          expect(redactUrl(text.slice(2))).not.toContain('Z0Z');
        },
      ),
    );
    for (const bad of [
      '/',
      '?',
      '&a',
      '://',
      ':',
      '%3F',
      '%26a',
      'a@',
      ';=',
      '?a=',
      '?token=',
      '%3Fa%3D',
      '%3Ftoken%3D',
    ])
      redactText(bad.repeat(200_000));
  });
});
