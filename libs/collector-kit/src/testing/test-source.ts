import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Value } from 'typebox/value';
import { Outcome, type NextStep, type StepWork } from '@magpie/contracts';
import { createLogger } from '@magpie/service-kit';
import type { Source } from '../source/define-source.ts';
import { LIMITS } from '../source/limits.ts';
import type { RunInput } from '../source/step.ts';
import { openFront, type Front } from './front.ts';
import {
  playJob,
  terminating,
  withPlayer,
  type PlayedJob,
  type PlayerOptions,
  type PlayOptions,
} from './play-job.ts';
import { testDeclaration } from './test-declaration.ts';
import { serveSite, type Route } from './site.ts';
import { PATIENCE_MS, until } from './until.ts';

/** What a case's job is collected from. */
export interface CaseServer {
  /** `http://127.0.0.1:port` */
  readonly origin: string;
  close(): Promise<unknown>;
  /** Requests that are not answered to their end, if it knows. */
  readonly pending?: number;
}

export interface SourceCase {
  readonly name: string;
  /** What the server answers, by path; see {@link serveSite}. */
  readonly routes?: Readonly<Record<string, Route>>;
  /** A server of your own instead: a double of the provider, a new one each time. */
  readonly serve?: () => Promise<CaseServer>;
  /** The source's settings, given the server's origin, or that of a server in front of it that misbehaves. */
  readonly settings?: (origin: string) => Record<string, string>;
  /** Parameters of the job, given the server's origin (`http://127.0.0.1:port`). */
  readonly params: (origin: string) => Record<string, unknown>;
  /** Which run of a job with a schedule it is. */
  readonly run?: RunInput;
  /** Paths (or whole URLs) of the items that the job brings, in any order. */
  readonly items: readonly string[] | (() => readonly string[]);
  /** The targets of the samples that it brings, in any order; default none. */
  readonly samples?: readonly string[];
  /** Codes of the steps that are not done, in any order; default none. */
  readonly undone?: readonly string[];
}

export interface SourceTests {
  /** At least one; together they should lead to a step of every kind. */
  readonly cases: readonly SourceCase[];
  /** Kinds of steps whose fetch may fail without an error of the job: a guess, for example. */
  readonly lenient?: readonly string[];
  /** What the provider (or its double) takes; steps that the source's `provider` charges get it. */
  readonly credential?: PlayerOptions['credential'];
}

/** The secret of sources whose tests name none. */
const CANARY = 'canary-secret-of-the-suite';

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
 *
 * Steps that the source's `provider` charges are made with a credential. For them 429 may rest the credential instead
 * of the host, no more calls may be reported than the declaration says, and the secret may be in nothing that they say.
 */
export function testSource(source: Source, { cases, lenient = [], credential = CANARY }: SourceTests): void {
  const suite: Suite = {
    source,
    cases,
    lenient,
    credential,
    secret: typeof credential === 'string' ? credential : credential.secret,
  };
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
          withCase(suite, one, async (server, options) => {
            const job = await playJob(source, one.params(server.origin), options);
            const items = typeof one.items === 'function' ? one.items() : one.items;
            const urls = items.map((path) => new URL(path, server.origin).href);
            const codes = job.undone.map(({ outcome }) =>
              'code' in outcome ? outcome.code : outcome.outcome,
            );
            expect({
              items: job.items.map(({ url }) => url).sort(),
              undone: codes.sort(),
              because:
                codes.length === (one.undone ?? []).length ? [] : job.undone.map(({ outcome }) => outcome),
            }).toEqual({ items: urls.sort(), undone: [...(one.undone ?? [])].sort(), because: [] });
            expect(job.samples.map(({ target }) => target).sort()).toEqual([...(one.samples ?? [])].sort());
            checkResults(suite, job);
            await until(() => (server.pending ?? 0) === 0, 'the end of all requests');
          }),
        );
      }

      test('a repeat of any of its steps brings the same', async () => {
        for (const one of cases) {
          await withCase(suite, one, async (server, options) => {
            const job = await playJob(source, one.params(server.origin), options);
            await withPlayer(options, async (player) => {
              for (const { work, outcome } of job.steps) {
                expect(fingerprint(await player.perform(source, work))).toEqual(fingerprint(outcome));
              }
            });
          });
        }
      });
    });

    describe('fetching steps', () => testFetching(suite));

    test('leaves nothing open', async () => {
      await source.close();
      await until(() => openThings() <= before, 'the end of all sockets and threads');
    });
  });
}

