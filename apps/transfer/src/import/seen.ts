/** So many are told apart; from then on each counts as new. */
const MAX_SEEN = 4_000_000;
/** Of base 32: 50 bits, exact as a number. In one of a hundred files of four million, two ids are taken for one. */
const DIGITS = 10;

/** Which ids (`idOf`) came by already, in 8 to 32 bytes each. */
export class Seen {
  /** Whether some counted as new that may not be. */
  full = false;
  #places = new Float64Array(1024);
  #size = 0;

  /** Whether it is new. */
  add(id: string): boolean {
    if (this.#size >= MAX_SEEN) return (this.full = true);
    if (this.#size * 2 >= this.#places.length) this.#grow();
    return this.#put(parseInt(id.slice(0, DIGITS), 32) + 1);
  }

  #put(key: number): boolean {
    const mask = this.#places.length - 1;
    let at = key % this.#places.length;
    for (; this.#places[at] !== 0; at = (at + 1) & mask) if (this.#places[at] === key) return false;
    this.#places[at] = key;
    this.#size++;
    return true;
  }

  #grow(): void {
    const before = this.#places;
    this.#places = new Float64Array(before.length * 2);
    this.#size = 0;
    for (const key of before) if (key !== 0) this.#put(key);
  }
}
