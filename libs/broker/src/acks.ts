/** One `basic.ack`: of this tag, or of it and all before it. */
export interface Ack {
  readonly tag: number;
  readonly multiple: boolean;
}

/**
 * The deliveries of one channel that are not acked yet. An ack of several covers only tags whose effects are
 * all done: what is still in work is never acked along with its neighbours.
 */
export class AckWindow {
  /** Ascending: the broker numbers the deliveries of a channel upwards. */
  readonly #open = new Set<number>();
  #done: number[] = [];

  get open(): number {
    return this.#open.size;
  }

  deliver(tag: number): void {
    this.#open.add(tag);
  }

  done(tag: number): void {
    if (this.#open.delete(tag)) this.#done.push(tag);
  }

  /** The fewest acks for all that is done; each done tag is covered once. */
  take(): Ack[] {
    const done = this.#done.sort((a, b) => a - b);
    this.#done = [];
    const [lowestOpen = Infinity] = this.#open;
    const before = done.filter((tag) => tag < lowestOpen);
    const acks: Ack[] = [];
    const last = before.at(-1);
    if (last !== undefined) acks.push({ tag: last, multiple: before.length > 1 });
    for (const tag of done.slice(before.length)) acks.push({ tag, multiple: false });
    return acks;
  }
}
