/**
 * The providers that `npm start -- --demo` collects from: doubles of Instagram, Facebook and YouTube on loopback, with
 * keys of their own. Loaded by a demo alone.
 *
 * What there is follows from the time of the first demo on a data directory: a later one finds the same posts and
 * videos, and those that were published since.
 */
import {
  startFacebookDouble,
  startInstagramDouble,
  startYouTubeDouble,
  type InstagramDouble,
  type YouTubeDouble,
} from '@magpie/testing';
import type { DemoMemory } from './memory.ts';

/** A new post about sunsets and a new video about cricket every so often. */
const PUBLISHED_EVERY_MS = 30_000;
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const POSTS_A_DAY = 250;
const VIDEOS = 6000;
/** Enough for a search every 30 seconds, as a raised quota would be. */
export const YOUTUBE_UNITS_A_DAY = 1_000_000;

/** What `POST /api/v1/credentials` takes of a demo's key. */
export interface DemoCredential {
  provider: string;
  secret: string;
  account?: string;
  unitsPerDay?: number;
}

export interface DemoProviders {
  /** What the collectors are told: the base URLs. */
  env: Readonly<Record<string, string>>;
  /** What the collectors may reach for it. */
  addresses: readonly string[];
  credentials: readonly DemoCredential[];
  close(): Promise<void>;
}

/**
 * Starts them, on the ports that `memory` names if they are free, and notes the ports there.
 * @param everyMs how often each publishes something new
 */
export async function startDemoProviders(
  memory: DemoMemory,
  everyMs = PUBLISHED_EVERY_MS,
): Promise<DemoProviders> {
  const { since, ports } = memory;
  // While what was published before this start is published again, the time when it was.
  let clock: number | undefined;
  const now = (): number => clock ?? Date.now();
  const account = '17841400000000077';
  const tokens = {
    instagram: 'demo-token-of-instagram',
    facebook: 'demo-token-of-facebook',
    youtube: 'demo-key-of-youtube',
  };
  const instagram = await onPort(ports, 'instagram', 2, (at) =>
    startInstagramDouble({
      ...at,
      now,
      seed: Math.floor(since / 1000) % 2 ** 31,
      posts: POSTS_A_DAY * 3,
      from: since - 3 * DAY,
      to: since,
      tokens: { [tokens.instagram]: { userId: account, appId: 'demo' } },
      urlLifetimeMs: 30 * DAY,
    }),
  );
  const facebook = await onPort(ports, 'facebook', 3, (at) =>
    startFacebookDouble({ ...at, now, record: false, tokens: { [tokens.facebook]: { appId: 'demo' } } }),
  );
  const youtube = await onPort(ports, 'youtube', 4, (at) =>
    startYouTubeDouble({
      ...at,
      now,
      seed: `demo ${since}`,
      videos: VIDEOS,
      from: since - 90 * DAY,
      to: since,
      keys: { [tokens.youtube]: { project: 'demo' } },
      quotaPerDay: YOUTUBE_UNITS_A_DAY,
    }),
  );
  const doubles = [instagram, facebook, youtube];
  let published = since;
  const publish = (): void => {
    for (; published + everyMs <= Date.now(); published += everyMs) {
      clock = published + everyMs;
      publishOne(instagram, youtube, clock);
    }
    clock = undefined;
  };
  publish();
  const publishing = setInterval(publish, 1000);
  // They keep what they were asked, for tests; here it would only grow.
  const forgetting = setInterval(() => {
    instagram.clear();
    youtube.clear();
  }, HOUR);
  return {
    env: {
      INSTAGRAM_API_URL: instagram.url,
      FACEBOOK_API_URL: facebook.url,
      YOUTUBE_API_URL: youtube.url,
    },
    addresses: [...new Set(doubles.map(({ url }) => new URL(url).hostname))],
    credentials: [
      { provider: 'instagram', secret: tokens.instagram, account },
      { provider: 'facebook', secret: tokens.facebook },
      { provider: 'youtube', secret: tokens.youtube, unitsPerDay: YOUTUBE_UNITS_A_DAY },
    ],
    close: async () => {
      clearInterval(publishing);
      clearInterval(forgetting);
      await Promise.all(doubles.map((double) => double.close()));
    },
  };
}

function publishOne(instagram: InstagramDouble, youtube: YouTubeDouble, at: number): void {
  instagram.addPosts([{ tags: ['sunset'], at, type: 'IMAGE' }]);
  youtube.publish(1, { topic: 'cricket' });
}

/**
 * Starts a double on a loopback address of its own where the system has them (Linux), on the port of the last demo if
 * it is free: addresses of pictures that wait to be fetched stay true. Notes the port.
 */
async function onPort<T extends { url: string }>(
  ports: DemoMemory['ports'],
  name: string,
  place: number,
  start: (at: { host: string; port: number }) => Promise<T>,
): Promise<T> {
  const port = ports[name] ?? 0;
  const own = `127.0.77.${place}`;
  const ways = [
    { host: own, port },
    { host: own, port: 0 },
    { host: '127.0.0.1', port },
    { host: '127.0.0.1', port: 0 },
  ].filter(({ host }) => host !== own || process.platform === 'linux');
  const double = await startOne(ways, start);
  ports[name] = Number(new URL(double.url).port);
  return double;
}

/** Starts at the first place that is free and that this machine has. */
async function startOne<T>(
  ways: readonly { host: string; port: number }[],
  start: (at: { host: string; port: number }) => Promise<T>,
): Promise<T> {
  for (const at of ways) {
    try {
      return await start(at);
    } catch (error) {
      if (!['EADDRINUSE', 'EADDRNOTAVAIL'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    }
  }
  throw new Error('no address of loopback is free');
}
