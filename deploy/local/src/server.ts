import type { ManagedProcess } from './managed-process.ts';

/** How a server came to us; data made by one kind is not opened by another (their versions differ). */
export type ServerKind = 'url' | 'binary' | 'docker';

/** A RabbitMQ or MongoDB that is up. */
export interface RunningServer {
  url: string;
  kind: ServerKind;
  /** One line for a person: what, which version, where, from where. */
  source: string;
  /** What runs it here; undefined for a server given by URL. */
  process: ManagedProcess | undefined;
  /** SIGKILL, as a crash: nothing is flushed, the data stays. Throws for a server given by URL. */
  kill(): Promise<void>;
  /** Starts it again after `kill` or a crash (or stops it first), on the same port and data, and waits until it answers. */
  restart(): Promise<void>;
  /** Orderly end; may be called twice. A server given by URL is left alone. */
  stop(): Promise<void>;
}

export interface StartOptions {
  /** Data directory of the whole platform (`MAGPIE_DATA`). */
  data: string;
  env: NodeJS.ProcessEnv;
  say: (line: string) => void;
  signal?: AbortSignal | undefined;
  ports: { rabbitmq?: number; mongodb?: number };
  only: 'binary' | 'docker' | undefined;
}

/** A server that somebody else runs. */
export function serverByUrl(name: string, url: string, variable: string): RunningServer {
  const refuse = (): Promise<void> =>
    Promise.reject(new Error(`${name} is given by ${variable}: not ours to stop`));
  return {
    url,
    kind: 'url',
    source: `${name} at ${withoutPassword(url)} (given by ${variable})`,
    process: undefined,
    kill: refuse,
    restart: refuse,
    stop: async () => {},
  };
}

export function withoutPassword(url: string): string {
  return url.replace(/\/\/[^@/]*@/, '//');
}
