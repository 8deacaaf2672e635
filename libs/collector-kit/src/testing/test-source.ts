import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { Value } from 'typebox/value';
import { Outcome, type NextStep, type StepWork } from '@magpie/contracts';
import type { Source } from '../source/define-source.ts';
import { LIMITS } from '../source/limits.ts';
import { createPlayer, playJob, terminating, withPlayer, type PlayedJob } from './play-job.ts';
import { testDeclaration } from './test-declaration.ts';
import { answerWith, serveSite, type Route, type Site } from './site.ts';

export interface SourceCase {
  readonly name: string;
  /** What the server answers, by path; see {@link serveSite}. */
  readonly routes: Readonly<Record<string, Route>>;
  /** Parameters of the job, given the server's origin (`http://127.0.0.1:port`). */
  readonly params: (origin: string) => Record<string, unknown>;
  /** Paths (or whole URLs) of the items that the job brings, in any order. */
  readonly items: readonly string[];
  /** Codes of the steps that are not done, in any order; default none. */
  readonly undone?: readonly string[];
}

export interface SourceTests {
  /** At least one; together they should lead to a step of every kind. */
  readonly cases: readonly SourceCase[];
  /** Kinds of steps whose fetch may fail without an error of the job: a guess, for example. */
  readonly lenient?: readonly string[];
}

/** What became of a step, without what differs from one time to the next. */
const fingerprint = (outcome: Outcome | undefined): unknown =>
  outcome?.outcome === 'done'
    ? {
        items: outcome.items.map(({ kind, url, data, file }) => ({ kind, url, data, sha256: file?.sha256 })),
        next: outcome.next.map(({ kind, key }) => `${kind} ${key}`),
      }
    : outcome?.outcome;

/**
 * The suite that every source passes: its declaration is sound, its jobs bring what they should, its steps may be
 * repeated and aborted, its errors say what is to become of the step. Call it at the top level of a test file.
 */
export function testSource(source: Source, { cases, lenient = [] }: SourceTests): void {
  // Servers, files and threads on a busy machine.
  jest.setTimeout(60_000);
  describe(`source ${source.id}`, () => {
    let before = 0;
    beforeAll(() => {
      before = openThings();
    });
    afterAll(() => source.close());
    describe('declaration', () => testDeclaration(source));

    describe('job', () => {
      for (const one of cases) {
        test(one.name, () =>
          withSite(one, async (site, filesRoot) => {
            const job = await playJob(source, one.params(site.origin), { filesRoot });
            const urls = one.items.map((path) => new URL(path, site.origin).href);
            const codes = job.undone.map(({ outcome }) =>
              'code' in outcome ? outcome.code : outcome.outcome,
            );
            expect({
              items: job.items.map(({ url }) => url).sort(),
              undone: codes.sort(),
              because:
                codes.length === (one.undone ?? []).length ? [] : job.undone.map(({ outcome }) => outcome),
            }).toEqual({ items: urls.sort(), undone: [...(one.undone ?? [])].sort(), because: [] });
            checkResults(job);
            expect(site.pending).toBe(0);
          }),
        );
      }

      test('a repeat of any of its steps brings the same', async () => {
        for (const one of cases) {
          await withSite(one, async (site, filesRoot) => {
            const job = await playJob(source, one.params(site.origin), { filesRoot });
            await withPlayer(filesRoot, async (player) => {
              for (const { work, outcome } of job.steps) {
                expect(fingerprint(await player.perform(source, work))).toEqual(fingerprint(outcome));
              }
            });
          });
        }
      });
    });

    describe('fetching steps', () => testFetching(source, cases, lenient));

    test('leaves nothing open', async () => {
      await source.close();
      await until(() => openThings() <= before, 'the end of all sockets and threads');
    });
  });
}

