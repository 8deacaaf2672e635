/**
 * The pages of the Facebook double: any number of them, none of them stored.
 *
 * What a page is follows from seed, index and time by arithmetic, so 100,000 pages cost nothing until they are asked
 * for, and two doubles of the same seed agree. Only what a test sets is remembered.
 */

export type PageState =
  /** Published, readable by id and by username. */
  | 'active'
  /** Has another username now: the old one answers nothing, the id and the new one do. */
  | 'renamed'
  /** Is part of another page now. */
  | 'merged'
  /** Not visible to this app. */
  | 'unpublished'
  /** Gone, and its username with it. */
  | 'deleted'
  /** There, but the app lacks the feature to read it. */
  | 'restricted'
  /** The username belongs to a person. */
  | 'profile'
  /** Answers only that its calls are used up. */
  | 'throttled';

export interface PageSetting {
  readonly state?: PageState;
  /** `merged`: username or id of the page it went to. `renamed`: the new username. */
  readonly to?: string;
  /** A fan count that stays as it is; followers are as many. */
  readonly fans?: number;
  /** The error code: `restricted` 10 (default) or 200, `throttled` 32 (default), 613 or 80001. */
  readonly code?: number;
}

export interface Page {
  readonly index: number;
  readonly id: string;
  /** What it answers to now. */
  readonly username: string;
  readonly name: string;
  readonly state: PageState;
  /** `merged`: the id of the other page. `renamed`: the new username. */
  readonly to?: string;
  readonly code?: number;
  readonly fans: number;
  readonly followers: number;
}

/** Of a thousand pages, how many are in a state other than active. The first hundred pages are all active. */
export const DEFAULT_SHARES: Readonly<Partial<Record<PageState, number>>> = {
  renamed: 4,
  merged: 2,
  unpublished: 3,
  deleted: 2,
  restricted: 2,
};
export const ALWAYS_ACTIVE = 100;

const FIRST_ID = 100_000_000_000_000;
const ID_STEP = 1_009;
const DAY = 86_400_000;
const COUNTED_FROM = Date.UTC(2026, 0, 1);
const CATEGORIES = ['Community', 'Bakery', 'Sports team', 'Musician/band', 'Local business', 'Café'];

export class Pages {
  readonly size: number;
  readonly #seed: number;
  readonly #firstId: number;
  readonly #now: () => number;
  readonly #shares: readonly (readonly [PageState, number])[];
  readonly #set = new Map<number, PageSetting>();
  readonly #aliases = new Map<string, number>();
  readonly #spikes = new Map<number, { factor: number; until: number }>();

