/**
 * The whole platform beside doubles of the three providers, which live in the test's process.
 * Every secret is a canary: a string that is nowhere else, searched for at the end (canary.ts).
 */
import { randomBytes } from 'node:crypto';
import type { Credential, Job, Run } from '@magpie/contracts';
import { openStore, type Store } from '@magpie/store';
import {
  startFacebookDouble,
  startInstagramDouble,
  startYouTubeDouble,
  type FacebookDouble,
  type FacebookToken,
  type GraphToken,
  type InstagramDouble,
  type InstagramDoubleOptions,
  type YouTubeDouble,
  type YouTubeDoubleOptions,
} from '@magpie/testing';
import { range, World } from '../world.ts';
import { Tap } from './tap.ts';

/** The Instagram user that the first token acts for; each has one of its own. */
const ACCOUNT = 17_841_405_309_211_844n;

const FACEBOOK_KEYS = 6;

/** Begins and ends every secret, and is in nothing else. */
export const MARK = 'kanarienvogel';

/** A secret that is like no other, with characters that URLs and JSON write in other ways. */
const canary = (): string =>
  `${MARK}${randomBytes(6).toString('hex')}/+=&%"${randomBytes(6).toString('hex')}${MARK}`;

export interface ApiWorldOptions {
  replicas?: Record<string, number>;
  env?: NodeJS.ProcessEnv;
  instagram?: InstagramDoubleOptions;
  youtube?: YouTubeDoubleOptions;
}

export interface AddedKey {
  id: string;
  secret: string;
}

export class ApiWorld {
  readonly world: World;
  readonly store: Store;
  readonly tap: Tap;
  readonly instagram: InstagramDouble;
  readonly facebook: FacebookDouble;
  readonly youtube: YouTubeDouble;
  /** Every secret that was given to the platform, what it seals with among them. */
  readonly secrets: string[];
  readonly #instagramTokens: Record<string, GraphToken>;
  readonly #facebookTokens: string[];

  private constructor(
    parts: Pick<ApiWorld, 'world' | 'store' | 'tap' | 'instagram' | 'facebook' | 'youtube' | 'secrets'>,
    instagramTokens: Record<string, GraphToken>,
    facebookTokens: readonly string[],
  ) {
    ({
      world: this.world,
      store: this.store,
      tap: this.tap,
      instagram: this.instagram,
      facebook: this.facebook,
      youtube: this.youtube,
      secrets: this.secrets,
    } = parts);
    this.#instagramTokens = instagramTokens;
    this.#facebookTokens = [...facebookTokens];
  }

  static async make({ replicas = {}, env = {}, ...doubles }: ApiWorldOptions = {}): Promise<ApiWorld> {
    const instagramTokens: Record<string, GraphToken> = {};
    // This double has to know its tokens from the beginning.
    const facebookTokens: Record<string, FacebookToken> = Object.fromEntries(
      range(1, FACEBOOK_KEYS).map((n) => [canary(), { appId: `app-${n}` }]),
    );
    // Addresses of their own: what happens at one provider does not slow down the others.
    const instagram = await startInstagramDouble({
      host: '127.0.81.1',
      tokens: instagramTokens,
      // None is older than the 24 hours of the recent posts before the tests have ended.
      from: Date.now() - 20 * 3_600_000,
      ...doubles.instagram,
    });
    const facebook = await startFacebookDouble({ host: '127.0.81.2', tokens: facebookTokens });
    const youtube = await startYouTubeDouble({ host: '127.0.81.3', keys: {}, ...doubles.youtube });
    const close = () => Promise.all([instagram, facebook, youtube].map((double) => double.close()));
    const sealing = canary();
    const world = await World.make({
      replicas,
      env: {
        MAGPIE_ALLOW_ADDRESSES: '127.0.0.0/8',
        MAGPIE_SECRET: sealing,
        INSTAGRAM_API_URL: instagram.url,
        FACEBOOK_API_URL: facebook.url,
        YOUTUBE_API_URL: youtube.url,
        LOG_LEVEL: 'debug',
        ...env,
      },
    }).catch(async (error: unknown) => {
      await close();
      throw error;
    });
    const store = openStore({ url: world.servers.mongodbUrl });
    await store.connected();
    const tap = await Tap.open(world.servers.amqpUrl);
    const secrets = [sealing];
    return new ApiWorld(
      { world, store, tap, instagram, facebook, youtube, secrets },
      instagramTokens,
      Object.keys(facebookTokens),
    );
  }

