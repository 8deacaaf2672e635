import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sealingSecret } from './secret.ts';

let data: string;
beforeEach(async () => (data = await mkdtemp(join(tmpdir(), 'magpie-secret-'))));
afterEach(() => rm(data, { recursive: true, force: true }));

const mode = async (): Promise<string> => ((await stat(join(data, 'secret'))).mode & 0o777).toString(8);

it('makes one at first, for its owner alone, and goes on with it', async () => {
  const first = await sealingSecret(join(data, 'new'), {});
  expect(first).toMatch(/^[\w-]{43}$/);
  expect(await sealingSecret(join(data, 'new'), {})).toBe(first);
  const made = await sealingSecret(data, {});
  expect(made).not.toBe(first);
  expect(await mode()).toBe('600');
  expect((await readdir(data)).filter((name) => name.startsWith('secret'))).toEqual(['secret']);
});

it('takes the one of the environment, and leaves the kept one as it is', async () => {
  expect(await sealingSecret(data, { MAGPIE_SECRET: 'from the environment' })).toBe('from the environment');
  expect(await readdir(data)).toEqual([]);
  const kept = await sealingSecret(data, { MAGPIE_SECRET: '' });
  expect(await sealingSecret(data, { MAGPIE_SECRET: 'from the environment' })).toBe('from the environment');
  expect((await readFile(join(data, 'secret'), 'utf8')).trim()).toBe(kept);
});

it('closes a file that others could read', async () => {
  const kept = await sealingSecret(data, {});
  await chmod(join(data, 'secret'), 0o644);
  expect(await sealingSecret(data, {})).toBe(kept);
  expect(await mode()).toBe('600');
});

it('does not replace what it cannot use: keys were sealed with it', async () => {
  await writeFile(join(data, 'secret'), '\n');
  await expect(sealingSecret(data, {})).rejects.toThrow(/holds no secret/);
  expect(await readFile(join(data, 'secret'), 'utf8')).toBe('\n');
});
