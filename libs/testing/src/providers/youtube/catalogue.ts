/** The videos that the double knows: made from a seed, added to while it runs. */
import { dice, hash, identifier } from './seed.ts';
import { matcher, searchable } from './search-terms.ts';
import { OUTLETS, SERIES, TOPICS, type Topic } from './topics.ts';

/** A video as it truly is; search results may be late, cut, escaped and out of order, this is not. */
export interface DoubleVideo {
  readonly id: string;
  readonly topic: string;
  /** ms since the epoch, whole seconds. */
  readonly publishedAt: number;
  /** When the search knows it, ms since the epoch. */
  readonly indexedAt: number;
  /** Where it stands when ordered by date: not always its `publishedAt`. */
  readonly rank: number;
  readonly title: string;
  readonly description: string;
  readonly channelId: string;
  readonly channelTitle: string;
  readonly tags: readonly string[];
  readonly category: string;
  readonly language: string;
  readonly seconds: number;
  readonly views: number;
  readonly likes: number | undefined;
  readonly comments: number | undefined;
  readonly live: 'none' | 'live' | 'upcoming';
  /** Countries where it is not shown. */
  readonly blocked: readonly string[];
  /** Set when it was made private or deleted: videos.list leaves it out, the search may still show it. */
  gone: boolean;
  /** @internal */
  readonly text: string;
}

export interface CatalogueOptions {
  readonly seed: string;
  readonly videos: number;
  /** The initial videos are published from `from` to `to`, ms since the epoch. */
  readonly from: number;
  readonly to: number;
  /** A new video is in the search within this time, the earliest after half of it. */
  readonly indexDelayMs: number;
  /** One video in ten is out of place by up to this when ordered by date. */
  readonly disorderMs: number;
  /** One video in so many is gone though the search shows it; 0: none. */
  readonly goneOneIn: number;
}

const CHANNELS_PER_TOPIC = 12;

export class Catalogue {
  /** In the order in which they were added. */
  readonly all: DoubleVideo[] = [];
  readonly #byId = new Map<string, DoubleVideo>();
  readonly #found = new Map<string, { upTo: number; list: DoubleVideo[] }>();
  readonly #options: CatalogueOptions;

  constructor(options: CatalogueOptions) {
    this.#options = options;
    const { seed, videos, from, to } = options;
    const when = dice(`${seed}/times`);
    const times = Array.from({ length: videos }, () => from + when.next() * (to - from)).sort(
      (a, b) => a - b,
    );
    for (const at of times) this.#add(at, undefined, false);
  }

  get(id: string): DoubleVideo | undefined {
    return this.#byId.get(id);
  }

  /** Publishes a video at a time; the search knows it after the index delay. */
  add(at: number, topic?: string): DoubleVideo {
    return this.#add(at, topic, true);
  }

  /** Every video that a query matches, gone ones and not yet indexed ones too, in the order of `all`. */
  matching(q: string): readonly DoubleVideo[] {
    let found = this.#found.get(q);
    if (found === undefined) this.#found.set(q, (found = { upTo: 0, list: [] }));
    if (found.upTo < this.all.length) {
      const matches = matcher(q);
      for (; found.upTo < this.all.length; found.upTo++) {
        const video = this.all[found.upTo] as DoubleVideo;
        if (matches(video.text)) found.list.push(video);
      }
    }
    return found.list;
  }

  #add(at: number, topicName: string | undefined, late: boolean): DoubleVideo {
    const { seed, indexDelayMs, disorderMs, goneOneIn } = this.#options;
    const from = dice(`${seed}/video/${this.all.length}`);
    let id = identifier(11, from);
    while (this.#byId.has(id)) id = identifier(11, from);
    const topic = topicName === undefined ? from.pick(TOPICS) : topicOf(topicName);
    const publishedAt = Math.floor(at / 1000) * 1000;
    const channel = from.below(CHANNELS_PER_TOPIC);
    const channelTitle = `${SERIES[(channel * 5 + hash(topic.name)) % SERIES.length]} ${capital(topic.name)} ${OUTLETS[channel % OUTLETS.length]}`;
    const subject = from.pick(topic.subjects);
    const title = `${capital(topic.name)}: ${subject}, ${from.pick(topic.events)} #${this.all.length + 1}`;
    const description = [
      `${subject} and more ${topic.name} from ${channelTitle}.`,
      `Recorded for everyone who likes ${topic.name} & good company; chapters, maps and notes are below.`,
      `00:00 Start\n01:30 ${from.pick(topic.subjects)}\n04:10 ${from.pick(topic.events)}`,
      `Episode ${this.all.length + 1}. Write to us, and thank you for watching.`,
    ].join('\n\n');
    const tags = [topic.name, ...subject.toLowerCase().split(' ')].filter((tag) => tag.length > 2);
    const live = from.below(100) === 0 ? from.pick(['live', 'upcoming'] as const) : 'none';
    const video: DoubleVideo = {
      id,
      topic: topic.name,
      publishedAt,
      indexedAt: late ? publishedAt + indexDelayMs * (0.5 + from.next() / 2) : publishedAt,
      rank: publishedAt + (from.below(10) === 0 ? (from.next() * 2 - 1) * disorderMs : 0),
      title,
      description,
      channelId: `UC${identifier(22, dice(`${seed}/channel/${channelTitle}`))}`,
      channelTitle,
      tags,
      category: topic.category,
      language: topic.language,
      seconds: live === 'none' ? 15 + from.below(7200) : 0,
      views: Math.floor(10 ** (from.next() * 7)),
      likes: from.below(20) === 0 ? undefined : from.below(50_000),
      comments: from.below(20) === 0 ? undefined : from.below(5_000),
      live,
      blocked: from.below(50) === 0 ? ['DE', 'FR'] : [],
      gone: goneOneIn > 0 && from.below(goneOneIn) === 0 && !late,
      text: searchable(title, description, channelTitle, tags.join(' ')),
    };
    this.all.push(video);
    this.#byId.set(id, video);
    return video;
  }
}

function topicOf(name: string): Topic {
  const found = TOPICS.find((topic) => topic.name === name);
  if (found === undefined)
    throw new Error(`no topic ${name}; there are ${TOPICS.map((t) => t.name).join(', ')}`);
  return found;
}

const capital = (word: string): string => word.charAt(0).toUpperCase() + word.slice(1);
