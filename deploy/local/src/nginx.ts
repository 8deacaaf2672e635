import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import { findExecutable, runCommand } from './command.ts';
import { dockerEngine } from './docker.ts';
import type { ManagedProcess } from './managed-process.ts';
import { mainConfig, NGINX_TEMPLATE, renderTemplate } from './nginx-config.ts';
import { binaryRunner, containerRunner, type NginxPlace, type NginxRunner } from './nginx-runner.ts';
import { stopStale } from './pid-file.ts';
import { pickPort } from './ports.ts';
import { installPackage } from './system-packages.ts';

const PLACES = [
  'nginx',
  '/usr/sbin/nginx',
  '/opt/homebrew/bin/nginx',
  '/usr/local/bin/nginx',
  '/usr/local/sbin/nginx',
];

export interface StartNginxOptions {
  /** Data directory of the platform; nginx keeps its own in `nginx/` and `logs/` below it. */
  data: string;
  /** Directory behind `/files/`; made when missing. */
  filesRoot: string;
  listenPort: number;
  /** Address to listen on, default 127.0.0.1. */
  listenHost?: string;
  /** Base URL of the gateway, for example `http://127.0.0.1:3000`; only host and port are used. */
  gatewayUrl: string;
  say: (line: string) => void;
  env?: NodeJS.ProcessEnv;
  signal?: AbortSignal;
  /** Use this kind alone; default: a binary, then Docker, then the system's package manager. */
  only?: 'binary' | 'docker';
}

export interface Nginx {
  /** Without a slash at its end. */
  url: string;
  kind: 'binary' | 'docker';
  /** One line for a person. */
  source: string;
  /** Renders the configuration again, perhaps for another gateway, checks it and applies it without a break. */
  reload(changes?: { gatewayUrl?: string }): Promise<void>;
  /** SIGKILL, as a crash. */
  kill(): Promise<void>;
  /** Starts it again, on the same port. */
  restart(): Promise<void>;
  /** What runs it. */
  process: ManagedProcess;
  /** May be called twice. */
  stop(): Promise<void>;
}

/**
 * Starts nginx in front of the gateway. Resolves when it serves; the gateway need not be up. Throws nginx's own
 * complaint when the configuration or the port is not accepted.
 */
export async function startNginx(options: StartNginxOptions): Promise<Nginx> {
  const { listenPort, say } = options;
  const host = options.listenHost ?? '127.0.0.1';
  const data = resolve(options.data);
  const home = join(data, 'nginx');
  const place: NginxPlace = {
    data,
    home,
    config: join(home, 'nginx.conf'),
    files: resolve(options.filesRoot),
    errorLog: join(data, 'logs', 'nginx.log'),
    port: listenPort,
    signal: options.signal,
  };
  for (const folder of [join(home, 'temp'), join(data, 'logs'), place.files]) {
    await mkdir(folder, { recursive: true });
  }
  if (await stopStale(join(data, 'run', 'nginx.json'), 'nginx')) {
    say('nginx: stopped one that an earlier crash left');
  }
  const { takenBy } = await pickPort(listenPort, host);
  if (takenBy !== undefined) throw new Error(`nginx: port ${listenPort} on ${host} is taken by ${takenBy}`);
  let gateway = new URL(options.gatewayUrl);
  const runner = await findRunner(options, place);
  const write = async (): Promise<void> => {
    const fragment = renderTemplate(await readFile(NGINX_TEMPLATE, 'utf8'), {
      listen: `${inUrl(runner.listenHost ?? host)}:${listenPort}`,
      gateway: `${runner.gatewayHost ?? gateway.hostname}:${gateway.port || '80'}`,
      files: place.files,
      temp: join(home, 'temp'),
      accessLog: 'off',
    });
    const user = await workerUser();
    const about = { home, errorLog: place.errorLog, without: runner.without };
    await writeFile(place.config, mainConfig(fragment, user === undefined ? about : { ...about, user }));
    await runner.check();
  };
  const url = `http://${inUrl(host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host)}:${listenPort}`;
  const up = async (): Promise<void> => {
    await runner.start();
    await runner.waitUntil(() => serves(url));
  };
  try {
    await write();
    await up();
  } catch (error) {
    await runner.stop();
    throw error;
  }
  return {
    url,
    kind: runner.kind,
    source: `nginx ${runner.version} at ${url} (${runner.origin}; files in ${place.files})`,
    process: runner.process,
    reload: async (changes) => {
      if (changes?.gatewayUrl !== undefined) gateway = new URL(changes.gatewayUrl);
      await write();
      await runner.reload();
    },
    kill: () => runner.kill(),
    restart: async () => {
      await runner.stop();
      await up();
    },
    stop: () => runner.stop(),
  };
}

function inUrl(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

/** Started as root, nginx would drop to a user who cannot read a data directory in root's home. */
async function workerUser(): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const group = await runCommand('id', ['-gn'], { timeoutMs: 5000 });
  return `${userInfo().username} ${group.stdout.trim()}`.trim();
}

async function serves(url: string): Promise<void> {
  const answer = await fetch(`${url}/nginx-healthz`, {
    signal: AbortSignal.timeout(2000),
    headers: { connection: 'close' },
  });
  const text = await answer.text();
  if (!answer.ok || text !== 'ok\n')
    throw new Error(`${url} is answered by something else (${answer.status})`);
}

async function findRunner(options: StartNginxOptions, place: NginxPlace): Promise<NginxRunner> {
  const env = options.env ?? process.env;
  const { only, say, signal } = options;
  const installed = only === 'docker' ? undefined : await findExecutable(PLACES, env);
  if (installed !== undefined) return binaryRunner(installed, place);
  if (only !== 'binary' && (await dockerEngine()) !== undefined) {
    const container = await containerRunner(place, say);
    if (container !== undefined) return container;
  }
  if (only === 'docker') throw new Error('nginx: no Docker engine that has or can pull the image');
  await installPackage('nginx-light', {
    purpose: 'nginx',
    say,
    signal,
    elsewhere: 'Install it (macOS: brew install nginx)',
  });
  const found = await findExecutable(PLACES, env);
  if (found === undefined) throw new Error('nginx was installed but its binary is not found');
  return binaryRunner(found, place);
}