/** One step of each kind that fetches, from the jobs of the cases, against servers that misbehave. */
function testFetching(source: Source, cases: readonly SourceCase[], lenient: readonly string[]): void {
  let site: Site;
  let filesRoot: string;
  let behave: Route = '';
  /** The last step of each kind that was done in a case, and what the server answered. */
  const fetching = new Map<string, StepWork>();
  const bodies = new Map<string, { body: Uint8Array; headers: Record<string, string> }>();

  beforeAll(async () => {
    filesRoot = await mkdtemp(join(tmpdir(), 'magpie-source-'));
    for (const one of cases) {
      await withSite(one, async (served, root) => {
        const job = await playJob(source, one.params(served.origin), { filesRoot: root });
        for (const { work, outcome } of job.steps) {
          if (work.url === undefined || outcome.outcome !== 'done') continue;
          fetching.set(work.kind, work);
          bodies.set(work.kind, bodyOf(one.routes[new URL(work.url).pathname]));
        }
      });
    }
    site = await serveSite();
    for (const [kind, work] of fetching) {
      const from = new URL(work.url ?? '').origin;
      fetching.set(kind, JSON.parse(JSON.stringify(work).replaceAll(from, site.origin)) as StepWork);
      const { pathname, search } = new URL(work.url ?? '');
      site.route(pathname + search, (request, response) => answerWith(behave, request, response));
    }
  });

  afterAll(async () => {
    await site.close();
    await rm(filesRoot, { recursive: true });
  });

  const forEach = async (
    route: Route,
    check: (outcome: Outcome | undefined, kind: string) => void,
  ): Promise<void> => {
    site.route('/robots.txt', { status: 404 });
    for (const [kind, work] of fetching) {
      behave = typeof route === 'object' && 'cutOff' in route ? { ...bodies.get(kind), ...route } : route;
      await withPlayer(filesRoot, async (player) => check(await player.perform(source, work), kind));
    }
  };

  test('there are some', () => expect([...fetching.keys()]).not.toEqual([]));

  test('are aborted within a second, and their sockets closed, while a server sends no headers', () =>
    testAbort({ hang: 'headers' }));
  test('are aborted within a second, and their sockets closed, in the middle of a body', () =>
    testAbort({ hang: 'body' }));

  const testAbort = async (route: { hang: 'headers' | 'body' }): Promise<void> => {
    site.route('/robots.txt', { status: 404 });
    for (const [kind, work] of fetching) {
      behave = { ...bodies.get(kind), ...route };
      await withPlayer(filesRoot, async (player) => {
        const { signal, terminate } = terminating();
        const performing = player.perform(source, work, signal);
        await until(() => site.pending > 0, 'a request');
        await sleep(50);
        terminate();
        const over = await Promise.race([performing, sleep(1_000, 'still running' as const)]);
        expect(over).toBeUndefined();
        await until(() => site.pending === 0, 'a closed socket');
      });
    }
  };

  test('fail for good on 404', () =>
    forEach({ status: 404 }, (outcome, kind) => {
      if (lenient.includes(kind) && outcome?.outcome === 'done') return;
      expect({ kind, outcome }).toMatchObject({ kind, outcome: { outcome: 'failed', status: 404 } });
    }));

  test('are tried again on 500, and on a body that ends early', async () => {
    const check = (outcome: Outcome | undefined, kind: string): void => {
      if (lenient.includes(kind) && outcome?.outcome === 'done') return;
      expect({ kind, outcome: outcome?.outcome }).toEqual({ kind, outcome: 'retry' });
    };
    await forEach({ status: 500 }, check);
    await forEach({ cutOff: true }, check);
  });

  test('leave a host alone that says 429, as long as it says', () =>
    forEach({ status: 429, headers: { 'retry-after': '30' } }, (outcome, kind) => {
      expect({ kind, outcome }).toMatchObject({
        kind,
        outcome: { outcome: 'backoff', host: new URL(site.origin).host },
      });
    }));

  test('do not reach addresses that are not allowed', async () => {
    const player = await createPlayer({ filesRoot, allow: [] });
    const before = site.requests.length;
    try {
      for (const work of fetching.values()) {
        expect(await player.perform(source, work)).toMatchObject({
          outcome: 'failed',
          code: 'blocked_address',
        });
      }
    } finally {
      await player.close();
    }
    expect(site.requests.length).toBe(before);
  });
}

/** A route's body, long enough to be interrupted: blanks behind it change neither a page nor an image. */
function bodyOf(route: Route | undefined): { body: Uint8Array; headers: Record<string, string> } {
  if (route === undefined || typeof route === 'function')
    return { body: Buffer.alloc(200_000, ' '), headers: {} };
  const { body = '', headers = {} } =
    typeof route === 'string' || ArrayBuffer.isView(route) ? { body: route } : route;
  const type = typeof body === 'string' ? 'text/html' : 'application/octet-stream';
  const bytes = Buffer.concat([Buffer.from(body as string), Buffer.alloc(200_000, ' ')]);
  return { body: bytes, headers: { 'content-type': type, ...headers } };
}

function checkResults(job: PlayedJob): void {
  for (const { outcome } of job.steps) {
    expect(Value.Check(Outcome, outcome)).toBe(true);
    expect(JSON.stringify(outcome).length).toBeLessThan(4 * 1024 * 1024);
    if (outcome.outcome !== 'done') continue;
    expect(outcome.next.length).toBeLessThanOrEqual(LIMITS.next);
    const names = outcome.next.map(({ kind, key }: NextStep) => `${kind} ${key}`);
    expect(new Set(names).size).toBe(names.length);
  }
}

async function withSite(
  one: SourceCase,
  use: (site: Site, filesRoot: string) => Promise<void>,
): Promise<void> {
  const filesRoot = await mkdtemp(join(tmpdir(), 'magpie-source-'));
  const site = await serveSite(one.routes);
  try {
    await use(site, filesRoot);
  } finally {
    await site.close();
    await rm(filesRoot, { recursive: true });
  }
}

/** Sockets and threads of this process. */
function openThings(): number {
  const kinds = new Set(['TCPSocketWrap', 'TCPServerWrap', 'TLSWrap', 'Worker', 'MessagePort']);
  return process.getActiveResourcesInfo().filter((kind) => kinds.has(kind)).length;
}

async function until(condition: () => boolean, what: string): Promise<void> {
  for (let i = 0; i < 300; i++) {
    if (condition()) return;
    await sleep(10);
  }
  throw new Error(`${what} did not come within 3 s`);
}
