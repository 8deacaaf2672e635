import { access, readFile, rm, writeFile } from 'node:fs/promises';
import { findExecutable, lastLines, runCommand } from './command.ts';

let queue: Promise<unknown> = Promise.resolve();

/**
 * Installs one package with the system's package manager: as root on Debian and its kin. Everywhere else it
 * throws with the exact command to type. The package's service is kept from starting: we run the binary
 * ourselves, on our own port and data. Calls in one process run one after the other.
 */
export function installPackage(
  name: string,
  options: {
    purpose: string;
    say: (line: string) => void;
    signal?: AbortSignal | undefined;
    elsewhere?: string;
  },
): Promise<void> {
  const next = queue.then(() => install(name, options));
  queue = next.catch(() => {});
  return next;
}

async function install(
  name: string,
  { purpose, say, signal, elsewhere }: Parameters<typeof installPackage>[1],
): Promise<void> {
  const apt = await findExecutable(['apt-get']);
  const steps = `apt-get update && apt-get install -y --no-install-recommends ${name}`;
  if (apt === undefined) {
    throw new Error(
      `${purpose} is missing and this system has no apt-get. ${elsewhere ?? `Install ${name}`}`,
    );
  }
  if (process.getuid?.() !== 0) {
    throw new Error(`${purpose} is missing and only root may install it. Type: sudo sh -c '${steps}'`);
  }
  say(`${purpose}: installing the package ${name} (apt-get)`);
  const lock = [
    '-o',
    'DPkg::Lock::Timeout=180',
    '-o',
    'Acquire::Retries=1',
    '-o',
    'Acquire::http::Timeout=20',
  ];
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' };
  const update = await runCommand(apt, [...lock, 'update'], { timeoutMs: 180_000, env, signal });
  const restore = await denyServiceStarts();
  try {
    const done = await runCommand(apt, [...lock, 'install', '-y', '--no-install-recommends', name], {
      timeoutMs: 600_000,
      env,
      signal,
    });
    signal?.throwIfAborted();
    if (done.code !== 0) {
      const why = lastLines(done.stderr || done.stdout) || lastLines(update.stderr);
      throw new Error(`${purpose} is missing and its package cannot be installed. Type: ${steps}\n${why}`);
    }
  } finally {
    await restore();
  }
}

/** Debian asks /usr/sbin/policy-rc.d before a package starts its service; 101 forbids it. */
async function denyServiceStarts(): Promise<() => Promise<void>> {
  const policy = '/usr/sbin/policy-rc.d';
  const exists = await access(policy).then(
    () => true,
    () => false,
  );
  if (exists) return async () => {};
  const text = `#!/bin/sh\n# for one installation, by pid ${process.pid}\nexit 101\n`;
  await writeFile(policy, text, { mode: 0o755 });
  return async () => {
    if ((await readFile(policy, 'utf8').catch(() => '')) === text) await rm(policy, { force: true });
  };
}
