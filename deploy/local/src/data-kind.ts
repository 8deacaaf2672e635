import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { RunningServer, ServerKind } from './server.ts';

/** Which kind of server made this data: versions differ between kinds, and none opens a newer one's data. */
export async function dataKind(data: string, name: string): Promise<ServerKind | undefined> {
  const text = await readFile(join(data, 'run', `${name}.kind`), 'utf8').catch(() => '');
  return (['binary', 'docker'] as const).find((kind) => kind === text.trim());
}

export async function rememberDataKind(
  data: string,
  name: string,
  server: RunningServer,
): Promise<RunningServer> {
  await mkdir(join(data, 'run'), { recursive: true });
  await writeFile(join(data, 'run', `${name}.kind`), `${server.kind}\n`);
  return server;
}
