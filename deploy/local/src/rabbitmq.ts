import { createHash, randomBytes } from 'node:crypto';
import { access, chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join, resolve } from 'node:path';
import { findExecutable, lastLines, runCommand } from './command.ts';
import { ManagedProcess } from './managed-process.ts';
import { stopStale } from './pid-file.ts';
import { freePort, pickPort } from './ports.ts';
import type { RunningServer, StartOptions } from './server.ts';

/** Debian's plain scripts come first: its wrappers on PATH insist on root or the user `rabbitmq`. */
const PLACES = [
  '/usr/lib/rabbitmq/bin/rabbitmq-server',
  'rabbitmq-server',
  '/usr/sbin/rabbitmq-server',
  '/opt/homebrew/sbin/rabbitmq-server',
  '/usr/local/sbin/rabbitmq-server',
];

export function findRabbitmq(env: NodeJS.ProcessEnv): Promise<string | undefined> {
  return findExecutable(PLACES, env);
}

/**
 * Runs a RabbitMQ node of our own: its name is made from the data directory (its data is bound to that name, so
 * it survives a change of ports), everything listens on loopback, epmd is private, no plugins. Leaves a
 * `rabbitmqctl` beside the data that talks to this node. Resolves when AMQP answers.
 */
export async function startRabbitmq(binary: string, options: StartOptions): Promise<RunningServer> {
  const { say, signal } = options;
  const data = resolve(options.data);
  const home = join(data, 'rabbitmq');
  await mkdir(home, { recursive: true });
  const node = `magpie-${createHash('sha256').update(home).digest('hex').slice(0, 12)}@localhost`;
  const pidFiles = { epmd: join(data, 'run', 'epmd.json'), rabbitmq: join(data, 'run', 'rabbitmq.json') };
  if (await stopStale(pidFiles.rabbitmq, 'RabbitMQ')) say('RabbitMQ: stopped one that an earlier crash left');
  await stopStale(pidFiles.epmd, 'epmd');

  const lastPort = Number(await readFile(join(home, 'port'), 'utf8').catch(() => ''));
  const preferred = options.ports.rabbitmq ?? (lastPort || 5672);
  const { port, takenBy } = await pickPort(preferred);
  if (takenBy !== undefined) say(`RabbitMQ: port ${preferred} is taken by ${takenBy}; using ${port}`);
  const [distPort, epmdPort] = [await freePort(), await freePort()];
  await writeConfiguration(home, port);

  const env = nodeEnvironment(options.env, { home, node, port, distPort, epmdPort });
  const scripts = binary.replace(/rabbitmq-server$/, '');
  const ctl = (await findExecutable([`${scripts}rabbitmqctl`, 'rabbitmqctl'], options.env)) ?? 'rabbitmqctl';
  await writeCtl(join(home, 'rabbitmqctl'), ctl, env);

  const epmd = new ManagedProcess({
    name: 'epmd',
    command: await findEpmd(options.env),
    args: ['-address', '127.0.0.1', '-port', String(epmdPort)],
    env,
    logFile: join(data, 'logs', 'epmd.log'),
    pidFile: pidFiles.epmd,
    graceMs: 3000,
  });
  const server = new ManagedProcess({
    name: 'RabbitMQ',
    command: binary,
    args: [],
    env,
    cwd: home,
    logFile: join(data, 'logs', 'rabbitmq.log'),
    pidFile: pidFiles.rabbitmq,
    graceMs: 30_000,
    // An Erlang VM that has just begun may miss one.
    termEveryMs: 1000,
  });
  const up = async (): Promise<void> => {
    await epmd.start();
    await server.start();
    await server.waitUntil(() => amqpAnswers('127.0.0.1', port), 90_000, signal);
  };
  const stop = async (): Promise<void> => {
    await server.stop();
    await epmd.stop();
  };
  try {
    await up();
  } catch (error) {
    await stop();
    throw error;
  }
  const version = (await amqpServerVersion('127.0.0.1', port)) ?? '';
  return {
    url: `amqp://guest:guest@127.0.0.1:${port}`,
    kind: 'binary',
    source: `RabbitMQ ${version} at amqp://127.0.0.1:${port} (${binary}; data in ${home})`.replace('  ', ' '),
    process: server,
    kill: () => server.kill(),
    restart: async () => {
      await server.stop();
      await up();
    },
    stop,
  };
}

async function writeConfiguration(home: string, port: number): Promise<void> {
  await writeFile(join(home, 'port'), String(port));
  await writeFile(join(home, 'enabled_plugins'), '[].\n');
  await writeFile(join(home, 'rabbitmq-env.conf'), '# everything comes from the environment\n');
  await writeFile(
    join(home, 'rabbitmq.conf'),
    [
      `listeners.tcp.1 = 127.0.0.1:${port}`,
      'log.console = true',
      'log.console.level = info',
      'log.file = false',
      'disk_free_limit.absolute = 200MB',
      // What is in the log is in memory too, until it is full and begun anew.
      'raft.wal_max_size_bytes = 67108864',
      '',
    ].join('\n'),
  );
  const cookie = join(home, '.erlang.cookie');
  await access(cookie).catch(async () => {
    await writeFile(cookie, randomBytes(24).toString('hex'), { mode: 0o400 });
  });
}

