import { png, testSource } from '@magpie/collector-kit/testing';
import source from './source.ts';

testSource(source, {
  cases: [
    {
      name: 'a page',
      routes: {
        '/': '<title>Birds</title><img src="/a.png" alt="A magpie"><img src="/b.png"><img src="/a.png">',
        '/a.png': png(2, 2, 1),
        '/b.png': png(2, 2, 2),
      },
      params: (origin) => ({ urls: [`${origin}/`] }),
      items: ['/a.png', '/b.png'],
    },
    {
      name: 'a site by its links, with an image that is missing',
      routes: {
        '/': '<a href="/one">1</a><a href="https://elsewhere.example/">x</a>',
        '/one': '<img src="/one.png"><a href="/two">2</a>',
        '/two': '<img src="/two.png"><img src="/missing.png"><a href="/three">3</a>',
        '/three': '<img src="/three.png">',
        '/one.png': png(2, 2, 1),
        '/two.png': png(2, 2, 2),
      },
      params: (origin) => ({ urls: [`${origin}/`], depth: 2 }),
      items: ['/one.png', '/two.png'],
      undone: ['http_status'],
    },
    {
      name: 'a site by its sitemap',
      routes: {
        '/robots.txt': { body: 'Sitemap: ORIGIN/map.xml', headers: { 'content-type': 'text/plain' } },
        '/map.xml':
          '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"><url><loc>ORIGIN/deep</loc></url></urlset>',
        '/': '<p>nothing here',
        '/deep': '<img src="/deep.png">',
        '/deep.png': png(),
      },
      params: (origin) => ({ urls: [`${origin}/`], sitemaps: true }),
      items: ['/deep.png'],
    },
  ],
});
