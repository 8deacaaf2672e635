import type { Logger } from '@magpie/service-kit';
import type { HttpRequestOptions, HttpResponse, RobotsRules } from '../http/index.ts';

/** What a source may use while it does a step. */
export interface StepContext {
  /** The guarded client; whatever it does ends when the step ends. */
  readonly http: StepHttp;
  readonly files: any;
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
