import { readFileSync } from 'node:fs';
import { extractText } from './extract.ts';
import { close, ExtractionPool, extractInWorker } from './worker-pool.ts';

const URL_OF_PAGE = 'https://courier.example/news/harbour-ferry-returns';
const page = readFileSync(new URL('./fixtures/news-article.html', import.meta.url), 'utf8');
const manyElements = (count: number) => `<body>${'<div><p>a, <b>b</b> c</p></div>'.repeat(count)}`;
/** Takes a good part of a second to read. */
const slow = manyElements(4000);

afterAll(close);

async function codeOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => 'no error',
    (error: { code?: string; name?: string }) => error.code ?? error.name,
  );
}

it('extracts what extractText does', async () => {
  const pages = await Promise.all([1, 2, 3].map(() => extractInWorker(page, URL_OF_PAGE)));
  for (const found of pages) expect(found).toEqual(extractText(page, URL_OF_PAGE));
});

it('takes plain text as it is', async () => {
  const text = 'The quick brown fox jumps over the lazy dog,\r\nand then it sleeps in the shade of the barn.';
  const found = await extractInWorker(text, 'https://courier.example/a.txt', { isPlain: true });
  expect(found).toMatchObject({ text: text.replace('\r', ''), language: 'en', wordCount: 19 });
});

it('starts another thread after a page that takes too long, and goes on with the next one', async () => {
  // So long that it is not read before this thread has looked at the clock.
  const pool = new ExtractionPool({ limits: { maxOldGenerationSizeMb: 512 } });
  const late = codeOf(pool.extract(manyElements(60_000), URL_OF_PAGE, { timeoutMs: 1 }));
  const next = pool.extract(page, URL_OF_PAGE, { timeoutMs: 60_000 });
  expect(await late).toBe('parse_timeout');
  expect((await next).title).toBe('Harbour ferry returns after nine years');
  await pool.close();
});

it('keeps the caller running meanwhile', async () => {
  const pool = new ExtractionPool();
  let turns = 0;
  const timer = setInterval(() => (turns += 1), 5);
  await pool.extract(slow, URL_OF_PAGE, { timeoutMs: 60_000 });
  clearInterval(timer);
  expect(turns).toBeGreaterThan(5);
  await pool.close();
});

it('gives up a page when the signal aborts, waiting or being read', async () => {
  const pool = new ExtractionPool();
  const reading = new AbortController();
  const waiting = new AbortController();
  const first = pool.extract(slow, URL_OF_PAGE, { signal: reading.signal, timeoutMs: 60_000 });
  const second = pool.extract(page, URL_OF_PAGE, { signal: waiting.signal });
  const third = pool.extract(page, URL_OF_PAGE, { timeoutMs: 60_000 });
  waiting.abort(new Error('not wanted'));
  await expect(second).rejects.toThrow('not wanted');
  reading.abort(new Error('nor this'));
  await expect(first).rejects.toThrow('nor this');
  expect((await third).title).toBe('Harbour ferry returns after nine years');
  await expect(pool.extract(page, URL_OF_PAGE, { signal: AbortSignal.abort() })).rejects.toThrow();
  await pool.close();
});

it('refuses a page that needs more memory than a thread may have, and goes on', async () => {
  const pool = new ExtractionPool({ limits: { maxOldGenerationSizeMb: 24, maxYoungGenerationSizeMb: 2 } });
  const large = codeOf(pool.extract(manyElements(20_000), URL_OF_PAGE, { timeoutMs: 60_000 }));
  expect(await large).toBe('parse_too_large');
  expect((await pool.extract(page, URL_OF_PAGE, { timeoutMs: 60_000 })).via).toBe('readability');
  await pool.close();
});

it('ends an idle thread and starts another when it is needed', async () => {
  const pool = new ExtractionPool({ idleMs: 50 });
  await pool.extract(page, URL_OF_PAGE, { timeoutMs: 60_000 });
  expect(pool.threads).toBe(1);
  while (pool.threads > 0) await new Promise((resolve) => setTimeout(resolve, 20));
  expect((await pool.extract(page, URL_OF_PAGE, { timeoutMs: 60_000 })).via).toBe('readability');
  await pool.close();
});

it('may be closed twice, refuses what waits, and leaves nothing running', async () => {
  const pool = new ExtractionPool();
  const refused = Promise.allSettled([pool.extract(slow, URL_OF_PAGE), pool.extract(page, URL_OF_PAGE)]);
  await pool.close();
  await pool.close();
  expect((await refused).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  await expect(pool.extract(page, URL_OF_PAGE)).rejects.toThrow('closed');
});
