import { spawn } from 'node:child_process';
import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';

export interface CommandResult {
  /** Exit code; -1 when the command could not be started, was killed or ran out of time. */
  code: number;
  stdout: string;
  stderr: string;
}

/**
 * Runs a command to its end and returns what it printed; never throws. Stdin is empty. After `timeoutMs`
 * (default 30,000) or when `signal` fires, the command is killed and the code is -1.
 */
export function runCommand(
  file: string,
  args: string[],
  options: {
    timeoutMs?: number;
    env?: NodeJS.ProcessEnv;
    cwd?: string;
    signal?: AbortSignal | undefined;
  } = {},
): Promise<CommandResult> {
  return new Promise((resolve) => {
    const result: CommandResult = { code: -1, stdout: '', stderr: '' };
    const child = spawn(file, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
      env: options.env ?? process.env,
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    });
    const killAll = (): void => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
      } catch {
        child.kill('SIGKILL');
      }
    };
    const timer = setTimeout(() => {
      result.stderr += `\nkilled: not finished after ${(options.timeoutMs ?? 30_000) / 1000} s`;
      killAll();
    }, options.timeoutMs ?? 30_000);
    options.signal?.addEventListener('abort', killAll, { once: true });
    child.stdout.on('data', (chunk: Buffer) => (result.stdout += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (result.stderr += chunk.toString()));
    const end = (): void => {
      clearTimeout(timer);
      options.signal?.removeEventListener('abort', killAll);
      resolve(result);
    };
    child.once('error', (error) => {
      result.stderr += error.message;
      end();
    });
    child.once('close', (code) => {
      result.code = code ?? -1;
      end();
    });
  });
}

/** The first of `names` (a bare name is looked up on PATH, a path is taken as it is) that can be executed. */
export async function findExecutable(
  names: string[],
  env: NodeJS.ProcessEnv = process.env,
): Promise<string | undefined> {
  const folders = (env['PATH'] ?? '').split(delimiter).filter(Boolean);
  for (const name of names) {
    for (const candidate of name.includes('/') ? [name] : folders.map((folder) => join(folder, name))) {
      try {
        await access(candidate, constants.X_OK);
        return candidate;
      } catch {
        // not here: the next place
      }
    }
  }
  return undefined;
}

/** The last lines of a command's complaint, short enough for one error message. */
export function lastLines(text: string, count = 6): string {
  return text.trim().split('\n').slice(-count).join('\n');
}
