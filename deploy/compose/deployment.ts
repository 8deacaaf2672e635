/** One deployment by docker-compose.yml for the test: a project of its own, with its own secrets, port and volumes. */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const ROOT = resolve(import.meta.dirname, '../..');

/** What the test needs to see of a job. */
export interface SeenJob {
  id: string;
  state: string;
  counts: Record<'discovered' | 'stored' | 'shared' | 'skipped' | 'failed' | 'pending', number>;
  error: unknown;
}

export interface SeenImage {
  url: string;
  static_url: string;
  sha256: string;
}

/** One line of `docker compose ps`. */
export interface SeenContainer {
  ID: string;
  Name: string;
  Service: string;
  State: string;
  Health: string;
}

/** What the test looks at in `docker inspect`. */
export interface Inspected {
  HostConfig: {
    NetworkMode: string;
    PortBindings: Record<string, unknown> | null;
    CapDrop: string[] | null;
    SecurityOpt: string[] | null;
    Privileged: boolean;
  };
}

/** The name of the site of test.override.yml on the collectors' network. */
export const SITE = 'http://pictures.test:8000';

export class Deployment {
  readonly url: string;
  readonly key = secret();
  /** What seals the keys of providers. */
  readonly sealing = secret();
  readonly #project = `magpie-test-${randomBytes(3).toString('hex')}`;
  readonly #home: string;
  readonly #signal: AbortSignal;

  private constructor(home: string, port: number, signal: AbortSignal) {
    this.#home = home;
    this.#signal = signal;
    this.url = `http://127.0.0.1:${port}`;
  }

  /** Writes the project's .env; nothing is started. */
  static async prepare(options: { gateway: string; signal: AbortSignal }): Promise<Deployment> {
    const port = await freePort();
    const home = await mkdtemp(join(tmpdir(), 'magpie-compose-'));
    const deployment = new Deployment(home, port, options.signal);
    const variables = {
      MAGPIE_ADMIN_KEY: deployment.key,
      MAGPIE_SECRET: deployment.sealing,
      MAGPIE_RABBITMQ_PASSWORD: secret(),
      MAGPIE_MONGO_PASSWORD: secret(),
      MAGPIE_MONGO_ROOT_PASSWORD: secret(),
      MAGPIE_PORT: `127.0.0.1:${port}`,
      MAGPIE_PUBLIC_URL: deployment.url,
      // Docker's own networks, where the site of the test is.
      MAGPIE_ALLOW_ADDRESSES: '10.0.0.0/8,172.16.0.0/12,192.168.0.0/16',
      MAGPIE_HOST_CONCURRENCY: '16',
      MAGPIE_STEP_TIMEOUT: '15s',
      MAGPIE_MONGO_CACHE_GB: '0.5',
      TEST_NGINX_GATEWAY: options.gateway,
    };
    const lines = Object.entries(variables).map(([name, value]) => `${name}=${value}\n`);
    await writeFile(join(home, '.env'), lines.join(''), { mode: 0o600 });
    return deployment;
  }