  /** Adds a key of a provider to its double and, over the API, to the platform. */
  async addKey(
    provider: 'instagram' | 'facebook' | 'youtube',
    name: string,
    rest: Record<string, unknown> = {},
  ): Promise<AddedKey> {
    const secret = provider === 'facebook' ? this.#facebookTokens.shift() : canary();
    if (secret === undefined) throw new Error(`no more than ${FACEBOOK_KEYS} keys of Facebook`);
    this.secrets.push(secret);
    const project = String(rest['project'] ?? name);
    const account = String(ACCOUNT + BigInt(this.secrets.length));
    if (provider === 'instagram') this.#instagramTokens[secret] = { userId: account, appId: project };
    if (provider === 'youtube') this.youtube.setKey(secret, { project });
    const { status, body } = await this.world.call<Credential>('POST', '/api/v1/credentials', {
      provider,
      name,
      secret,
      ...(provider === 'instagram' ? { account } : {}),
      ...rest,
    });
    if (status !== 201) throw new Error(`POST /api/v1/credentials: ${status} ${JSON.stringify(body)}`);
    return { id: body.id, secret };
  }

  async key(id: string): Promise<Credential> {
    return (await this.world.call<Credential>('GET', `/api/v1/credentials/${id}`)).body;
  }

  /** A key is taken from the platform, so that other tests are not served by it. */
  async removeKey(id: string): Promise<void> {
    await this.world.call('DELETE', `/api/v1/credentials/${id}`);
  }

  runs(id: string): Promise<Run[]> {
    return this.world.list<Run>(`/api/v1/jobs/${id}/runs`);
  }

  /** Waits until the job's run of that number is over. */
  async ranTo(id: string, number: number, ms?: number): Promise<Run> {
    const found = await this.world.eventually(
      async () => (await this.runs(id)).find((run) => run.number === number),
      (run) => run !== undefined && run.state !== 'running',
      ms,
    );
    return found as Run;
  }

  /** Waits for so many completed runs; gives them, the first one first. On a slow machine others are skipped. */
  async completed(id: string, count: number): Promise<Run[]> {
    const runs = await this.world.eventually(
      async () => (await this.runs(id)).filter(({ state }) => state === 'completed'),
      (all) => all.length >= count,
    );
    return runs.toReversed();
  }

  /** Ends a job that would go on: no run follows. */
  async over(id: string): Promise<Job> {
    await this.world.control(id, 'stop');
    return this.world.until(id, 'stopped');
  }

  /** The rounds of all samples of what a job measures, by target. */
  async kept(job: string): Promise<Map<string, number[]>> {
    const targets = await this.store.targets.collection.find({ jobId: job } as never).toArray();
    const keys = targets.map((target) => String(target['key']));
    const sampled = await this.sampled(keys);
    return new Map(keys.map((key) => [key, sampled.get(key) ?? []]));
  }

  /** The rounds of all samples of these targets, as the database has them. */
  async sampled(targets: readonly string[]): Promise<Map<string, number[]>> {
    const samples = await this.store.samples.collection
      .find({ 'of.target': { $in: targets } } as never)
      .toArray();
    const rounds = new Map<string, number[]>();
    for (const { of, round } of samples as unknown as { of: { target: string }; round: Date }[])
      rounds.set(of.target, [...(rounds.get(of.target) ?? []), round.getTime()]);
    return rounds;
  }

  async close(): Promise<void> {
    await this.tap.close();
    await this.store.close();
    await this.world.close();
    await Promise.all([this.instagram, this.facebook, this.youtube].map((double) => double.close()));
  }
}

export const pageNames = (from: number, count: number): string[] =>
  Array.from({ length: count }, (_, i) => `page${String(from + i).padStart(5, '0')}`);
