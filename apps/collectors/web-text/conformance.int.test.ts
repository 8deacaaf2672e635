import { testSource } from '@magpie/collector-kit/testing';
import source from './source.ts';

const article = (
  title: string,
  links = '',
): string => `<!doctype html><html lang="en"><head><title>${title}</title></head>
<body><nav>${links}</nav><article><h1>${title}</h1>${'<p>The magpie is a bird of the crow family, and one of the most intelligent of all animals that are not apes.</p>'.repeat(5)}</article></body></html>`;

testSource(source, {
  cases: [
    {
      name: 'a page',
      routes: { '/': article('Birds') },
      params: (origin) => ({ urls: [`${origin}/`] }),
      items: ['/'],
    },
    {
      name: 'plain text, and what is no text',
      routes: {
        '/a.txt': { body: 'Just a text about birds.', headers: { 'content-type': 'text/plain' } },
        '/b.pdf': { body: '%PDF-1.4', headers: { 'content-type': 'application/pdf' } },
      },
      params: (origin) => ({ urls: [`${origin}/a.txt`, `${origin}/b.pdf`] }),
      items: ['/a.txt'],
      undone: ['not_html'],
    },
    {
      name: 'a site by its links and its sitemap',
      routes: {
        '/robots.txt': { body: 'Sitemap: ORIGIN/map.xml', headers: { 'content-type': 'text/plain' } },
        '/map.xml':
          '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"><url><loc>ORIGIN/deep</loc></url></urlset>',
        '/deep': article('Deep'),
        '/': article(
          'Home',
          '<a href="/one">1</a><a href="https://elsewhere.example/">x</a><a href="/">home</a>',
        ),
        '/one': article('One', '<a href="/two">2</a>'),
        '/two': article('Two', '<a href="/three">3</a>'),
        '/three': article('Three'),
      },
      params: (origin) => ({ urls: [`${origin}/`], depth: 2, sitemaps: true }),
      items: ['/', '/one', '/two', '/deep'],
    },
  ],
});