interface NodeNames {
  home: string;
  node: string;
  port: number;
  distPort: number;
  epmdPort: number;
}

function nodeEnvironment(base: NodeJS.ProcessEnv, names: NodeNames): NodeJS.ProcessEnv {
  const { home } = names;
  const loopback = '-kernel inet_dist_use_interface {127,0,0,1}';
  const kept = Object.entries(base).filter(([name]) => !/^(RABBITMQ_|ERL_)/.test(name));
  return {
    ...Object.fromEntries(kept),
    HOME: home,
    ERL_EPMD_PORT: String(names.epmdPort),
    ERL_EPMD_ADDRESS: '127.0.0.1',
    RABBITMQ_NODENAME: names.node,
    RABBITMQ_NODE_IP_ADDRESS: '127.0.0.1',
    RABBITMQ_NODE_PORT: String(names.port),
    RABBITMQ_DIST_PORT: String(names.distPort),
    RABBITMQ_MNESIA_BASE: join(home, 'mnesia'),
    RABBITMQ_LOG_BASE: join(home, 'log'),
    RABBITMQ_PID_FILE: join(home, 'node.pid'),
    RABBITMQ_ENABLED_PLUGINS_FILE: join(home, 'enabled_plugins'),
    RABBITMQ_CONF_ENV_FILE: join(home, 'rabbitmq-env.conf'),
    RABBITMQ_CONFIG_FILE: join(home, 'rabbitmq.conf'),
    RABBITMQ_ADVANCED_CONFIG_FILE: join(home, 'advanced.config'),
    RABBITMQ_GENERATED_CONFIG_DIR: join(home, 'config'),
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: loopback,
    RABBITMQ_CTL_ERL_ARGS: loopback,
    // Makes the start script exec the Erlang VM, which then gets our signals itself.
    RUNNING_UNDER_SYSTEMD: 'true',
  };
}

/** A script that runs rabbitmqctl against this node. */
async function writeCtl(file: string, ctl: string, env: NodeJS.ProcessEnv): Promise<void> {
  const names = Object.keys(env).filter((name) => /^(RABBITMQ_|ERL_|HOME$)/.test(name));
  const lines = names.map((name) => `export ${name}='${env[name] ?? ''}'`);
  await writeFile(file, ['#!/bin/sh', ...lines, `exec '${ctl}' "$@"`, ''].join('\n'));
  await chmod(file, 0o755);
}

/** epmd is on PATH with Debian; elsewhere it lies beside the Erlang VM. */
async function findEpmd(env: NodeJS.ProcessEnv): Promise<string> {
  const onPath = await findExecutable(['epmd'], env);
  if (onPath !== undefined) return onPath;
  const code = 'io:format("~s",[code:root_dir()]),halt().';
  const root = await runCommand('erl', ['-noshell', '-eval', code], { timeoutMs: 15_000, env });
  const version = await readFile(join(root.stdout.trim(), 'releases', 'RELEASES'), 'utf8').catch(() => '');
  const erts = /"(\d+(?:\.\d+)+)",\s*\[\{kernel/.exec(version)?.[1];
  const found = await findExecutable([join(root.stdout.trim(), `erts-${erts ?? ''}`, 'bin', 'epmd')], env);
  if (found === undefined) throw new Error('RabbitMQ is here but Erlang’s epmd is not found on PATH');
  return found;
}

/**
 * Resolves when an AMQP 0-9-1 server greets: after the protocol header it must send Connection.Start.
 * Rejects on anything else, and after 2 s.
 */
export async function amqpAnswers(host: string, port: number): Promise<void> {
  await greeting(host, port);
}

/** The server's own version, from the properties in Connection.Start. */
export async function amqpServerVersion(host: string, port: number): Promise<string | undefined> {
  const frame = await greeting(host, port).catch(() => undefined);
  // A field of the table: its name, the type S, four bytes of length, the text.
  const text = frame?.toString('latin1').split('versionS')[1]?.slice(4);
  return text === undefined ? undefined : /^[\d.]+/.exec(text)?.[0];
}

function greeting(host: string, port: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port });
    let got = Buffer.alloc(0);
    const fail = (error: Error): void => {
      socket.destroy();
      reject(error);
    };
    socket.setTimeout(2000, () => fail(new Error('no answer to the AMQP header')));
    socket.once('error', fail);
    socket.once('close', () => reject(new Error('connection closed before the AMQP greeting')));
    socket.once('connect', () => socket.write('AMQP\x00\x00\x09\x01', 'latin1'));
    socket.on('data', (chunk) => {
      got = Buffer.concat([got, chunk]);
      if (got.length < 7 || got.length < 7 + got.readUInt32BE(3)) return;
      // Frame type 1 (method), class 10, method 10: Connection.Start.
      if (got[0] !== 1 || got.readUInt32BE(7) !== 0x000a000a)
        return fail(new Error('not an AMQP 0-9-1 server'));
      resolve(got);
      socket.destroy();
    });
  });
}

/** Runs the node's `rabbitmqctl`; throws with its complaint. */
export async function rabbitmqctl(script: string, args: string[]): Promise<string> {
  const done = await runCommand(script, args, { timeoutMs: 60_000 });
  if (done.code !== 0)
    throw new Error(`rabbitmqctl ${args[0] ?? ''}: ${lastLines(done.stderr || done.stdout)}`);
  return done.stdout;
}
