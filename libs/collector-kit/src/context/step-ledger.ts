import type { Outcome } from '@magpie/contracts';

const HIDDEN = '…';
/** Deeper values are left out of a log line. */
const MAX_DEPTH = 20;

/** What a step has spent and what it must not tell, for whatever becomes of it. */
export class StepLedger {
  readonly #spent = new Map<string, number>();
  #usage: { percent: number; until?: number } | undefined;
  #secrets: readonly string[] = [];

  /** @throws RangeError when `calls` is no whole number from 0 on */
  spend(operation: string, calls = 1): void {
    if (!Number.isSafeInteger(calls) || calls < 0) throw new RangeError(`no number of calls: ${calls}`);
    if (calls > 0) this.#spent.set(operation, (this.#spent.get(operation) ?? 0) + calls);
  }

  /** Keeps the highest percentage and the latest time. What is no number is passed over. */
  usage(percent: number, untilMs?: number): void {
    if (!Number.isFinite(percent) || percent < 0) return;
    const { percent: highest = 0, until: latest = 0 } = this.#usage ?? {};
    const until = Math.max(latest, Number.isFinite(untilMs) ? Math.round(untilMs ?? 0) : 0);
    this.#usage = { percent: Math.max(highest, percent), ...(until > 0 ? { until } : {}) };
  }

  /** From now on the secret, as it is or in a URL, is in nothing that goes through `scrub`, `clean` or `complete`. */
  hide(secret: string): void {
    const forms = [
      secret,
      encodeURIComponent(secret),
      new URLSearchParams({ s: secret }).toString().slice(2),
    ];
    forms.push(JSON.stringify(secret).slice(1, -1), Buffer.from(secret).toString('base64'));
    this.#secrets = [...new Set([...this.#secrets, ...forms])].filter((form) => form !== '');
  }

  /** Whether a text holds a hidden secret. */
  tells(text: string): boolean {
    return this.#secrets.some((secret) => text.includes(secret));
  }

  /** The text without hidden secrets. */
  scrub(text: string): string {
    let scrubbed = text;
    for (const secret of this.#secrets) scrubbed = scrubbed.replaceAll(secret, HIDDEN);
    return scrubbed;
  }

  /** The value itself, or a copy without hidden secrets where there is one to hide; errors stay errors. */
  clean(value: unknown, depth = 0): unknown {
    if (this.#secrets.length === 0) return value;
    if (typeof value === 'string') return this.scrub(value);
    if (typeof value !== 'object' || value === null) return value;
    if (depth > MAX_DEPTH) return HIDDEN;
    if (Array.isArray(value)) return value.map((one) => this.clean(one, depth + 1));
    if (value instanceof Error) {
      const copy = Object.create(Object.getPrototypeOf(value) as object) as Record<string, unknown>;
      for (const name of Object.getOwnPropertyNames(value)) {
        const cleaned = this.clean((value as unknown as Record<string, unknown>)[name], depth + 1);
        Object.defineProperty(copy, name, { value: cleaned, enumerable: name !== 'stack' });
      }
      return copy;
    }
    if (value instanceof URL) return this.scrub(value.href);
    return Object.fromEntries(
      Object.entries(value).map(([name, one]) => [this.scrub(name), this.clean(one, depth + 1)]),
    );
  }

  /** The outcome with what was spent and used, its words without hidden secrets. */
  complete<O extends Outcome | undefined>(outcome: O): O {
    if (outcome === undefined) return outcome;
    const told = { ...outcome } as Outcome;
    if ('message' in told) told.message = this.scrub(told.message);
    if ('url' in told && told.url !== undefined) told.url = this.scrub(told.url);
    if (this.#spent.size > 0) told.spent = Object.fromEntries(this.#spent);
    if (this.#usage !== undefined) told.usage = this.#usage;
    return told as O;
  }
}
