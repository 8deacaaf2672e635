/** The platform's own processes on this machine: gateway, storage, transfer, collectors, and nginx in front of them. */
import { existsSync, readdirSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ManagedProcess } from '../managed-process.ts';
import { startNginx, type Nginx } from '../nginx.ts';
import { freePort, pickPort } from '../ports.ts';
import { sealingSecret } from './secret.ts';

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../../../..');
const COLLECTORS = join(ROOT, 'apps', 'collectors');
/** The services behind the gateway that are no collectors; they need nothing that seals keys. */
const SERVICES = ['storage', 'transfer'];
/** Of one of them; compose sets the same. */
const OF_SERVICE: Readonly<Record<string, NodeJS.ProcessEnv>> = {
  transfer: { NODE_OPTIONS: '--max-semi-space-size=8 --max-old-space-size=128', MALLOC_ARENA_MAX: '1' },
};

/**
 * What keeps a Node process below 150 MB: a small young generation, a bounded old one, few allocator arenas; and
 * threads enough for file calls. The Dockerfile sets the same.
 */
const FRUGAL = {
  NODE_OPTIONS: '--max-semi-space-size=2 --max-old-space-size=128',
  MALLOC_ARENA_MAX: '2',
  UV_THREADPOOL_SIZE: '16',
};

export interface PlatformOptions {
  /** Data directory (`MAGPIE_DATA`). */
  data: string;
  amqpUrl: string;
  mongodbUrl: string;
  /** nginx's port, if it is free. */
  port?: number;
  /** How many of `storage`, of `transfer` and of each collector; 1 where not named, 0 starts none. */
  replicas?: Readonly<Record<string, number>>;
  /** The collectors that are needed first; the others wait for `startRest`. All, unless given. */
  first?: readonly string[];
  /** Further variables, for every process. */
  env?: NodeJS.ProcessEnv;
  /** Base URL of the static addresses; nginx's own address unless given. */
  publicUrl?: string;
  say: (line: string) => void;
  signal?: AbortSignal;
}

export interface Platform {
  /** nginx: what a user reaches. */
  url: string;
  gatewayUrl: string;
  nginx: Nginx;
  /** By name: `gateway`, `storage-1`, `collector-web-images-2` … */
  processes: ReadonlyMap<string, ManagedProcess>;
  /** Starts the collectors that were not needed first; resolves when they have announced themselves. */
  startRest(): Promise<void>;
  /** Starts another replica of `storage`, of `transfer` or of a collector. */
  add(name: string): Promise<ManagedProcess>;
  /** Ends everything in order; may be called twice. */
  stop(): Promise<void>;
}

/** The collectors in this repository, by their source's id. */
export const collectorIds = (): string[] =>
  readdirSync(COLLECTORS)
    .filter((id) => existsSync(join(COLLECTORS, id, 'main.ts')))
    .sort();

