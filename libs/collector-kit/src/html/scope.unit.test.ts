import fc from 'fast-check';
import { createScope, ScopeError } from './scope.ts';

const START = 'https://www.example.org/docs/index.html';
const scope = (options: Partial<Parameters<typeof createScope>[0]>) =>
  createScope({ start: [START], scope: 'host', ...options });

describe('how far', () => {
  const near: Record<string, string[]> = {
    page: [START, `${START}#part`],
    prefix: ['https://www.example.org/docs/', 'https://www.example.org/docs/a/b?c=d'],
    host: ['https://www.example.org/other', 'http://www.example.org/'],
    site: ['https://blog.example.org/', 'https://example.org/a'],
  };
  const all = [...Object.values(near).flat(), 'https://example.net/', 'https://www.example.org.evil.test/'];
  it.each([
    ['page', ['page']],
    ['prefix', ['page', 'prefix']],
    ['host', ['page', 'prefix', 'host']],
    ['site', ['page', 'prefix', 'host', 'site']],
  ] as const)('%s', (name, kinds) => {
    const admitted = all.filter((url) => scope({ scope: name }).admits(url));
    expect(admitted).toEqual(kinds.flatMap((kind) => near[kind] ?? []));
  });

  it('of several start pages is the union', () => {
    const two = createScope({ start: ['https://a.example/x/1', 'https://b.example/y/1'], scope: 'prefix' });
    expect(two.admits('https://a.example/x/2')).toBe(true);
    expect(two.admits('https://b.example/y/2')).toBe(true);
    expect(two.admits('https://a.example/y/2')).toBe(false);
  });

  it('admits nothing that is no http(s) URL', () => {
    for (const url of [
      'mailto:a@example.org',
      'javascript:0',
      'ftp://www.example.org/',
      '',
      'not a url',
      '/docs/',
    ]) {
      expect(scope({ scope: 'site' }).admits(url)).toBe(false);
    }
  });
});

describe('patterns', () => {
  const host = 'https://www.example.org';
  it.each([
    ['*.pdf', ['/a/b.pdf', '/b.pdf?v=1'], ['/a/b.pdf/c', '/b.html', '/x.pdf.html']],
    ['/blog/*', ['/blog/a', '/blog/', '/blog/a?page=2'], ['/blog/a/b', '/old/blog/a', '/blog']],
    ['/blog/**', ['/blog/a', '/blog/a/b', '/blog/a/b?c=/d'], ['/blogs', '/old/blog/a']],
    ['**/login**', ['/login', '/a/login?next=/b', '/a/login/now'], ['/log/in']],
    ['archive/*.html', ['/archive/a.html', '/x/archive/b.html'], ['/archive/x/a.html', '/xarchive/a.html']],
    [`${host}/gallery/**`, ['/gallery/', '/gallery/a/b'], ['/gallery', '/x/gallery/a']],
    ['https://WWW.Example.org/A', ['/A'], ['/a']],
    ['https://*.example.org/**', ['/a'], []],
    ['*://www.example.org/a', ['/a'], ['/b']],
    ['/search?q=*', ['/search?q=1'], ['/search', '/search?p=1']],
    ['/page-?', ['/page-1'], ['/page-12', '/page-/']],
    ['/bücher/**', ['/b%C3%BCcher/1', '/b%c3%bccher/1'], ['/buecher/1']],
    ['/a.b(c)[d]+$^{e}|<`>', ['/a.b(c)[d]+$^{e}|<`>'], ['/axb(c)[d]+$^{e}|<`>']],
    ['/a?f={x}', ['/a?f={x}', '/a?f=%7Bx%7D'], ['/a?f=x']],
    ['/\\/\\d{4}\\/\\d\\d\\//', ['/news/2024/05/x'], ['/news/24/05/x']],
    ['/\\.(jpe?g|png)$/i', ['/a.JPG', '/b.png'], ['/a.gif', '/a.jpg?x']],
  ])('%s', (pattern, matching, others) => {
    const including = scope({ include: [pattern] });
    const excluding = scope({ exclude: [pattern] });
    for (const path of matching) {
      expect([path, including.admits(host + path), excluding.admits(host + path)]).toEqual([
        path,
        true,
        false,
      ]);
    }
    for (const path of others) {
      expect([path, including.admits(host + path), excluding.admits(host + path)]).toEqual([
        path,
        false,
        true,
      ]);
    }
  });

  it('exclude wins over include, the start page over both', () => {
    const both = scope({ include: ['/a/**'], exclude: ['/a/private/**'] });
    expect(both.admits(`${host}/a/1`)).toBe(true);
    expect(both.admits(`${host}/a/private/1`)).toBe(false);
    expect(both.admits(START)).toBe(true);
  });

  it('are of no use outside of the scope', () => {
    expect(scope({ include: ['https://example.net/**'] }).admits('https://example.net/a')).toBe(false);
  });

  it.each([
    '',
    ' ',
    '/(/',
    '/(?=a)/',
    '/(a)\\1/',
    '/[/',
    'x'.repeat(2000),
    '/(\\w{1,500}){1,2}x\\w{1000}\\w{1000}\\w{1000}\\w{1000}/',
  ])('refuses %.30j', (pattern) => {
    expect(() => scope({ exclude: [pattern] })).toThrow(ScopeError);
  });

  it('take no more time on one URL than on another', () => {
    const url = `${host}/${'a'.repeat(8000)}`;
    for (const pattern of ['/(a+)+$b/', '/(a|aa)+b/', `**${'a**'.repeat(100)}b`, '/(.*a){20}b/']) {
      expect(scope({ exclude: [pattern] }).admits(url)).toBe(true);
    }
  });

  it('never throw once compiled', () => {
    const parts = fc.array(
      fc.constantFrom('*', '**', '?', '/', 'a', '.', '(', '[', '\\', 'ü', ':', '\ud800'),
      { minLength: 1 },
    );
    fc.assert(
      fc.property(parts, fc.webUrl(), (pattern, url) => {
        let made;
        try {
          made = scope({ include: [pattern.join('')] });
        } catch (error) {
          expect(error).toBeInstanceOf(ScopeError);
          return;
        }
        expect(typeof made.admits(url)).toBe('boolean');
      }),
    );
  });
});
