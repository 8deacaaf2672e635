/** A loop that runs by itself a few times a second, at once when it is woken, and never more often than its pace. */

const IDLE_MS = 250;
const PACE_MS = 15;
const AFTER_ERROR_MS = 500;

export class Loop {
  readonly #turn: () => Promise<boolean>;
  readonly #onError: (error: unknown) => void;
  #wake: () => void = () => undefined;
  #woken = false;
  #closing = false;
  #running: Promise<void> = Promise.resolve();

  /** @param turn gives whether there may be more to do at once */
  constructor(turn: () => Promise<boolean>, onError: (error: unknown) => void) {
    this.#turn = turn;
    this.#onError = onError;
  }

  get closing(): boolean {
    return this.#closing;
  }

  start(): void {
    this.#running = this.#run();
  }

  wake(): void {
    this.#woken = true;
    this.#wake();
  }

  /** Ends after the turn that is under way. */
  async close(): Promise<void> {
    this.#closing = true;
    this.wake();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#closing) {
      let busy = false;
      try {
        busy = await this.#turn();
      } catch (error) {
        this.#onError(error);
        await this.#rest(AFTER_ERROR_MS);
      }
      await this.#rest(busy || this.#woken ? PACE_MS : IDLE_MS);
    }
  }

  /** Waits so long, or until woken, but no less than `PACE_MS`. */
  #rest(ms: number): Promise<void> {
    this.#woken = false;
    return new Promise((resolve) => {
      const began = Date.now();
      const done = (): void => {
        clearTimeout(timer);
        this.#wake = () => undefined;
        resolve();
      };
      const timer = setTimeout(done, ms);
      this.#wake = () => {
        const early = PACE_MS - (Date.now() - began);
        if (this.#closing || early <= 0) return done();
        this.#wake = () => undefined;
        setTimeout(done, early);
      };
    });
  }
}
