import { spawn } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { SketchResult } from './sketch.ts';

/** Runs the sketch in a process of its own, into a directory that is removed afterwards. */
export async function runFloor(
  url: string,
  directory: string,
  concurrency: number,
  signal: AbortSignal,
): Promise<SketchResult> {
  const args = [join(import.meta.dirname, 'sketch.ts'), url, directory, String(concurrency)];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'], signal });
  let printed = '';
  child.stdout.on('data', (chunk: Buffer) => (printed += chunk.toString()));
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', resolve);
    });
    if (code !== 0) throw new Error(`the sketch ended with ${code}`);
    return JSON.parse(printed) as SketchResult;
  } finally {
    await rm(directory, { recursive: true, force: true, maxRetries: 5 });
  }
}