interface Suite extends Required<Omit<SourceTests, 'credential'>> {
  readonly source: Source;
  readonly credential: NonNullable<SourceTests['credential']>;
  readonly secret: string;
}

const isCharged = ({ description: { provider } }: Source, kind: string): boolean =>
  Object.hasOwn(provider?.steps ?? {}, kind);

/** One step of each kind that fetches, from the jobs of the cases, against servers that misbehave. */
function testFetching({ source, cases, lenient, credential, secret }: Suite): void {
  let front: Front;
  let filesRoot: string;
  /** The last step of each kind that was done in a case, as it goes to the front, and what it is done with. */
  const fetching = new Map<string, { work: StepWork; upstream: string; options: PlayerOptions }>();
  const servers: CaseServer[] = [];
  const lines: string[] = [];

  beforeAll(async () => {
    filesRoot = await mkdtemp(join(tmpdir(), 'magpie-source-'));
    front = await openFront();
    const { origin } = front.site;
    const log = createLogger({
      name: 'test',
      level: 'trace',
      stream: { write: (line) => void lines.push(line) },
    });
    for (const one of cases) {
      const server = await serve(one);
      servers.push(server);
      const common = { filesRoot, credential };
      const job = await playJob(source, one.params(server.origin), {
        ...common,
        ...(one.settings ? { settings: one.settings(server.origin) } : {}),
        ...(one.run ? { run: one.run } : {}),
      });
      const settings = one.settings ? { settings: one.settings(origin) } : {};
      for (const { work, outcome } of job.steps) {
        const fetches = work.url !== undefined || isCharged(source, work.kind);
        if (!fetches || outcome.outcome !== 'done') continue;
        const moved = JSON.parse(JSON.stringify(work).replaceAll(server.origin, origin)) as StepWork;
        const options = { ...common, ...settings, log };
        fetching.set(work.kind, { work: moved, upstream: server.origin, options });
      }
    }
    await rm(filesRoot, { recursive: true });
  });

  afterAll(async () => {
    await Promise.all([front.site, ...servers].map((server) => server.close()));
    await rm(filesRoot, { recursive: true, force: true });
  });

  const forEach = async (
    route: Route,
    check: (outcome: Outcome | undefined, kind: string) => void,
  ): Promise<void> => {
    for (const [kind, { work, upstream, options }] of fetching) {
      Object.assign(front, { upstream, behave: route });
      await withPlayer(options, async (player) => {
        const outcome = await player.perform(source, work);
        expect(JSON.stringify(outcome)).not.toContain(secret);
        check(outcome, kind);
      });
    }
  };

  test('there are some', () => expect([...fetching.keys()]).not.toEqual([]));

  test('are aborted, and their sockets closed, while a server sends no headers', () =>
    testAbort({ hang: 'headers' }));
  test('are aborted, and their sockets closed, in the middle of a body', () => testAbort({ hang: 'body' }));

  const testAbort = async (route: { hang: 'headers' | 'body' }): Promise<void> => {
    const { site } = front;
    for (const { work, upstream, options } of fetching.values()) {
      Object.assign(front, { upstream, behave: route });
      await withPlayer(options, async (player) => {
        const { signal, terminate } = terminating();
        const performing = player.perform(source, work, signal);
        await until(() => site.pending > 0, 'a request');
        await sleep(50);
        terminate();
        const over = await Promise.race([
          performing,
          sleep(PATIENCE_MS, 'still running' as const, { ref: false }),
        ]);
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

  test('leave a host alone that says 429, as long as it says, or do not use the credential meanwhile', () =>
    forEach({ status: 429, headers: { 'retry-after': '30' } }, (outcome, kind) => {
      const resting = { outcome: 'credential', state: 'resting' };
      const backoff = { outcome: 'backoff', host: new URL(front.site.origin).host };
      const expected = isCharged(source, kind) && outcome?.outcome === 'credential' ? resting : backoff;
      expect({ kind, outcome }).toMatchObject({ kind, outcome: expected });
    }));

  test('do not reach addresses that are not allowed', async () => {
    const before = front.site.requests.length;
    for (const { work, options } of fetching.values()) {
      await withPlayer({ ...options, allow: [] }, async (player) => {
        expect(await player.perform(source, work)).toMatchObject({
          outcome: 'failed',
          code: 'blocked_address',
        });
      });
    }
    expect(front.site.requests.length).toBe(before);
  });

  if (source.description.provider === undefined) return;

  test('are tried again when the provider’s answer is cut short, or is something else', async () => {
    const check = (outcome: Outcome | undefined, kind: string): void => {
      if (!isCharged(source, kind) || (lenient.includes(kind) && outcome?.outcome === 'done')) return;
      expect({ kind, outcome: outcome?.outcome }).toEqual({ kind, outcome: 'retry' });
    };
    const headers = { 'content-type': 'application/json' };
    for (const body of ['{"data":[{"id"', '<html>busy</html>', '', 'null', '"text"', '12']) {
      await forEach({ headers, body }, check);
    }
  });

  test('tell no secret, though the provider repeats what it was asked', async () => {
    for (const status of [200, 400, 401, 403, 500]) {
      await forEach(
        (request, response) => {
          const asked = `${request.url} ${JSON.stringify(request.headers)} ${secret}`;
          const error = { message: asked, code: status === 401 ? 190 : 100, type: asked, status: asked };
          const body = { error: { ...error, errors: [{ reason: asked, message: asked }] } };
          response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
        },
        () => {},
      );
    }
    expect(lines.filter((line) => line.includes(secret))).toEqual([]);
  });
}

function checkResults({ source, secret }: Suite, job: PlayedJob): void {
  const { operations = {}, steps: charges = {} } = source.description.provider ?? {};
  for (const { work, outcome } of job.steps) {
    expect(Value.Check(Outcome, outcome)).toBe(true);
    expect(JSON.stringify(outcome).length).toBeLessThan(4 * 1024 * 1024);
    expect(JSON.stringify(outcome)).not.toContain(secret);
    for (const [operation, calls] of Object.entries(outcome.spent ?? {})) {
      expect(Object.keys(operations)).toContain(operation);
      expect({ operation, calls, tooMany: calls > (charges[work.kind]?.[operation] ?? 0) }).toEqual({
        operation,
        calls,
        tooMany: false,
      });
    }
    if (outcome.outcome !== 'done') continue;
    expect(outcome.next.length).toBeLessThanOrEqual(LIMITS.next);
    const names = outcome.next.map(({ kind, key }: NextStep) => `${kind} ${key}`);
    expect(new Set(names).size).toBe(names.length);
  }
}

const serve = ({ serve: own, routes }: SourceCase): Promise<CaseServer> => own?.() ?? serveSite(routes);

async function withCase(
  { credential }: Suite,
  one: SourceCase,
  use: (server: CaseServer, options: PlayOptions) => Promise<void>,
): Promise<void> {
  const filesRoot = await mkdtemp(join(tmpdir(), 'magpie-source-'));
  const server = await serve(one);
  try {
    await use(server, {
      filesRoot,
      credential,
      ...(one.settings ? { settings: one.settings(server.origin) } : {}),
      ...(one.run ? { run: one.run } : {}),
    });
  } finally {
    await server.close();
    await rm(filesRoot, { recursive: true });
  }
}

/** Sockets and threads of this process. */
function openThings(): number {
  const kinds = new Set(['TCPSocketWrap', 'TCPServerWrap', 'TLSWrap', 'Worker', 'MessagePort']);
  return process.getActiveResourcesInfo().filter((kind) => kinds.has(kind)).length;
}