  constructor(options: {
    seed: number;
    pages: number;
    now: () => number;
    shares: Readonly<Partial<Record<PageState, number>>>;
  }) {
    this.size = options.pages;
    this.#seed = options.seed;
    this.#now = options.now;
    this.#firstId = FIRST_ID + Math.floor(chance(options.seed, 0, 0) * 1e12);
    let sum = 0;
    this.#shares = Object.entries(options.shares).map(([state, share]) => [
      state as PageState,
      (sum += share / 1000),
    ]);
  }

  /** The username a page has from the beginning: `page00001` is the first. */
  usernameAt(index: number): string {
    return `page${String(index + 1).padStart(5, '0')}`;
  }

  idAt(index: number): string {
    return String(this.#firstId + index * ID_STEP);
  }

  /** The index of a page by its id, or by any username it has or had (case does not matter); undefined if none. */
  find(name: string): number | undefined {
    const first = name.charCodeAt(0);
    if (first >= 48 && first <= 57) {
      const offset = Number(name) - this.#firstId;
      if (!(offset >= 0) || offset % ID_STEP !== 0) return undefined;
      return offset / ID_STEP < this.size ? offset / ID_STEP : undefined;
    }
    const lower = name.toLowerCase();
    const set = this.#aliases.get(lower);
    if (set !== undefined) return set;
    const index = Number.parseInt(lower.slice(4), 10) - 1;
    if (!(index >= 0 && index < this.size)) return undefined;
    const username = this.usernameAt(index);
    return lower === username || (lower === `${username}official` && this.stateAt(index) === 'renamed')
      ? index
      : undefined;
  }

  stateAt(index: number): PageState {
    const set = this.#set.get(index)?.state;
    if (set !== undefined) return set;
    if (index < ALWAYS_ACTIVE) return 'active';
    const lot = chance(this.#seed, index, 1);
    for (const [state, below] of this.#shares) if (lot < below) return state;
    return 'active';
  }

  /** Everything about a page at this moment. */
  at(index: number): Page {
    const state = this.stateAt(index);
    const set = this.#set.get(index);
    const old = this.usernameAt(index);
    const renamedTo = state === 'renamed' ? (set?.to ?? `${old}official`) : undefined;
    const to = state === 'merged' ? this.idAt(this.#mergedInto(index)) : renamedTo;
    const fans = this.fansAt(index);
    return {
      index,
      id: this.idAt(index),
      username: renamedTo ?? old,
      name: this.nameAt(index),
      state,
      ...(to === undefined ? {} : { to }),
      ...(set?.code === undefined ? {} : { code: set.code }),
      fans,
      followers: this.followersAt(index, fans),
    };
  }

  nameAt(index: number): string {
    return `Page ${String(index + 1).padStart(5, '0')} ${this.categoryAt(index)}`;
  }

  categoryAt(index: number): string {
    return CATEGORIES[index % CATEGORIES.length] as string;
  }

  /** Two of three pages have the new experience, where the fan count is the followers' count. */
  hasNewExperience(index: number): boolean {
    return index % 3 !== 0;
  }

  /** A page's fans now: between 100 and 10,000,000 at first, a tenth of a per cent more or less a day, with a wave. */
  fansAt(index: number): number {
    const time = this.#now();
    const set = this.#set.get(index)?.fans;
    const spike = this.#spikes.get(index);
    const factor = spike !== undefined && time < spike.until ? spike.factor : 1;
    if (set !== undefined) return Math.round(set * factor);
    const base = 100 * 10 ** (5 * chance(this.#seed, index, 2));
    const growth = 0.0011 * chance(this.#seed, index, 3) - 0.0001;
    const days = (time - COUNTED_FROM) / DAY;
    const wave = 0.0004 * Math.sin(2 * Math.PI * (days + chance(this.#seed, index, 4)));
    return Math.floor(base * Math.exp(growth * days + wave) * factor);
  }

  followersAt(index: number, fans: number): number {
    if (this.#set.get(index)?.fans !== undefined || this.hasNewExperience(index)) return fans;
    return Math.floor(fans * (1 + 0.2 * chance(this.#seed, index, 5)));
  }

  /** @throws RangeError for a page that does not exist */
  set(name: string, setting: PageSetting): void {
    const index = this.#existing(name);
    if (setting.state === 'merged' && setting.to !== undefined) this.#existing(setting.to);
    const before = this.#set.get(index);
    if (before?.to !== undefined) this.#aliases.delete(before.to.toLowerCase());
    this.#set.set(index, { ...before, ...setting });
    if (setting.state === 'renamed' && setting.to !== undefined)
      this.#aliases.set(setting.to.toLowerCase(), index);
  }

  /** Multiplies a page's fans for a time. */
  spike(name: string, factor: number, forMs: number): void {
    this.#spikes.set(this.#existing(name), { factor, until: this.#now() + forMs });
  }

  /** Forgets what was set. */
  clear(): void {
    this.#set.clear();
    this.#aliases.clear();
    this.#spikes.clear();
  }

  #existing(name: string): number {
    const index = this.find(name);
    if (index === undefined) throw new RangeError(`no page ${name}`);
    return index;
  }

  #mergedInto(index: number): number {
    const to = this.#set.get(index)?.to;
    if (to !== undefined) return this.#existing(to);
    let other = index;
    do other = (other + 1) % this.size;
    while (other !== index && this.stateAt(other) !== 'active');
    return other;
  }
}

/** A number in [0, 1) that depends on all three arguments and nothing else. */
function chance(seed: number, index: number, salt: number): number {
  let x =
    (Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) + Math.imul(index + 1, 0xc2b2ae35) + salt * 0x27d4eb2f) | 0;
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return ((x ^ (x >>> 16)) >>> 0) / 0x1_0000_0000;
}
