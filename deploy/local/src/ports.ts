import { randomInt } from 'node:crypto';
import { readFile, readdir, readlink } from 'node:fs/promises';
import { createServer } from 'node:net';
import { runCommand } from './command.ts';

/**
 * Where free ports are looked for: below those that systems give to outgoing connections (from 32768 on Linux, from
 * 49152 elsewhere). Such a connection may take a port between its choice and its server's start, or its restart.
 */
const FREE = { from: 10_000, below: 30_000 };
const TRIES = 100;

/**
 * The preferred port when nobody listens on it, otherwise a free one, with a
 * description of who holds the preferred one (best effort, as `name (pid n)`). The port is free at the
 * moment of the answer; it is not reserved.
 */
export async function pickPort(
  preferred: number,
  host = '127.0.0.1',
): Promise<{ port: number; takenBy?: string }> {
  if (preferred !== 0 && (await tryListen(preferred, host)) !== undefined) return { port: preferred };
  const port = await anyFree(host);
  if (port === undefined) throw new Error(`no free TCP port on ${host}`);
  if (preferred === 0) return { port };
  return { port, takenBy: (await portHolder(preferred)) ?? 'another program' };
}

/** A port that nobody listens on right now. */
export async function freePort(host = '127.0.0.1'): Promise<number> {
  return (await pickPort(0, host)).port;
}

async function anyFree(host: string): Promise<number | undefined> {
  for (let i = 0; i < TRIES; i++) {
    const port = await tryListen(randomInt(FREE.from, FREE.below), host);
    if (port !== undefined) return port;
  }
  return tryListen(0, host);
}

function tryListen(port: number, host: string): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen({ port, host, exclusive: true }, () => {
      const address = server.address();
      const got = typeof address === 'object' && address !== null ? address.port : undefined;
      server.close(() => resolve(got));
    });
  });
}

/** Who listens on a TCP port, as `name (pid n)`; undefined when that cannot be seen. */
export async function portHolder(port: number): Promise<string | undefined> {
  return process.platform === 'linux' ? linuxHolder(port) : lsofHolder(port);
}

async function linuxHolder(port: number): Promise<string | undefined> {
  const wanted = await listeningInodes(port);
  if (wanted.size === 0) return undefined;
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const fds = await readdir(`/proc/${pid}/fd`).catch(() => []);
    for (const fd of fds) {
      const target = await readlink(`/proc/${pid}/fd/${fd}`).catch(() => '');
      const inode = /^socket:\[(\d+)\]$/.exec(target)?.[1];
      if (inode === undefined || !wanted.has(inode)) continue;
      const name = (await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '')).trim();
      return `${name || 'a process'} (pid ${pid})`;
    }
  }
  return undefined;
}

/** Socket inodes in state LISTEN (0A) on the port, from the kernel's IPv4 and IPv6 tables. */
async function listeningInodes(port: number): Promise<Set<string>> {
  const hexPort = port.toString(16).toUpperCase().padStart(4, '0');
  const inodes = new Set<string>();
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    const text = await readFile(table, 'utf8').catch(() => '');
    for (const line of text.split('\n').slice(1)) {
      const fields = line.trim().split(/\s+/);
      if (fields[3] === '0A' && fields[1]?.endsWith(`:${hexPort}`) && fields[9]) inodes.add(fields[9]);
    }
  }
  return inodes;
}

async function lsofHolder(port: number): Promise<string | undefined> {
  const seen = await runCommand('lsof', ['-nP', `-iTCP:${port}`, '-sTCP:LISTEN', '-Fpc'], {
    timeoutMs: 5000,
  });
  const pid = /^p(\d+)$/m.exec(seen.stdout)?.[1];
  const name = /^c(.+)$/m.exec(seen.stdout)?.[1];
  return pid === undefined ? undefined : `${name ?? 'a process'} (pid ${pid})`;
}
