import { join } from 'node:path';
import { lastLines, runCommand } from './command.ts';
import { asOurselves, Container, haveImage, IMAGES } from './docker.ts';
import { ManagedProcess } from './managed-process.ts';

/** A way to run nginx on a rendered main configuration. */
export interface NginxRunner {
  kind: 'binary' | 'docker';
  /** Version and origin, for one line to a person. */
  version: string;
  origin: string;
  /** Modules that this nginx was built without. */
  without: Set<string>;
  /** Where nginx listens and finds the gateway when that differs from how we see it. */
  listenHost?: string;
  gatewayHost?: string;
  process: ManagedProcess;
  /** `nginx -t`; throws with its complaint. */
  check(): Promise<void>;
  start(): Promise<void>;
  /** SIGHUP. */
  reload(): Promise<void>;
  kill(): Promise<void>;
  stop(): Promise<void>;
  waitUntil(probe: () => Promise<void>): Promise<void>;
}

export interface NginxPlace {
  data: string;
  home: string;
  config: string;
  files: string;
  errorLog: string;
  port: number;
  signal?: AbortSignal | undefined;
}

const START_TIMEOUT_MS = 30_000;

function nginxArguments(place: NginxPlace): string[] {
  return ['-e', place.errorLog, '-p', place.home, '-c', place.config];
}

async function checked(file: string, args: string[]): Promise<void> {
  const seen = await runCommand(file, args, { timeoutMs: 30_000 });
  if (seen.code !== 0) throw new Error(`nginx refuses its configuration:\n${lastLines(seen.stderr)}`);
}

export async function binaryRunner(binary: string, place: NginxPlace): Promise<NginxRunner> {
  const built = await runCommand(binary, ['-V'], { timeoutMs: 10_000 });
  const args = nginxArguments(place);
  const server = new ManagedProcess({
    name: 'nginx',
    command: binary,
    args: [...args, '-g', 'daemon off;'],
    logFile: place.errorLog,
    pidFile: join(place.data, 'run', 'nginx.json'),
    graceMs: 5000,
  });
  return {
    kind: 'binary',
    version: /nginx version: \S+?\/([\d.]+)/.exec(built.stderr)?.[1] ?? '',
    origin: binary,
    without: new Set([...built.stderr.matchAll(/--without-(\w+)/g)].map((match) => match[1] as string)),
    process: server,
    check: () => checked(binary, [...args, '-t']),
    start: () => server.start(),
    reload: async () => {
      if (server.pid === undefined) throw new Error('nginx does not run');
      process.kill(server.pid, 'SIGHUP');
    },
    kill: () => server.kill(),
    stop: () => server.stop(),
    waitUntil: (probe) => server.waitUntil(probe, START_TIMEOUT_MS, place.signal),
  };
}

/** nginx in a container that sees our directories under their own paths; undefined without the image. */
export async function containerRunner(
  place: NginxPlace,
  say: (line: string) => void,
): Promise<NginxRunner | undefined> {
  if (!(await haveImage(IMAGES.nginx, say))) return undefined;
  const logs = join(place.data, 'logs');
  const mounts = [`${place.home}:${place.home}`, `${logs}:${logs}`, `${place.files}:${place.files}:ro`];
  const shared = process.platform === 'linux';
  const options = [
    ...asOurselves(),
    ...mounts.flatMap((mount) => ['-v', mount]),
    ...(shared ? ['--network', 'host'] : ['-p', `127.0.0.1:${place.port}:${place.port}`]),
    ...['--entrypoint', 'nginx'],
  ];
  const args = nginxArguments(place);
  const command = [...args, '-g', 'daemon off;'];
  const container = new Container({ name: 'nginx', data: place.data, image: IMAGES.nginx, options, command });
  return {
    kind: 'docker',
    version: IMAGES.nginx.split(':')[1] ?? '',
    origin: `Docker image ${IMAGES.nginx}`,
    without: new Set(),
    ...(shared ? {} : { listenHost: '0.0.0.0', gatewayHost: 'host.docker.internal' }),
    process: container.process,
    check: () => checked('docker', ['run', '--rm', ...options, IMAGES.nginx, ...args, '-t']),
    start: () => container.start(),
    reload: () => container.signal('HUP'),
    kill: () => container.kill(),
    stop: () => container.stop(),
    waitUntil: (probe) => container.process.waitUntil(probe, START_TIMEOUT_MS, place.signal),
  };
}
