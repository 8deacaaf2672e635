/** How fast something goes, over its last five seconds. */
export class Pace {
  readonly #seen: { at: number; bytes: number; rows: number }[];

  constructor(bytes: number, rows: number, at = performance.now()) {
    this.#seen = [{ at, bytes, rows }];
  }

  /** Per second, now that it is so far. */
  at(bytes: number, rows: number, at = performance.now()): { bytes: number; rows: number } {
    this.#seen.push({ at, bytes, rows });
    while (this.#seen.length > 2 && at - (this.#seen[1]?.at ?? at) >= 5000) this.#seen.shift();
    const first = this.#seen[0] ?? { at, bytes, rows };
    const seconds = Math.max((at - first.at) / 1000, 0.001);
    const per = (much: number): number => Math.max(0, Math.round(much / seconds));
    return { bytes: per(bytes - first.bytes), rows: per(rows - first.rows) };
  }
}