/** Starts all of it; resolves when the gateway is ready and every source that is needed first has announced itself. */
export async function startPlatform(options: PlatformOptions): Promise<Platform> {
  const { say, replicas = {}, signal } = options;
  const data = resolve(options.data);
  await mkdir(join(data, 'files', 'images'), { recursive: true });
  const { port, takenBy } = await pickPort(options.port ?? 8080);
  if (takenBy !== undefined) say(`Port ${options.port ?? 8080} is taken by ${takenBy}; using ${port}.`);
  const gatewayPort = await freePort();
  const gatewayUrl = `http://127.0.0.1:${gatewayPort}`;
  const url = `http://127.0.0.1:${port}`;
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    ...FRUGAL,
    NODE_COMPILE_CACHE: join(data, 'compile-cache'),
    ...options.env,
    AMQP_URL: options.amqpUrl,
    MONGODB_URL: options.mongodbUrl,
    MAGPIE_DATA: data,
    MAGPIE_GATEWAY_PORT: String(gatewayPort),
    MAGPIE_PUBLIC_URL: options.publicUrl ?? url,
  };
  const secret = await sealingSecret(data, env);
  const all = collectorIds();
  const first = options.first?.filter((id) => all.includes(id)) ?? all;
  const rest = all.filter((id) => !first.includes(id));
  const processes = new Map<string, ManagedProcess>();
  let nginx: Nginx | undefined;

  const envOf = (name: string): NodeJS.ProcessEnv => ({
    ...env,
    ...OF_SERVICE[name.replace(/-\d+$/, '')],
    MAGPIE_SECRET: SERVICES.some((app) => name.startsWith(`${app}-`)) ? undefined : secret,
  });
  async function start(name: string, main: string): Promise<ManagedProcess> {
    const managed = new ManagedProcess({
      name,
      command: process.execPath,
      args: [main],
      cwd: ROOT,
      env: envOf(name),
      logFile: join(data, 'logs', `${name}.log`),
      pidFile: join(data, 'run', `${name}.json`),
      graceMs: 12_000,
    });
    processes.set(name, managed);
    await managed.start();
    return managed;
  }
  const counts = new Map<string, number>();
  function add(app: string): Promise<ManagedProcess> {
    const number = (counts.get(app) ?? 0) + 1;
    counts.set(app, number);
    return SERVICES.includes(app)
      ? start(`${app}-${number}`, `apps/${app}/src/main.ts`)
      : start(`collector-${app}-${number}`, `apps/collectors/${app}/main.ts`);
  }
  const addAll = async (ids: readonly string[]): Promise<void> => {
    for (const id of ids) for (let i = 0; i < (replicas[id] ?? 1); i++) await add(id);
  };
  /** Resolves when the sources have announced themselves; throws with the end of its log when a collector has ended. */
  async function announced(ids: readonly string[]): Promise<void> {
    const wanted = ids.filter((id) => (replicas[id] ?? 1) > 0);
    const gateway = processes.get('gateway') as ManagedProcess;
    const over = new AbortController();
    const fallen = wanted.map(async (id) => {
      const name = `collector-${id}-1`;
      const managed = processes.get(name) as ManagedProcess;
      await managed.ended;
      if (!over.signal.aborted) throw new Error(`${name} ended while starting:\n${await managed.logTail()}`);
    });
    const stopped = signal ? AbortSignal.any([signal, over.signal]) : over.signal;
    try {
      await Promise.race([
        gateway.waitUntil(() => ready(url, wanted, env['MAGPIE_ADMIN_KEY']), 90_000, stopped),
        ...fallen,
      ]);
    } finally {
      over.abort();
    }
  }
  async function startRest(): Promise<void> {
    await addAll(rest);
    await announced(rest);
  }
  async function stop(): Promise<void> {
    const running = [...processes];
    const of = (prefix: string) =>
      running.filter(([name]) => name.startsWith(prefix)).map(([, managed]) => managed.stop());
    await nginx?.stop();
    await Promise.all([...of('gateway'), ...of('transfer-'), ...of('collector-')]);
    await Promise.all(of('storage-'));
  }

  try {
    await start('gateway', 'apps/gateway/src/main.ts');
    await addAll([...SERVICES, ...first]);
    nginx = await startNginx({
      data,
      filesRoot: join(data, 'files'),
      listenPort: port,
      gatewayUrl,
      say,
      ...(signal ? { signal } : {}),
    });
    await announced(first);
  } catch (error) {
    await stop();
    throw error;
  }
  return { url, gatewayUrl, nginx, processes, startRest, add, stop };
}

async function ready(url: string, sources: readonly string[], key: string | undefined): Promise<void> {
  const get = async (path: string): Promise<unknown> => {
    const answer = await fetch(url + path, {
      signal: AbortSignal.timeout(3000),
      headers: key ? { 'x-api-key': key } : {},
    });
    if (!answer.ok) throw new Error(`${path} answers ${answer.status}`);
    return answer.json();
  };
  await get('/readyz');
  const { items } = (await get('/api/v1/sources?limit=500')) as {
    items: { id: string; lastSeenAt: string }[];
  };
  const missing = sources.filter((id) => !items.some((source) => source.id === id));
  if (missing.length > 0) throw new Error(`not announced yet: ${missing.join(', ')}`);
}
