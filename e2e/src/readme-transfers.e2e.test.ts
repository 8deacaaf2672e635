/** The README's chapter on data in and out: its commands as they are written there, in one shell. */
import { execFile } from 'node:child_process';
import { mkdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { jest } from '@jest/globals';
import type { Item, Job } from '@magpie/contracts';
import { World } from './world.ts';

jest.setTimeout(600_000);

const ROOT = resolve(import.meta.dirname, '../..');
const ADDRESS = 'http://127.0.0.1:8080';
/** What the commands leave in the shell: ids of jobs, and an address. */
const LEFT = ['upload', 'large', 'import', 'targets', 'out', 'url'] as const;

let world: World;
let directory: string;
beforeAll(async () => {
  world = await World.make({
    replicas: { 'web-images': 1 },
    env: { MAGPIE_DISK_RESERVE: '0' },
  });
  directory = join(world.servers.data, 'shell');
  await mkdir(directory);
  for (const path of ['/a', '/b']) world.site.set(path, `<img src="/img/1.png"> ${path}`);
});
afterAll(() => world?.close());

/** The blocks of the chapter in a language, for this platform and its fixture site. */
async function blocks(language: string): Promise<string[]> {
  const readme = await readFile(join(ROOT, 'README.md'), 'utf8');
  const chapter = /^## Data in and out\n([^]*?)^## /m.exec(readme)?.[1] ?? '';
  return [...chapter.matchAll(new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\``, 'gm'))].map(([, block]) =>
    (block as string)
      .replaceAll(ADDRESS, world.platform.url)
      // Long enough to be met on its way.
      .replaceAll('--limit-rate 4M', '--limit-rate 2M')
      .replaceAll('https://example.org', world.site.url),
  );
}

/** Throws with what was said when it fails. */
const run = (command: string, args: string[]): Promise<string> =>
  new Promise((done, failed) => {
    const options = { cwd: directory, maxBuffer: 1e8, timeout: 300_000, killSignal: 'SIGKILL' } as const;
    execFile(command, args, options, (error, stdout, stderr) =>
      error ? failed(new Error(`${error.message}\n${stdout}${stderr}`)) : done(stdout),
    );
  });

/** Runs the commands one after another, ended by the first that fails, and gives what they left in the shell. */
async function shell(commands: string[]): Promise<Record<(typeof LEFT)[number], string>> {
  const curl = 'curl() { command curl -sS --fail-with-body "$@"; }';
  // A reader sees for himself how far the upload is.
  const sleep = `sleep() { until curl $api/job-status/$large/ | grep -Eq '"state":"(running|paused|completed|failed)"'; do command sleep 0.2; done; }`;
  const tell = LEFT.map((name) => `echo "${name}=$${name}"`).join('\n');
  const said = await run('bash', ['-euc', [curl, sleep, ...commands, `echo; echo left:`, tell].join('\n')]);
  const left = said.slice(said.lastIndexOf('\nleft:\n')).trim().split('\n').slice(1);
  return Object.fromEntries(left.map((line) => line.split(/=(.*)/))) as Record<(typeof LEFT)[number], string>;
}

test('its commands', async () => {
  const commands = await blocks('sh');
  expect(commands.length).toBeGreaterThan(4);
  const left = await shell(commands);
  const inDirectory = (name: string): Promise<Buffer> => readFile(join(directory, name));

  const upload = await world.job(left.upload);
  expect(upload).toMatchObject({ state: 'completed', transfer: { file: { name: 'pages.csv' } } });
  const { size } = await stat(join(directory, 'large.csv'));
  const large = await world.job(left.large);
  expect(large).toMatchObject({ state: 'completed', transfer: { bytes: size, rows: 500_000 } });
  expect(JSON.parse((await inDirectory('uploaded.json')).toString())).toMatchObject({ state: 'completed' });

  const imported = await world.job(left.import);
  expect(imported.transfer?.report).toMatchObject({ rows: 3, stored: 2, rejected: 1 });
  const items = await world.list<Item>(`/api/v1/jobs/${left.import}/items`);
  expect(items.map(({ url, data }) => [url, data['title']]).sort()).toEqual([
    [`${world.site.url}/a`, 'One'],
    [`${world.site.url}/b`, 'Two'],
  ]);
  expect((await inDirectory('rejects.csv')).toString()).toMatch(/^line,column,code,message,row\r\n4,url,/);

  const [made] = await world.list<Job>(`/api/v1/imports/${left.targets}/jobs`);
  expect(made).toMatchObject({
    source: 'web-images',
    params: { urls: [`${world.site.url}/a`, `${world.site.url}/b`] },
  });

  const text = gunzipSync(await inDirectory('items.csv.gz')).toString();
  expect(text.split('\r\n').map((line) => line.split(',').slice(0, 2).join())).toEqual([
    'url,data.title',
    `${world.site.url}/a,One`,
    `${world.site.url}/b,Two`,
    '',
  ]);
  const { body } = await world.call<{ items: Job[] }>('GET', '/api/v1/exports');
  expect(body.items.map(({ transfer }) => transfer?.options['format'])).toEqual(['xlsx', 'csv']);
});

test('its client of resumable uploads', async () => {
  const [program, ...others] = await blocks('js');
  expect(others).toEqual([]);
  await symlink(join(ROOT, 'node_modules'), join(directory, 'node_modules'));
  await writeFile(join(directory, 'upload.mjs'), program ?? '');
  const said = await run(process.execPath, ['upload.mjs']);
  const job = await world.job(said.trim().split('/').at(-1) ?? '');
  const { size } = await stat(join(directory, 'pages.csv'));
  expect(job).toMatchObject({ state: 'completed', transfer: { file: { name: 'pages.csv', bytes: size } } });
});
