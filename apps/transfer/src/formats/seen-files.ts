/**
 * Which files were added to an archive, and which were looked for and are gone. 127 bits of each name's digest, and one that
 * says which, in a table outside of V8's heap: between 16 and 64 bytes a file.
 */
const WORDS = 4;
const FIRST_SLOTS = 1024;
const THERE = 1;

export class SeenFiles {
  /** Open addressing, a power of two of slots; the first word of an empty one is 0. */
  #table = new Uint32Array(FIRST_SLOTS * WORDS);
  there = 0;
  gone = 0;

  get size(): number {
    return this.there + this.gone;
  }

  /** @param name begins with `files/` and a SHA-256 in hexadecimal */
  knows(name: string): boolean {
    return this.#table[this.#placeOf(wordsOf(name))] !== 0;
  }

  has(name: string): boolean {
    const place = this.#placeOf(wordsOf(name));
    return this.#table[place] !== 0 && (this.#word(place + 3) & THERE) !== 0;
  }

  /** Of one that it does not know. */
  note(name: string, there: boolean): void {
    if (this.size * WORDS * 4 >= this.#table.length * 3) this.#grow();
    const words = wordsOf(name);
    const place = this.#placeOf(words);
    this.#table.set(words, place);
    if (there) this.#table[place + 3] = (words[3] | THERE) >>> 0;
    if (there) this.there += 1;
    else this.gone += 1;
  }

  #grow(): void {
    const before = this.#table;
    this.#table = new Uint32Array(before.length * 2);
    for (let from = 0; from < before.length; from += WORDS) {
      if (before[from] === 0) continue;
      const words = before.subarray(from, from + WORDS);
      this.#table.set(words, this.#placeOf(words as unknown as Words));
    }
  }

  /** Where it is, or where it would be. */
  #placeOf([a, b, c, d]: Words): number {
    const mask = this.#table.length / WORDS - 1;
    for (let slot = a & mask; ; slot = (slot + 1) & mask) {
      const place = slot * WORDS;
      if (this.#word(place) === 0) return place;
      if (
        this.#word(place) === a &&
        this.#word(place + 1) === b &&
        this.#word(place + 2) === c &&
        this.#word(place + 3) >>> 1 === d >>> 1
      )
        return place;
    }
  }

  #word(at: number): number {
    return this.#table[at] as number;
  }
}

type Words = readonly [number, number, number, number];

function wordsOf(name: string): Words {
  const word = (at: number) => Number.parseInt(name.slice(at, at + 8), 16);
  return [word(6) || 1, word(14), word(22), (word(30) & ~THERE) >>> 0];
}
