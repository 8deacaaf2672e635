/**
 * The floor: what a collector of images costs without a broker, a database or replicas. It follows the links of one
 * page, parses with a SAX parser, fetches each image once, and keeps it as the platform's file store does: under a
 * temporary name, its content synced (fdatasync), renamed to its hash, its directory synced. It keeps no other record,
 * has no limits, guards nothing, and everything is lost when it dies.
 *
 * `node sketch.ts <url> <directory> <concurrency>` prints one line of JSON.
 */
import { createHash, randomUUID } from 'node:crypto';
import { mkdir, open, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Parser } from 'htmlparser2';
import { Agent, request } from 'undici';

export interface SketchResult {
  images: number;
  pages: number;
  bytes: number;
  seconds: number;
  cpuSeconds: number;
  peakBytes: number;
}

const [start = '', directory = '', concurrency = '64'] = process.argv.slice(2);
const room = Number(concurrency);
const agent = new Agent({ connections: room, pipelining: 1, bodyTimeout: 0 });
const temporary = join(directory, '.tmp');
const seen = new Set<string>([start]);
const waiting: { url: string; image: boolean }[] = [{ url: start, image: false }];
const made = new Set<string>();
const total = { images: 0, pages: 0, bytes: 0 };

async function fetchPage(url: string): Promise<void> {
  const { statusCode, body } = await request(url, { dispatcher: agent });
  const text = await body.text();
  if (statusCode !== 200) throw new Error(`${url} answers ${statusCode}`);
  const add = (reference: string | undefined, image: boolean): void => {
    const target = reference === undefined ? null : URL.parse(reference, url);
    if (target === null || seen.has(target.href)) return;
    seen.add(target.href);
    waiting.push({ url: target.href, image });
  };
  const parser = new Parser({
    onopentag(name, attributes) {
      if (name === 'img') add(attributes['src'], true);
      else if (name === 'a') add(attributes['href'], false);
    },
  });
  parser.end(text);
  total.pages++;
}

async function fetchImage(url: string): Promise<void> {
  const { statusCode, body } = await request(url, { dispatcher: agent });
  const bytes = Buffer.from(await body.arrayBuffer());
  if (statusCode !== 200) throw new Error(`${url} answers ${statusCode}`);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  await keep(bytes, join(directory, sha256.slice(0, 2), sha256.slice(2, 4), `${sha256}.png`));
  total.images++;
  total.bytes += bytes.length;
}

async function keep(bytes: Buffer, file: string): Promise<void> {
  const name = join(temporary, randomUUID());
  const handle = await open(name, 'wx');
  await handle.writeFile(bytes);
  await handle.datasync();
  await handle.close();
  const folder = dirname(file);
  if (!made.has(folder)) {
    const first = await mkdir(folder, { recursive: true });
    if (first !== undefined) await syncDirectory(dirname(first));
    made.add(folder);
  }
  await rename(name, file);
  await syncDirectory(folder);
}

async function syncDirectory(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  await handle.sync();
  await handle.close();
}

/** Works until nothing waits and nothing is under way; the first fault ends it. */
function work(): Promise<void> {
  return new Promise((resolve, reject) => {
    let running = 0;
    const pump = (): void => {
      if (waiting.length === 0 && running === 0) return resolve();
      while (running < room && waiting.length > 0) {
        const { url, image } = waiting.shift() as { url: string; image: boolean };
        running++;
        (image ? fetchImage(url) : fetchPage(url)).then(() => {
          running--;
          pump();
        }, reject);
      }
    };
    pump();
  });
}

await mkdir(temporary, { recursive: true });
const began = performance.now();
const cpuBefore = process.cpuUsage();
await work();
const seconds = (performance.now() - began) / 1000;
const cpu = process.cpuUsage(cpuBefore);
const result: SketchResult = {
  ...total,
  seconds,
  cpuSeconds: (cpu.user + cpu.system) / 1e6,
  peakBytes: process.resourceUsage().maxRSS * 1024,
};
console.log(JSON.stringify(result));
await agent.close();
