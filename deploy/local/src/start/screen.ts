/** What a person sees: lines that stay, and below them, on a terminal, one live line a job. */
export class Screen {
  readonly #out: NodeJS.WriteStream;
  readonly #live = new Map<string, string>();
  readonly #printed = new Map<string, number>();
  #height = 0;

  constructor(out: NodeJS.WriteStream = process.stdout) {
    this.#out = out;
  }

  get #terminal(): boolean {
    return this.#out.isTTY === true;
  }

  /** Bold and the like, on a terminal that wants colours. */
  style(code: 1 | 2 | 31 | 32 | 33 | 36, text: string): string {
    return this.#terminal && !process.env['NO_COLOR'] ? `\u001b[${code}m${text}\u001b[0m` : text;
  }

  line(text: string): void {
    this.#clear();
    this.#out.write(`${text}\n`);
    this.#draw();
  }

  /** Sets the live line of `key`; away from a terminal it is printed at most once a second, and at its end. */
  live(key: string, text: string, last = false): void {
    if (this.#terminal) {
      this.#clear();
      if (last) {
        this.#live.delete(key);
        this.#out.write(`${text}\n`);
      } else this.#live.set(key, text);
      this.#draw();
      return;
    }
    if (!last && Date.now() - (this.#printed.get(key) ?? 0) < 1000) return;
    this.#printed.set(key, Date.now());
    this.#out.write(`${text}\n`);
  }

  #clear(): void {
    if (this.#height > 0) this.#out.write(`\u001b[${this.#height}F\u001b[J`);
    this.#height = 0;
  }

  #draw(): void {
    if (!this.#terminal) return;
    const width = (this.#out.columns || 80) - 1;
    for (const text of this.#live.values()) this.#out.write(`${text.slice(0, width)}\n`);
    this.#height = this.#live.size;
  }
}
