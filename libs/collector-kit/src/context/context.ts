import type { Logger } from '@magpie/service-kit';
import type { FileBody, FileKind, StoredFile } from '../files/index.ts';
import type { HttpRequestOptions, HttpResponse, RobotsRules } from '../http/index.ts';

/** What a source may use while it does a step. `S`: the values of the source's `settings`. */
export interface StepContext<S = Readonly<Record<string, unknown>>> {
  /** The guarded client; whatever it does ends when the step ends. */
  readonly http: StepHttp;
  /** Where fetched files are kept, by their content. */
  readonly files: StepFiles;
  /** Aborts when the step is to end: its job was terminated, its time is over, the process ends. */
  readonly signal: AbortSignal;
  /** Bound to the job and the step. */
  readonly log: Logger;
  /** The source's own environment variables, as it declared them in `settings`. */
  readonly settings: S;
  /** What calls of the provider are made with; undefined for a step that needs none. */
  readonly credential?: StepCredential;
  /**
   * Counts calls that reached the provider, refused ones too; they are reported with whatever becomes of the step.
   * `operation` is one that the source's `provider` declares. `callApi` counts by itself.
   */
  spend(operation: string, calls?: number): void;
  /**
   * What the provider said of how much of its limits the credential has used, in percent, and when there is room
   * again (ms since the epoch). The highest of a step is reported.
   */
  usage(percent: number, untilMs?: number): void;
  /** From 1. */
  readonly attempt: number;
  /** When the step is aborted, ms since the epoch. */
  readonly deadline: number;
}

/** A key or token of the source's provider. */
export interface StepCredential {
  readonly id: string;
  /** The provider's name for whose it is. */
  readonly account?: string;
  /**
   * The secret in the clear. Keep it in headers or bodies of requests: it is taken out of messages, URLs and log
   * lines of the step, and a result that holds it fails.
   * @throws Permanent `credential_unreadable` when it cannot be opened with this collector's `MAGPIE_SECRET`
   */
  secret(): string;
}

/** `HttpClient` with the step's signal. See there for what it promises and throws. */
export interface StepHttp {
  request(url: string, options?: Omit<HttpRequestOptions, 'signal'>): Promise<HttpResponse>;
  get(url: string, options?: Omit<HttpRequestOptions, 'signal' | 'method'>): Promise<HttpResponse>;
  robots(url: string): Promise<RobotsRules>;
}

/** `FileStore.write` with the step's signal: nothing remains of a write that was aborted. */
export interface StepFiles {
  write(kind: FileKind, body: FileBody, options: { readonly maxBytes: number }): Promise<StoredFile>;
}
