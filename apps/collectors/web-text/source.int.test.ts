import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createPlayer, playJob, serveSite, type PlayedJob, type Site } from '@magpie/collector-kit/testing';
import source from './source.ts';

let filesRoot: string;
let site: Site;

beforeEach(async () => {
  filesRoot = await mkdtemp(join(tmpdir(), 'magpie-web-text-'));
  site = await serveSite();
});
afterEach(async () => {
  await site.close();
  await rm(filesRoot, { recursive: true });
});
afterAll(() => source.close());

const play = (params: Record<string, unknown>): Promise<PlayedJob> => playJob(source, params, { filesRoot });
const paths = (job: PlayedJob): string[] => job.items.map(({ url }) => url.replace(site.origin, '')).sort();
const codes = (job: PlayedJob): string[] =>
  job.undone.map(({ outcome }) => ('code' in outcome ? outcome.code : outcome.outcome)).sort();

const SENTENCE = 'The magpie is a bird of the crow family, and one of the most intelligent of all animals. ';
const article = (title: string, links = '', head = ''): string =>
  `<!doctype html><html lang="en"><head><title>${title}</title>${head}</head><body><nav>${links}</nav>` +
  `<article><h1>${title}</h1>${`<p>${SENTENCE.repeat(2)}</p>`.repeat(4)}</article></body></html>`;

test('a page becomes an item with its main text and what it says of itself', async () => {
  site.route('/a', {
    body: article(
      'Magpies',
      '<a href="/b">b</a>',
      '<meta property="article:published_time" content="2026-05-01">',
    ),
    headers: { 'content-type': 'text/html', etag: '"1"' },
  });
  const job = await play({ urls: [site.url('/a')] });
  expect(job.undone).toEqual([]);
  expect(job.items).toMatchObject([
    {
      kind: 'text',
      url: site.url('/a'),
      data: { title: 'Magpies', language: 'en', publishedAt: '2026-05-01' },
      etag: '"1"',
      outlinks: [site.url('/b')],
    },
  ]);
  expect(String(job.items[0]?.data['text'])).toContain('crow family');
  expect(site.hits('/b')).toBe(0);
});

test('the encoding of a page is undone', async () => {
  const body = Buffer.from(article('Grüße aus Köln'), 'latin1');
  site.route('/latin', { body, headers: { 'content-type': 'text/html; charset=iso-8859-1' } });
  expect((await play({ urls: [site.url('/latin')] })).items[0]?.data['title']).toBe('Grüße aus Köln');
});

test('links are followed as deep as asked, each page fetched once', async () => {
  site.route('/', article('Home', '<a href="/1">1</a><a href="/2">2</a>'));
  site.route('/1', article('One', '<a href="/2">2</a><a href="/">home</a><a href="/3">3</a>'));
  site.route('/2', article('Two', '<a href="/1">1</a>'));
  site.route('/3', article('Three', '<a href="/4">4</a>'));
  site.route('/4', article('Four'));
  expect(paths(await play({ urls: [site.url('/')], depth: 2 }))).toEqual(['/', '/1', '/2', '/3']);
  expect(['/', '/1', '/2', '/3', '/4'].map((path) => site.hits(path))).toEqual([1, 1, 1, 1, 0]);
});

test('a start page that moved to another host takes the scope along', async () => {
  const other = await serveSite({ '/home': article('Home', '<a href="/in">in</a>'), '/in': article('In') });
  try {
    site.route('/', { status: 301, headers: { location: other.url('/home') } });
    const job = await play({ urls: [site.url('/')], depth: 1 });
    expect(job.items.map(({ url }) => url).sort()).toEqual([site.url('/'), other.url('/in')].sort());
    expect(job.items.find(({ url }) => url === site.url('/'))?.finalUrl).toBe(other.url('/home'));
  } finally {
    await other.close();
  }
});

test('links that a page does not want followed are not, unless robots are not to be honoured', async () => {
  site.route('/', article('Home', '<a href="/x">x</a>', '<meta name="robots" content="nofollow">'));
  site.route('/x', article('X'));
  expect(paths(await play({ urls: [site.url('/')], depth: 1 }))).toEqual(['/']);
  expect(paths(await play({ urls: [site.url('/')], depth: 1, robots: false }))).toEqual(['/', '/x']);
});

test('plain text is taken as it is; what is no text is an error', async () => {
  site.route('/a.txt', {
    body: `${SENTENCE}\r\nÜber alles`,
    headers: { 'content-type': 'text/plain; charset=utf-8' },
  });
  site.route('/empty', '<html><body><script>render()</script></body></html>');
  site.route('/image', { body: Buffer.from('GIF89a'), headers: { 'content-type': 'image/gif' } });
  const job = await play({ urls: ['/a.txt', '/empty', '/image', '/missing'].map((path) => site.url(path)) });
  expect(job.items).toMatchObject([{ data: { text: `${SENTENCE}\nÜber alles`, language: 'en' } }]);
  expect(codes(job)).toEqual(['http_status', 'no_text', 'not_html']);
});

test('a page that has not changed is not read again', async () => {
  site.route('/a', { body: article('A'), headers: { 'content-type': 'text/html', etag: '"1"' } });
  const player = await createPlayer({ filesRoot });
  try {
    const step = { kind: 'text', url: site.url('/a'), input: {}, etag: '"1"' };
    expect(await player.perform(source, step)).toMatchObject({ outcome: 'done', items: [], unchanged: true });
  } finally {
    await player.close();
  }
});

test('a very long text is cut, and says so', async () => {
  const body = `<html><body><article><h1>Long</h1>${`<p>${SENTENCE.repeat(20)}</p>`.repeat(300)}</article></body></html>`;
  site.route('/long', body);
  const [item] = (await play({ urls: [site.url('/long')] })).items;
  expect(item?.data['truncated']).toBe(true);
  expect(String(item?.data['text']).length).toBe(400_000);
});