  /** `docker compose …` in this project; its output. Throws with the end of what it printed when it fails. */
  compose(args: string[], { timeoutMs = 120_000, signal = this.#signal }: RunOptions = {}): Promise<string> {
    const files = ['-f', 'docker-compose.yml', '-f', 'deploy/compose/test.override.yml'];
    const env = ['--env-file', join(this.#home, '.env')];
    return docker(['compose', '-p', this.#project, ...env, ...files, ...args], { timeoutMs, signal });
  }

  /** Builds and starts everything; resolves when every service is healthy. */
  async up(...args: string[]): Promise<void> {
    await this.compose(['up', '-d', '--wait', '--wait-timeout', '240', ...args], { timeoutMs: 900_000 });
  }

  /** What a command prints inside a service's container. */
  exec(service: string, ...command: string[]): Promise<string> {
    return this.compose(['exec', '-T', service, ...command], { timeoutMs: 30_000 });
  }

  async containers(...args: string[]): Promise<SeenContainer[]> {
    const text = await this.compose(['ps', '--format', 'json', ...args]);
    return text
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as SeenContainer);
  }

  async inspect(container: SeenContainer): Promise<Inspected> {
    const text = await docker(['inspect', container.ID], { signal: this.#signal });
    return (JSON.parse(text) as [Inspected])[0];
  }

  /** A request through nginx with the key. */
  async call<T>(path: string, body?: unknown): Promise<T> {
    const answer = await fetch(new URL(path, this.url), {
      signal: AbortSignal.any([this.#signal, AbortSignal.timeout(10_000)]),
      headers: {
        'x-api-key': this.key,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${path} answers ${answer.status}: ${text.slice(0, 300)}`);
    return JSON.parse(text) as T;
  }

  async submit(task: 'images_tasks' | 'text_tasks', page: string): Promise<string> {
    return (await this.call<SeenJob>(`/${task}`, { url: `${SITE}${page}` })).id;
  }

  job(id: string): Promise<SeenJob> {
    return this.call<SeenJob>(`/api/v1/jobs/${id}`);
  }

  async images(id: string): Promise<SeenImage[]> {
    const all: SeenImage[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const query: string = cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`;
      const page: { items: SeenImage[]; next: string | null } = await this.call(
        `/images_tasks/${id}/images?limit=500${query}`,
      );
      all.push(...page.items);
      cursor = page.next;
    }
    return all;
  }

  /** Asks until it holds, also through failures; throws with the last answer when it doesn't in time. */
  async until<T>(what: string, ask: () => Promise<T>, holds: (value: T) => boolean, ms = 90_000): Promise<T> {
    const deadline = Date.now() + ms;
    for (;;) {
      let seen: unknown;
      try {
        const value = await ask();
        if (holds(value)) return value;
        seen = value;
      } catch (error) {
        seen = (error as Error).message;
      }
      this.#signal.throwIfAborted();
      if (Date.now() > deadline)
        throw new Error(`${what}: not within ${ms / 1000} s; last ${JSON.stringify(seen).slice(0, 600)}`);
      await new Promise((done) => setTimeout(done, 150));
    }
  }

  /** Requests that the site has had, by path with query. */
  async siteCounts(): Promise<Record<string, number>> {
    const script = 'process.stdout.write(await (await fetch("http://127.0.0.1:8000/counts")).text())';
    return JSON.parse(await this.exec('site', 'node', '--input-type=module', '-e', script)) as Record<
      string,
      number
    >;
  }

  /** The same project, its port given up; volumes stay. */
  async down(): Promise<void> {
    await this.compose(['down', '--timeout', '60'], { timeoutMs: 180_000 });
  }

  /** Removes all of it, also after an abort: containers, volumes, networks, images that were built. Never throws. */
  async remove(): Promise<void> {
    const never = new AbortController().signal;
    const args = ['down', '-v', '--rmi', 'local', '--remove-orphans', '--timeout', '5'];
    await this.compose(args, { timeoutMs: 180_000, signal: never }).catch((error: Error) => {
      console.error(`The project ${this.#project} could not be removed: ${error.message}`);
    });
    await rm(this.#home, { recursive: true, force: true });
  }
}

export interface RunOptions {
  timeoutMs?: number;
  signal?: AbortSignal;
}

/** Runs docker; what it wrote to standard output. Throws with the end of its messages when it fails. */
export function docker(args: string[], { timeoutMs = 60_000, signal }: RunOptions = {}): Promise<string> {
  return new Promise((done, fail) => {
    if (signal?.aborted) return fail(signal.reason as Error);
    // Detached: a Ctrl-C on the terminal is for the test, which then takes down what it started.
    const child = spawn('docker', args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    let out = '';
    let messages = '';
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (messages += chunk.toString()));
    const end = (): boolean => child.kill('SIGTERM');
    const timer = setTimeout(() => {
      messages += `\nnot finished after ${timeoutMs / 1000} s`;
      end();
    }, timeoutMs);
    signal?.addEventListener('abort', end, { once: true });
    child.once('error', (error) => (messages += error.message));
    child.once('close', (code) => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
      if (code === 0) return done(out);
      const last = `${out}\n${messages}`.trim().split('\n').slice(-25).join('\n');
      fail(new Error(`docker ${args.filter((arg) => !arg.includes('/')).join(' ')}\n${last}`));
    });
  });
}

const secret = (): string => randomBytes(16).toString('hex');

function freePort(): Promise<number> {
  return new Promise((done, fail) => {
    const server = createServer().once('error', fail);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => done(port));
    });
  });
}
