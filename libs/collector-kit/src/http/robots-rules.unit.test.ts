import fc from 'fast-check';
import { parseRobots } from './robots-rules.ts';

const allows = (robots: string, path: string): boolean =>
  parseRobots(robots, 'Magpie').allows(new URL(path, 'http://site.example/'));

describe('which group', () => {
  test.each([
    ['User-agent: magpie\nDisallow: /', false],
    ['USER-AGENT : MAGPIE\nDISALLOW:/', false],
    ['User-agent: Magpie/2.0 (x)\nDisallow: /', false],
    ['User-agent: Magpies\nDisallow: /', true],
    ['User-agent: Mag\nDisallow: /', true],
    ['User-agent: other\nDisallow: /', true],
    ['User-agent: *\nDisallow: /', false],
    ['User-agent: *\nDisallow: /\n\nUser-agent: magpie\nDisallow:', true],
    ['User-agent: *\nDisallow: /\n\nUser-agent: magpie\nAllow: /', true],
    [
      'User-agent: magpie\nDisallow: /b\nUser-agent: *\nDisallow: /a\nUser-agent: magpie\nDisallow: /a',
      false,
    ],
    ['User-agent: a\nUser-agent: magpie\n\n\nUser-agent: b\nDisallow: /', false],
    [
      'User-agent: magpie\nSitemap: http://s.example/\nCrawl-delay: 1\nNonsense: x\nUser-agent: b\nDisallow: /',
      false,
    ],
    ['User-agent: magpie\nDisallow: /x\nUser-agent: b\nDisallow: /', true],
    ['Disallow: /', true],
    ['\ufeffUser-agent: *\r\nDisallow: /a # comment\r\n', false],
    ['User-agent: *\rDisallow: /a', false],
    ['<html>Disallow: /</html>', true],
    ['', true],
  ])('%j lets /a be read: %s', (robots, expected) => {
    expect(allows(new TextDecoder().decode(Buffer.from(robots)), '/a')).toBe(expected);
  });
});

describe('which paths', () => {
  // Most of the table is the examples of RFC 9309 and of Google's description of its parser.
  test.each([
    ['Disallow: /fish', '/fish.html', false],
    ['Disallow: /fish', '/fishheads/yummy.html', false],
    ['Disallow: /fish', '/Fish.asp', true],
    ['Disallow: /fish', '/catfish', true],
    ['Disallow: /fish*', '/fish.php?id=1', false],
    ['Disallow: /fish/', '/fish', true],
    ['Disallow: /fish/', '/fish/salmon.htm', false],
    ['Disallow: /*.php', '/folder/any.php.file.html', false],
    ['Disallow: /*.php', '/windows.PHP', true],
    ['Disallow: /*.php$', '/filename.php', false],
    ['Disallow: /*.php$', '/filename.php?parameters', true],
    ['Disallow: /*.php$', '/a.phpb.php', false],
    ['Disallow: /fish*.php', '/fishheads/catfish.php?p', false],
    ['Disallow: /a*b*c$', '/abcbc', false],
    ['Disallow: /ab*b$', '/ab', true],
    ['Disallow: /$', '/', false],
    ['Disallow: /$', '/a', true],
    ['Disallow: /?', '/?q', false],
    ['Disallow: *secret', '/a/secret', false],
    ['Disallow: secret', '/secret', true],
    ['Allow: /p\nDisallow: /', '/page', true],
    ['Disallow: /\nAllow: /p', '/page', true],
    ['Allow: /folder\nDisallow: /folder', '/folder/page', true],
    ['Disallow: /folder\nAllow: /folder', '/folder/page', true],
    ['Allow: /page\nDisallow: /*.htm', '/page.htm', false],
    ['Allow: /page\nDisallow: /*.ph', '/page.php5', true],
    ['Allow: /$\nDisallow: /', '/', true],
    ['Allow: /$\nDisallow: /', '/page.htm', false],
    ['Disallow: /foo/bar?baz=quz', '/foo/bar?baz=quz', false],
    ['Disallow: /foo/bar/ツ', '/foo/bar/%E3%83%84', false],
    ['Disallow: /foo/bar/%e3%83%84', '/foo/bar/ツ', false],
    ['Disallow: /foo/bar/%62%61%7A', '/foo/bar/baz', false],
    ['Disallow: /foo/bar/baz', '/foo/bar/%62%61%7A', false],
    ['Disallow: /a%2Fb', '/a/b', true],
    ['Disallow: /path/file-with-a-%2A.html', '/path/file-with-a-*.html', false],
    ['Disallow: /path/file-with-a-%2A.html', '/path/file-with-a-x.html', true],
    ['Disallow: /path/foo-%24', '/path/foo-$', false],
    ['Disallow: /a$b', '/a$b', false],
    ['Disallow: /', '/robots.txt', true],
    ['Disallow:', '/a', true],
  ])('%j lets %s be read: %s', (rules, path, expected) => {
    expect(allows(`User-agent: *\n${rules}`, path)).toBe(expected);
  });

  test('matches as the plain reading of the pattern would', () => {
    const piece = fc.constantFrom('a', 'b', '/', '*', 'ab');
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 8 }),
        fc.boolean(),
        fc.stringMatching(/^[ab/]{0,10}$/),
        (parts, end, tail) => {
          const pattern = `/${parts.join('')}${end ? '$' : ''}`;
          const regex = new RegExp(`^/${parts.join('').replace(/\*+/g, '.*')}${end ? '$' : ''}`);
          const path = `/x${tail}`.slice(0, 1) + tail.replace(/^\/+/, '');
          expect(allows(`User-agent: *\nDisallow: ${pattern}`, path)).toBe(!regex.test(path));
        },
      ),
      { numRuns: 2000 },
    );
  });
});

describe('the rest', () => {
  test.each([
    ['1', 1000],
    ['0.5', 500],
    ['10 # slowly', 10_000],
    ['-5', 0],
    ['999999999', 30_000],
    ['1e9', 1000],
    ['NaN', 0],
    ['', 0],
  ])('Crawl-delay: %s is %i ms', (value, ms) => {
    expect(parseRobots(`User-agent: *\nCrawl-delay: ${value}`, 'Magpie').crawlDelayMs).toBe(ms);
  });

  test('the delay of our own group counts, even when it is none', () => {
    const robots = 'User-agent: *\nCrawl-delay: 9\nDisallow:\n\nUser-agent: magpie\nDisallow: /x';
    expect(parseRobots(robots, 'Magpie').crawlDelayMs).toBe(0);
  });

  test('sitemaps are for everybody', () => {
    const robots = 'Sitemap: https://s.example/1.xml\nUser-agent: x\nDisallow: /\nsitemap:/2.xml\nSitemap:';
    expect(parseRobots(robots, 'Magpie').sitemaps).toEqual(['https://s.example/1.xml', '/2.xml']);
  });

  test('any text is read, and quickly asked', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (text) => {
        expect(typeof allows(`User-agent: *\nDisallow: ${text}\n${text}`, '/a')).toBe('boolean');
      }),
    );
    const hostile = `User-agent: *\n${`Disallow: /${'*a'.repeat(1000)}b\n`.repeat(250)}`;
    const before = process.cpuUsage();
    expect(allows(hostile, `/${'a'.repeat(8000)}`)).toBe(true);
    const { user, system } = process.cpuUsage(before);
    expect((user + system) / 1000).toBeLessThan(10_000);
  });
});
