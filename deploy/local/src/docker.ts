import type { RunningServer, StartOptions } from './server.ts';
import { runCommand } from './command.ts';

let engine: Promise<string | undefined> | undefined;

/** The version of the Docker engine that answers, asked once; undefined when none does. */
export function dockerEngine(): Promise<string | undefined> {
  engine ??= runCommand('docker', ['info', '--format', '{{.ServerVersion}}'], { timeoutMs: 8000 }).then(
    (seen) => (seen.code === 0 ? seen.stdout.trim() || undefined : undefined),
  );
  return engine;
}
export async function startRabbitmqContainer(_: StartOptions): Promise<RunningServer | undefined> {
  return undefined;
}
export async function startMongoContainer(_: StartOptions): Promise<RunningServer | undefined> {
  return undefined;
}
