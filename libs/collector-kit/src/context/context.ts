import type { Logger } from '@magpie/service-kit';
import type { FileBody, FileKind, StoredFile } from '../files/index.ts';
import type { HttpRequestOptions, HttpResponse, RobotsRules } from '../http/index.ts';

/** What a source may use while it does a step. */
export interface StepContext {
  /** The guarded client; whatever it does ends when the step ends. */
  readonly http: StepHttp;
  /** Where fetched files are kept, by their content. */
  readonly files: StepFiles;
  /** Aborts when the step is to end: its job was terminated, its time is over, the process ends. */
  readonly signal: AbortSignal;
  /** Bound to the job and the step. */
  readonly log: Logger;
  /** From 1. */
  readonly attempt: number;
  /** When the step is aborted, ms since the epoch. */
  readonly deadline: number;
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
