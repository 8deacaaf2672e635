/**
 * `npm run test:compose`: builds docker-compose.yml's images, starts it as a project of its own, and tries what a
 * deployment promises: health, isolation, jobs through nginx, scaling and restarts in the middle of them, data that
 * outlives `down`. Everything is removed at the end, also after a failure or Ctrl-C. About ten minutes;
 * `npm run test:compose -- killed` runs only the parts, after the start, whose names match.
 * Ends with 0, with 1 after a failure, with 2 where no Docker engine with compose answers.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { Deployment, docker, type SeenContainer, type SeenJob } from './deployment.ts';

/** Pictures of a page and how long the site takes for each: with 16 at a time, a job of about eight seconds. */
const PICTURES = 240;
const SLOW = 500;
const LOGS = resolve(import.meta.dirname, '../../.magpie/logs');

const engine = await docker(['compose', 'version', '--short'])
  .then(() => docker(['info', '--format', '{{.ServerVersion}}'], { timeoutMs: 15_000 }))
  .catch((error: Error) => error);
if (engine instanceof Error) {
  const why = engine.message.split('\n').at(-1);
  console.error(`npm run test:compose needs a Docker engine with compose, and none answers here (${why}).`);
  process.exit(2);
}

const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(signal, () => {
    if (!interrupted.signal.aborted) console.log('Interrupted; removing what was started …');
    interrupted.abort(new Error('interrupted'));
  });

/** nginx follows a gateway that comes back with another address from 1.27.3 on. */
const nginxVersion = await docker(
  ['run', '--rm', '--entrypoint', 'sh', 'nginx:1.28', '-c', 'nginx -v 2>&1'],
  { timeoutMs: 300_000 },
).then((text) => /nginx\/([\d.]+)/.exec(text)?.[1] ?? 'unknown');
const follows = nginxVersion.localeCompare('1.27.3', 'en', { numeric: true }) >= 0;
console.log(
  `Docker ${engine.trim()}, nginx ${nginxVersion}${follows ? '' : ', which has to be told when the gateway moved'}`,
);

const it = await Deployment.prepare({
  gateway: follows ? 'gateway:3000 resolve' : 'gateway:3000',
  signal: interrupted.signal,
});
const all: string[] = [];
let passed = 0;
let failed = 0;

const wanted = new RegExp(process.argv[2] ?? '');

/** Runs one part, if it is wanted; later parts run also if it fails. True if it passed. */
async function part(name: string, run: () => Promise<string | void>): Promise<boolean> {
  if (interrupted.signal.aborted || (passed > 0 && !wanted.test(name))) return false;
  const began = Date.now();
  const took = (): string => `${((Date.now() - began) / 1000).toFixed(1)} s`;
  try {
    const remark = await run();
    passed++;
    console.log(`  ok    ${name} (${took()}${remark ? `; ${remark}` : ''})`);
    return true;
  } catch (error) {
    if (interrupted.signal.aborted) return false;
    failed++;
    console.log(
      `  FAIL  ${name} (${took()})\n${String((error as Error).message).replace(/^/gm, '        ')}`,
    );
    return false;
  }
}

const own = async (): Promise<SeenContainer[]> =>
  (await it.containers()).filter(({ Service }) => Service !== 'site');

async function allHealthy(): Promise<void> {
  const sick = (await own()).filter(({ Health }) => Health !== 'healthy');
  assert.deepEqual(
    sick.map(({ Name, State, Health }) => `${Name} ${State} ${Health}`),
    [],
  );
}

const untilCompleted = (id: string, ms?: number): Promise<SeenJob> =>
  it.until(
    `job ${id} completed`,
    () => it.job(id),
    ({ state }) => state === 'completed',
    ms,
  );

