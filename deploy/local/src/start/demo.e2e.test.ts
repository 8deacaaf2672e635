/** `npm start -- --demo`, as a newcomer runs it: a process, a fresh data directory, no keys. */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readdir, readFile, rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { MongoClient } from 'mongodb';
import { freePort } from '../ports.ts';
import { makeTestDirectory } from '../testing/test-servers.ts';
import { freshVhost, type TestVhost } from '../testing/vhost.ts';

const MAIN = resolve(import.meta.dirname, 'main.ts');
const SOURCES = ['instagram-hashtag', 'facebook-pages', 'youtube-search'];

interface Seen {
  id: string;
  source: string;
  state: string;
  samples: number;
  counts: { stored: number };
}

class Start {
  output = '';
  readonly #child: ChildProcess;
  readonly ended: Promise<number | null>;

  constructor(args: string[], env: NodeJS.ProcessEnv) {
    this.#child = spawn(process.execPath, [MAIN, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.#child.stdout, this.#child.stderr])
      stream?.on('data', (chunk: Buffer) => (this.output += chunk.toString()));
    this.ended = new Promise((done) => this.#child.once('close', done));
  }

  /** Waits until it says so; throws with all that it said when it ends before. */
  async says(words: RegExp): Promise<RegExpExecArray> {
    let over = false;
    void this.ended.then(() => (over = true));
    for (;;) {
      const found = words.exec(this.output);
      if (found) return found;
      if (over) throw new Error(`the start has ended:\n${this.output}`);
      await new Promise((done) => setTimeout(done, 50));
    }
  }

  async stop(): Promise<number | null> {
    this.#child.kill('SIGINT');
    return this.ended;
  }
}

let data: string;
let vhost: TestVhost | undefined;
let env: NodeJS.ProcessEnv;
let port: number;
let database: URL;
const starts: Start[] = [];

beforeAll(async () => {
  database = new URL(process.env['MAGPIE_TEST_MONGODB_URL'] as string);
  database.pathname = `/magpie-test-${randomBytes(6).toString('hex')}`;
  data = await makeTestDirectory();
  port = await freePort();
  vhost = await freshVhost();
  env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(MAGPIE|NODE)_/.test(name)));
  Object.assign(env, { AMQP_URL: vhost.amqpUrl, MONGODB_URL: database.href });
}, 180_000);

afterAll(async () => {
  for (const start of starts) await start.stop();
  const client = new MongoClient(database.href);
  await client.db().dropDatabase();
  await client.close();
  await vhost?.drop();
  await rm(data, { recursive: true, force: true, maxRetries: 5 });
}, 180_000);

function start(): Start {
  const started = new Start(['--demo', '--data', data, '--port', String(port)], env);
  starts.push(started);
  return started;
}

async function get<T>(path: string): Promise<T> {
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, { headers: { connection: 'close' } });
  if (!answer.ok) throw new Error(`${path} answers ${answer.status}: ${await answer.text()}`);
  return (await answer.json()) as T;
}

/** The jobs of the sources with an API, by source: one of each, apart from those that `others` names. */
async function jobs(others: ReadonlySet<string> = new Set()): Promise<Record<string, Seen>> {
  const { items } = await get<{ items: Seen[] }>('/api/v1/jobs?limit=100');
  const ours = items.filter(({ id, source }) => SOURCES.includes(source) && !others.has(id));
  expect(ours.map(({ source }) => source).sort()).toEqual([...SOURCES].sort());
  return Object.fromEntries(ours.map((job) => [job.source, job]));
}

/** Runs a shell's commands; throws with what they said when one fails. */
function shell(script: string): Promise<string> {
  return new Promise((done, failed) => {
    execFile('bash', ['-euc', script], { env, maxBuffer: 1e8 }, (error, stdout, stderr) =>
      error ? failed(new Error(`${script}\n${stdout}${stderr}`)) : done(stdout),
    );
  });
}

/** The commands of the README's chapter on APIs, as they are written there. */
async function readmeCommands(): Promise<string[]> {
  const readme = await readFile(resolve(import.meta.dirname, '../../../../README.md'), 'utf8');
  const chapter = /^## Collecting from APIs\n([^]*?)^## /m.exec(readme)?.[1] ?? '';
  return [...chapter.matchAll(/^```sh\n([^]*?)^```/gm)].flatMap(([, block]) =>
    (block as string).trim().split(/\n(?=curl)/),
  );
}

