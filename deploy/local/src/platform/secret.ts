import { randomBytes } from 'node:crypto';
import { chmod, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** Below the data directory; nobody but its owner may read it. */
const FILE = 'secret';

/**
 * What credentials are sealed with: `MAGPIE_SECRET` from the environment, else the one that the first start made and
 * keeps in the data directory. Losing it means entering the keys of the providers again.
 * @throws Error when the kept one cannot be read or is no secret; it is never replaced by another
 */
export async function sealingSecret(data: string, env: NodeJS.ProcessEnv): Promise<string> {
  if (env['MAGPIE_SECRET']) return env['MAGPIE_SECRET'];
  const file = join(data, FILE);
  const kept = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw new Error(`${file} cannot be read (${error.code}): the keys of providers were sealed with it`);
  });
  if (kept === undefined) {
    const secret = randomBytes(32).toString('base64url');
    await mkdir(dirname(file), { recursive: true });
    // Under another name first: a start that is killed here leaves no half of it.
    await writeFile(`${file}.new`, `${secret}\n`, { mode: 0o600 });
    await chmod(`${file}.new`, 0o600);
    await rename(`${file}.new`, file);
    return secret;
  }
  const secret = kept.trim();
  if (secret.length < 16)
    throw new Error(
      `${file} holds no secret. Put the right one there, or remove it and enter the keys of providers again`,
    );
  await chmod(file, 0o600);
  return secret;
}
