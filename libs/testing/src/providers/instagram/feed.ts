/**
 * The posts of the Instagram double: made from a seed when they are first asked for, the same at every start.
 *
 * Posts dated after the double's clock are not there yet and come up as it reaches them.
 */
import { createHash } from 'node:crypto';

export type MediaType = 'IMAGE' | 'VIDEO' | 'CAROUSEL_ALBUM';

export interface Medium {
  readonly id: string;
  readonly type: MediaType;
  /** Of its bytes, and of its address. */
  readonly n: number;
  /** No media_url, as of a reel with licensed audio. */
  readonly withheld: boolean;
}

export interface InstagramPost extends Medium {
  /** Lower case, without `#`. */
  readonly tags: readonly string[];
  /** When it was published, ms since the epoch, whole seconds. */
  readonly at: number;
  readonly caption?: string;
  /** Missing when the owner hides it. */
  readonly likes?: number;
  readonly comments: number;
  readonly permalink: string;
  /** Of an album, 2 to 4. */
  readonly children: readonly Medium[];
  /** What the recent feed is ordered by: near `at`, not equal to it. */
  readonly rank: number;
}

export interface NewPost {
  readonly tags: readonly string[];
  readonly at: number;
  readonly type?: MediaType;
  readonly caption?: string;
}

export interface FeedOptions {
  readonly seed: number;
  readonly posts: number;
  readonly from: number;
  readonly to: number;
  readonly tags: readonly string[];
  /** By how much a post's place in the recent feed may differ from its time, in ms. */
  readonly disorderMs: number;
}

/** Numbers in [0, 1), the same for the same seed (mulberry32's recurrence). */
function numbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A number that looks like a Graph identifier, the same for the same words. */
export function graphId(words: string): string {
  const hash = createHash('sha256').update(words).digest();
  return `178${String(hash.readBigUInt64BE() % 100_000_000_000_000n).padStart(14, '0')}`;
}

const WORDS = ['evening', 'walk', 'river', 'match', 'light', 'friends', 'home', 'again', 'first', 'вечер'];

export class Feed {
  readonly #options: FeedOptions;
  #posts: InstagramPost[] | undefined;
  #byTag = new Map<string, InstagramPost[]>();
  #made = 0;

  constructor(options: FeedOptions) {
    this.#options = options;
  }

  /** Every post of the tag that is published at `now`, newest first. */
  published(tag: string, now: number): InstagramPost[] {
    return this.#of(tag)
      .filter(({ at }) => at <= now)
      .sort((a, b) => b.at - a.at || (a.id < b.id ? -1 : 1));
  }

  /** Published in the 24 hours before `now`, in the order of the recent feed: mostly newest first. */
  recent(tag: string, now: number): InstagramPost[] {
    return this.published(tag, now)
      .filter(({ at }) => at > now - 86_400_000)
      .sort((a, b) => b.rank - a.rank || (a.id < b.id ? -1 : 1));
  }

  /** The `most` most popular of any age, the most popular first. */
  top(tag: string, now: number, most: number): InstagramPost[] {
    return this.published(tag, now)
      .sort((a, b) => popularity(b) - popularity(a) || (a.id < b.id ? -1 : 1))
      .slice(0, most);
  }

  has(tag: string): boolean {
    return this.#of(tag).length > 0 || this.#options.tags.includes(tag);
  }

  tags(): string[] {
    this.#all();
    return [...new Set([...this.#options.tags, ...this.#byTag.keys()])];
  }

  add(posts: readonly NewPost[]): InstagramPost[] {
    this.#all();
    return posts.map((post) => this.#keep(this.#make(post)));
  }

  #of(tag: string): InstagramPost[] {
    this.#all();
    return this.#byTag.get(tag) ?? [];
  }

  #all(): InstagramPost[] {
    if (this.#posts !== undefined) return this.#posts;
    this.#posts = [];
    const { seed, posts, from, to, tags } = this.#options;
    const random = numbers(seed);
    for (let n = 0; n < posts; n++) {
      // The first tag has about half of the posts, the second a quarter, and so on.
      const first = Math.min(tags.length - 1, Math.floor(-Math.log2(1 - random())));
      const second = Math.floor(random() * tags.length * 4);
      const of = [...new Set([tags[first], tags[second]])].filter((tag) => tag !== undefined);
      this.#keep(this.#make({ tags: of, at: from + random() * (to - from) }));
    }
    return this.#posts;
  }

  #keep(post: InstagramPost): InstagramPost {
    (this.#posts as InstagramPost[]).push(post);
    for (const tag of post.tags) {
      const list = this.#byTag.get(tag) ?? [];
      list.push(post);
      this.#byTag.set(tag, list);
    }
    return post;
  }

  #make({ tags, at, type, caption }: NewPost): InstagramPost {
    const n = this.#made++;
    const { seed, disorderMs } = this.#options;
    const random = numbers(seed * 1_000_003 + n * 7919 + 17);
    const kind = random();
    const mediaType = type ?? (kind < 0.6 ? 'IMAGE' : kind < 0.8 ? 'VIDEO' : 'CAROUSEL_ALBUM');
    const second = Math.floor(at / 1000) * 1000;
    const children = mediaType === 'CAROUSEL_ALBUM' ? 2 + Math.floor(random() * 3) : 0;
    const said = random() < 0.97 ? (WORDS[Math.floor(random() * WORDS.length)] as string) : undefined;
    const text = caption ?? (said && `${said} ${n} ${tags.map((tag) => `#${tag}`).join(' ')}`);
    const code = createHash('sha256').update(`${seed}:${n}`).digest('base64url').slice(0, 11);
    return {
      id: graphId(`media ${seed} ${n}`),
      type: mediaType,
      n: n * 8,
      withheld: mediaType === 'VIDEO' && random() < 0.2,
      tags: tags.map((tag) => tag.toLowerCase()),
      at: second,
      ...(text === undefined ? {} : { caption: text }),
      ...(random() < 0.05 ? {} : { likes: Math.floor(5 / (random() + 0.001)) }),
      comments: Math.floor(random() * random() * 60),
      permalink: `https://www.instagram.com/p/${code}/`,
      children: Array.from({ length: children }, (_, i) => ({
        id: graphId(`child ${seed} ${n} ${i}`),
        type: i > 0 && random() < 0.2 ? 'VIDEO' : 'IMAGE',
        n: n * 8 + 1 + i,
        withheld: false,
      })),
      // Most are where their time puts them; every fourth strays.
      rank: second + (random() < 0.25 ? (random() * 2 - 1) * disorderMs : 0),
    };
  }
}

/** Likes that are hidden count all the same. */
export const popularity = (post: InstagramPost): number => (post.likes ?? 40) + 3 * post.comments;