/** That a job has just these pictures, each once, and counts that say so. The number of pictures fetched again. */
async function checkPictures(id: string, name: string, number: number): Promise<number> {
  const { counts } = await it.job(id);
  const none = { shared: 0, skipped: 0, failed: 0, pending: 0 };
  assert.deepEqual(counts, { discovered: number, stored: number, ...none });
  const images = await it.images(id);
  assert.equal(images.length, number);
  assert.equal(new Set(images.map(({ url }) => url)).size, number);
  assert.equal(new Set(images.map(({ static_url: address }) => address)).size, number);
  for (const image of [images[0], images.at(-1)]) await checkFile(image as NonNullable<typeof image>);
  all.push(...images.map(({ sha256 }) => sha256));
  const fetched = Object.entries(await it.siteCounts()).filter(([path]) =>
    path.startsWith(`/pictures/${name}/`),
  );
  assert.equal(fetched.length, number);
  return fetched.reduce((sum, [, times]) => sum + times - 1, 0);
}

async function checkFile({
  static_url: address,
  sha256,
}: {
  static_url: string;
  sha256: string;
}): Promise<void> {
  const answer = await fetch(address);
  assert.equal(answer.status, 200, address);
  const bytes = Buffer.from(await answer.arrayBuffer());
  assert.equal(createHash('sha256').update(bytes).digest('hex'), sha256);
}

/** A job that `disturb` meets in its middle still brings everything, once. */
async function inTheMiddle(name: string, disturb: () => Promise<unknown>): Promise<string> {
  const id = await it.submit('images_tasks', `/pages/${name}/${PICTURES}?ms=${SLOW}`);
  const before = await it.until(
    'a part of the job',
    () => it.job(id),
    ({ counts }) => counts.stored >= PICTURES / 10,
  );
  assert.ok(before.counts.pending > PICTURES / 4, 'the job was over too soon to be disturbed');
  await disturb();
  await untilCompleted(id, 150_000);
  const again = await checkPictures(id, name, PICTURES);
  await it.until('all healthy', allHealthy, () => true, 60_000);
  return `at ${before.counts.stored} of ${PICTURES}; ${again} fetched again`;
}

/** Every process of the container but its init dies at once; the restart policy brings the service back. */
async function crash(service: string): Promise<void> {
  const restarts = async (): Promise<string> => {
    const [container] = await it.containers('-a', service);
    assert.ok(container);
    return docker(['inspect', '--format', '{{.RestartCount}}', container.ID]);
  };
  const before = await restarts();
  await it.exec(service, 'sh', '-c', 'kill -9 -1').catch(() => undefined);
  await it.until(`${service} restarted`, restarts, (now) => now !== before, 30_000);
}

async function gatewayMoved(): Promise<void> {
  if (!follows) await it.exec('nginx', 'nginx', '-s', 'reload');
}

