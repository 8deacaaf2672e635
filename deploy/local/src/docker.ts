import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { runCommand } from './command.ts';
import { ManagedProcess } from './managed-process.ts';

/** The images that are pulled where a Docker engine is used; compose names the same. */
export const IMAGES = {
  mongodb: 'mongo:8',
  rabbitmq: 'rabbitmq:4-management',
  nginx: 'nginx:1.28',
} as const;

let engine: Promise<string | undefined> | undefined;

/** The version of the Docker engine that answers, asked once; undefined when none does. */
export function dockerEngine(): Promise<string | undefined> {
  engine ??= runCommand('docker', ['info', '--format', '{{.ServerVersion}}'], { timeoutMs: 8000 }).then(
    (seen) => (seen.code === 0 ? seen.stdout.trim() || undefined : undefined),
  );
  return engine;
}

/** Whether the engine has the image, or could pull it now. */
export async function haveImage(image: string, say: (line: string) => void): Promise<boolean> {
  const here = await runCommand('docker', ['image', 'inspect', image], { timeoutMs: 15_000 });
  if (here.code === 0) return true;
  say(`Docker: pulling ${image}`);
  const pulled = await runCommand('docker', ['pull', '-q', image], { timeoutMs: 300_000 });
  if (pulled.code !== 0) say(`Docker: ${image} cannot be pulled`);
  return pulled.code === 0;
}

export interface ContainerSpec {
  /** Short name for messages. */
  name: string;
  data: string;
  image: string;
  /** Options of `docker run` before the image. */
  options: string[];
  /** What the container runs; empty for the image's own command. */
  command?: string[];
}

/** The container's name: one a data directory and server, so that two checkouts don't meet. */
export function containerName(data: string, name: string): string {
  return `magpie-${createHash('sha256').update(data).digest('hex').slice(0, 12)}-${name}`;
}

/**
 * A container that lives as long as its `docker run` process: signals reach it through that, so the warden
 * of our processes guards it too.
 */
export class Container {
  readonly id: string;
  readonly process: ManagedProcess;

  constructor(spec: ContainerSpec) {
    this.id = containerName(spec.data, spec.name);
    this.process = new ManagedProcess({
      name: spec.name,
      command: 'docker',
      args: ['run', '--rm', '--name', this.id, ...spec.options, spec.image, ...(spec.command ?? [])],
      logFile: join(spec.data, 'logs', `${spec.name}.log`),
      pidFile: join(spec.data, 'run', `${spec.name}.docker.json`),
      graceMs: 30_000,
    });
  }

  async start(): Promise<void> {
    await this.#remove();
    await this.process.start();
  }

  async stop(): Promise<void> {
    await this.process.stop();
    await this.#remove();
  }

  async kill(): Promise<void> {
    await runCommand('docker', ['kill', '-s', 'KILL', this.id], { timeoutMs: 30_000 });
    await this.process.ended;
  }

  async signal(name: string): Promise<void> {
    await runCommand('docker', ['kill', '-s', name, this.id], { timeoutMs: 30_000 });
  }

  async #remove(): Promise<void> {
    await runCommand('docker', ['rm', '-f', this.id], { timeoutMs: 60_000 });
  }
}

/** On Linux a container writes into our directories as us; elsewhere the engine maps owners itself. */
export function asOurselves(): string[] {
  const uid = process.getuid?.() ?? 0;
  return process.platform === 'linux' && uid !== 0 ? ['--user', `${uid}:${process.getgid?.() ?? uid}`] : [];
}
