const LF = 10;
/** Signs of a file that is not text are looked for in so many of its first bytes. */
const LOOKED_AT = 1024;

/** Counts the lines of a text as its bytes come; of what begins like gzip or holds a NUL, none. */
export class Lines {
  #seen = 0;
  #text = true;

  /** How many line feeds are in the next chunk. */
  in(chunk: Uint8Array): number {
    if (this.#seen < LOOKED_AT) {
      const first = chunk.subarray(0, LOOKED_AT - this.#seen);
      if (first.includes(0) || (this.#seen === 0 && first[0] === 0x1f && first[1] === 0x8b))
        this.#text = false;
      this.#seen += first.length;
    }
    if (!this.#text) return 0;
    let lines = 0;
    for (let i = 0; i < chunk.length; i++) if (chunk[i] === LF) lines++;
    return lines;
  }
}