async function suite(): Promise<void> {
  const isUp = await part('build and start; everything healthy', async () => {
    await it.compose(['build'], { timeoutMs: 900_000 });
    await it.up();
    await allHealthy();
    const services = (await own()).map(({ Service }) => Service).sort();
    assert.deepEqual(
      services,
      (await it.compose(['config', '--services']))
        .trim()
        .split('\n')
        .filter((name) => name !== 'site' && name !== 'volumes')
        .sort(),
    );
    return services.join(', ');
  });
  if (!isUp) return;

  await part('only nginx is published', async () => {
    for (const container of await own()) {
      const { PortBindings, NetworkMode } = (await it.inspect(container)).HostConfig;
      assert.deepEqual(
        Object.keys(PortBindings ?? {}),
        container.Service === 'nginx' ? ['8080/tcp'] : [],
        container.Name,
      );
      assert.notEqual(NetworkMode, 'host', container.Name);
    }
  });

  await part('no root, no capabilities, read-only file systems', async () => {
    for (const container of await own()) {
      const { HostConfig } = await it.inspect(container);
      assert.deepEqual(HostConfig.CapDrop, ['ALL'], container.Name);
      assert.ok(
        HostConfig.SecurityOpt?.some((option) => option.startsWith('no-new-privileges')),
        container.Name,
      );
      assert.equal(HostConfig.Privileged, false, container.Name);
      const script = 'id -u; grep CapEff /proc/1/status; grep -cE "^[^ ]+ / [^ ]+ ro[, ]" /proc/mounts; true';
      const [uid, ...rest] = (await it.exec(container.Service, 'sh', '-c', script)).trim().split('\n');
      assert.ok(Number(uid) > 0, `${container.Name} runs as ${uid}`);
      assert.deepEqual(rest, ['CapEff:\t0000000000000000', '1'], container.Name);
    }
  });

  await part('secrets: none in the images; the servers ask for theirs', async () => {
    const noPassword = ['mongosh', '--quiet', '--norc', '--eval', 'db.getSiblingDB("magpie").jobs.findOne()'];
    await assert.rejects(it.exec('mongo', ...noPassword), /requires authentication/);
    await assert.rejects(it.exec('rabbitmq', 'rabbitmqctl', '-q', 'authenticate_user', 'guest', 'guest'));
    for (const { Service, ID } of await own()) {
      const image = (await docker(['inspect', '--format', '{{.Image}}', ID])).trim();
      const said =
        (await docker(['inspect', '--format', '{{json .Config.Env}}', image])) +
        (await docker(['history', '--no-trunc', image]));
      assert.ok(!said.includes(it.key) && !/MAGPIE_\w*(PASSWORD|KEY|SECRET)/.test(said), Service);
    }
  });

  await part('what seals the keys of providers: the gateway and the collectors of APIs have it', async () => {
    const having = [];
    for (const { Service } of await own()) {
      const script = 'test -n "$MAGPIE_SECRET" && printf %s "$MAGPIE_SECRET" || true';
      const seen = await it.exec(Service, 'sh', '-c', script);
      assert.ok(seen === '' || seen === it.sealing, Service);
      if (seen !== '') having.push(Service);
    }
    const apis = ['facebook-pages', 'instagram-hashtag', 'youtube-search'];
    assert.deepEqual(having.sort(), [...apis.map((id) => `collector-${id}`), 'gateway']);
  });

  await part('networks: a collector does not reach the database, storage not the world', async () => {
    const connects = (host: string, port: number): string =>
      `require("net").connect({ host: "${host}", port: ${port}, timeout: 3000 }).on("connect", () => process.exit(0)).on("timeout", () => process.exit(1)).on("error", () => process.exit(1))`;
    await it.exec('collector-web-images', 'node', '-e', connects('rabbitmq', 5672));
    await assert.rejects(it.exec('collector-web-images', 'node', '-e', connects('mongo', 27017)));
    await assert.rejects(it.exec('storage', 'node', '-e', connects('pictures.test', 8000)));
  });

  await part('a key is asked for, health and documentation are open', async () => {
    for (const [path, status] of [
      ['/api/v1/jobs', 401],
      ['/images_tasks', 401],
      ['/healthz', 200],
      ['/readyz', 200],
      ['/docs', 200],
    ] as const) {
      assert.equal((await fetch(it.url + path)).status, status, path);
    }
    const wrong = await fetch(`${it.url}/api/v1/jobs`, { headers: { 'x-api-key': `${it.key}x` } });
    assert.equal(wrong.status, 401);
    await it.call('/api/v1/jobs');
  });

  await part('images and text of a page, through nginx', async () => {
    const collectors = (await own()).map(({ Service }) => Service).filter((name) => /^collector-/.test(name));
    await it.until(
      'sources announced',
      () => it.call<{ items: { id: string }[] }>('/api/v1/sources'),
      ({ items }) => items.length === new Set(collectors).size,
    );
    const [images, text] = [
      await it.submit('images_tasks', '/pages/first/12?ms=20'),
      await it.submit('text_tasks', '/pages/words/1'),
    ];
    await untilCompleted(images);
    assert.equal(await checkPictures(images, 'first', 12), 0);
    await untilCompleted(text);
    const { items } = await it.call<{ items: { text: string }[] }>(`/text_tasks/${text}/text`);
    assert.match(items[0]?.text ?? '', /bird of the crow family/);
  });

  await part('three replicas of a collector from the middle of a job on', async () => {
    const id = await it.submit('images_tasks', `/pages/scale/${PICTURES * 2}?ms=${SLOW}`);
    await it.until(
      'a part of the job',
      () => it.job(id),
      ({ counts }) => counts.stored >= PICTURES / 10,
    );
    await it.up('--no-recreate', '--scale', 'collector-web-images=3');
    assert.equal((await it.containers('collector-web-images')).length, 3);
    assert.ok((await it.job(id)).counts.pending > 0, 'the job was over before the replicas were there');
    await untilCompleted(id);
    assert.equal(await checkPictures(id, 'scale', PICTURES * 2), 0);
    const shares = await Promise.all(
      [1, 2, 3].map(async (index) => {
        const script = 'process.stdout.write(await (await fetch("http://127.0.0.1:9000/metrics")).text())';
        const text = await it.compose([
          'exec',
          '-T',
          '--index',
          String(index),
          'collector-web-images',
          'node',
          '--input-type=module',
          '-e',
          script,
        ]);
        return [...text.matchAll(/^magpie_steps_total\{.*\} (\d+)$/gm)].reduce(
          (sum, [, count]) => sum + Number(count),
          0,
        );
      }),
    );
    assert.ok(
      shares.every((steps) => steps > 0),
      `steps by replica: ${shares.join(', ')}`,
    );
    await it.up('--no-recreate', '--scale', 'collector-web-images=1');
    return `steps by replica: ${shares.join(', ')}`;
  });

  for (const service of [
    'gateway',
    'storage',
    'transfer',
    'collector-web-images',
    'rabbitmq',
    'mongo',
    'nginx',
  ]) {
    await part(`${service} restarted in the middle of a job`, () =>
      inTheMiddle(`restart-${service}`, async () => {
        await it.compose(['restart', service]);
        if (service === 'gateway') await gatewayMoved();
      }),
    );
  }
  for (const service of ['collector-web-images', 'storage', 'gateway', 'rabbitmq', 'mongo', 'nginx']) {
    await part(`${service} killed in the middle of a job`, () =>
      inTheMiddle(`kill-${service}`, async () => {
        await crash(service);
        if (service === 'gateway') await gatewayMoved();
      }),
    );
  }

  await part('one file for each picture that was kept, and no other', async () => {
    const count = await it.exec('storage', 'sh', '-c', 'find /data/files/images -type f | wc -l');
    assert.equal(Number(count), all.length);
    assert.equal(new Set(all).size, all.length);
    return `${all.length} pictures`;
  });

  await part('down and up again: what was kept is there', async () => {
    const listed = async (): Promise<unknown> =>
      (await it.call<{ items: { id: string }[] }>('/api/v1/jobs?limit=100')).items.map(({ id }) => id);
    const before = await listed();
    await it.down();
    assert.deepEqual(await it.containers('-a'), []);
    await it.up();
    assert.deepEqual(await listed(), before);
    const page = await it.call<{ items: { file: { url: string; sha256: string } }[] }>(
      '/api/v1/items?kind=image&limit=100',
    );
    assert.equal(page.items.length, 100);
    for (const { file } of page.items.slice(0, 5))
      await checkFile({ static_url: file.url, sha256: file.sha256 });
    const id = await it.submit('images_tasks', '/pages/first/12?ms=20');
    const { counts } = await untilCompleted(id);
    assert.deepEqual([counts.discovered, counts.shared], [12, 12]);
  });
}

try {
  await suite();
  if (failed > 0) {
    await mkdir(LOGS, { recursive: true });
    const log = join(LOGS, 'compose-test.log');
    await writeFile(log, await it.compose(['logs', '--no-color', '--timestamps']).catch(String));
    console.log(`The services' logs are in ${log}`);
  }
} finally {
  await it.remove();
}
if (interrupted.signal.aborted) failed++;
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed > 0 ? 1 : 0);