/** Every file's text below a directory, by its path. */
async function texts(folder: string): Promise<[string, string][]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return Promise.all(
    files.map(async (file): Promise<[string, string]> => [file, await readFile(file, 'utf8')]),
  );
}

it('shows something of each source, and at the next start goes on with the same jobs', async () => {
  const first = start();
  await first.says(/^Ready after[^]*^ +Docs .*$/m);
  expect(first.output).not.toMatch(/nothing came/);
  for (const source of SOURCES)
    expect(first.output).toMatch(new RegExp(`^ +${source} .*: \\d+ .*http://`, 'm'));
  expect(first.output).toMatch(/Image +http:\S+\/files\/images\//);

  const made = await jobs();
  // What is named on the screen can be seen there.
  for (const [, address] of first.output.matchAll(/ (http:\/\/127\.0\.0\.1:\d+\/\S+)/g)) {
    const { status } = await fetch(address as string, { redirect: 'manual' });
    expect([address, status]).toEqual([address, 200]);
  }
  const page = await (await fetch(`http://127.0.0.1:${port}/task/${made['instagram-hashtag']?.id}/`)).text();
  expect(page).toMatch(/<img [^>]*src="[^"]*\/files\/images\//);
  const posts = await get<{ items: { kind: string; file: { url: string } | null }[] }>(
    `/api/v1/jobs/${made['instagram-hashtag']?.id}/items?limit=100`,
  );
  const photo = posts.items.find(({ file }) => file !== null)?.file;
  const picture = await fetch(photo?.url ?? '');
  expect([picture.status, picture.headers.get('content-type')]).toEqual([200, 'image/png']);
  await picture.arrayBuffer();
  const pages = Array.from({ length: 50 }, (_, i) => `pages=page${String(i + 1).padStart(5, '0')}`).join('&');
  expect(JSON.stringify(await get(`/api/fans/multipage/?${pages}`))).toMatch(/[^"\w]\d{3,}/);
  expect(JSON.stringify(await get('/videos/'))).toMatch(/[Cc]ricket/);
  expect(JSON.stringify(await get('/search/?q=crick'))).toMatch(/[Cc]ricket/);

  const commands = await readmeCommands();
  expect(commands.length).toBeGreaterThan(10);
  const curl = 'curl() { command curl -sS --fail-with-body "$@"; }';
  for (const command of commands) {
    const here = command.replaceAll(':8080', `:${port}`).replaceAll('<id>', made['facebook-pages']?.id ?? '');
    await shell(`${curl}; ${here}`);
  }
  const ours = new Set(Object.values(made).map(({ id }) => id));
  const { items: all } = await get<{ items: Seen[] }>('/api/v1/jobs?limit=100');
  const others = new Set(all.map(({ id }) => id).filter((id) => !ours.has(id)));

  const secret = (await readFile(join(data, 'secret'), 'utf8')).trim();
  expect((await stat(join(data, 'secret'))).mode & 0o777).toBe(0o600);
  expect(await first.stop()).toBe(0);
  const secrets = [secret, 'demo-token-of-instagram', 'demo-token-of-facebook', 'demo-key-of-youtube'];
  const said: [string, string][] = [['the screen', first.output], ...(await texts(join(data, 'logs')))];
  for (const [where, text] of said)
    for (const each of secrets) expect([where, text.includes(each)]).toEqual([where, false]);

  const second = start();
  await second.says(/^Ready after/m);
  expect(second.output).not.toMatch(/nothing came/);
  const again = await jobs(others);
  for (const source of SOURCES) {
    expect([source, again[source]?.id]).toEqual([source, made[source]?.id]);
    expect(again[source]?.counts.stored).toBeGreaterThanOrEqual(made[source]?.counts.stored ?? 0);
  }
  expect((await readFile(join(data, 'secret'), 'utf8')).trim()).toBe(secret);
  const { items } = await get<{ items: { name: string; state: string }[] }>('/api/v1/credentials');
  const demo = items.filter(({ name }) => name === 'demo').map(({ state }) => state);
  expect(demo).toEqual(['active', 'active', 'active']);
  expect(await second.stop()).toBe(0);
}, 600_000);

it('is not started without the demo on its data', async () => {
  const started = new Start(['--no-demo', '--data', data, '--port', String(port)], env);
  starts.push(started);
  await started.says(/is a demo's/);
  expect(await started.ended).toBe(1);
});
