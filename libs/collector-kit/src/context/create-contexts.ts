import type { StepWork } from '@magpie/contracts';
import { hostKey, parseCidrs } from '@magpie/domain';
import type { Logger } from '@magpie/service-kit';
import { createFileStore } from '../files/store.ts';
import { createHttpClient, type HttpRequestOptions } from '../http/index.ts';
import type { ReplicaMetrics } from '../run/replica-metrics.ts';
import { Recent } from '../run/recent.ts';
import type { StepContext, StepFiles, StepHttp } from './context.ts';
import { openCredential } from './open-credential.ts';
import type { StepLedger } from './step-ledger.ts';
import { stepLog } from './step-log.ts';

export interface ContextsOptions {
  readonly filesRoot: string;
  readonly allow: readonly string[];
  readonly contact?: string | undefined;
  readonly maxBytes?: number;
  readonly hostConcurrency?: number;
  /** Opens credentials. */
  readonly secret?: string | undefined;
  readonly log: Logger;
  readonly metrics: ReplicaMetrics;
  /** A host's crawl delay was learned, or has changed. */
  readonly onHostDelay: (host: string, delayMs: number) => void;
}

/** What one step's context is made of besides the step. */
export interface StepRun {
  readonly signal: AbortSignal;
  readonly deadline: number;
  readonly log: Logger;
  readonly ledger: StepLedger;
}

/** What all steps of a process share. */
export interface Contexts {
  create(work: StepWork, run: StepRun & { settings?: Readonly<Record<string, unknown>> }): StepContext;
  close(): Promise<void>;
}

const USER_AGENT = 'Magpie/0.1.0';
/** No step writes so long: what is older was left by a process that was killed. */
const LEFT_OVER_MS = 3_600_000;
const NO_CONTACT = 'the operator gave no contact';

/** Opens the HTTP client and the file store of a process. */
export async function createContexts(options: ContextsOptions): Promise<Contexts> {
  const { allow, contact = NO_CONTACT, maxBytes, hostConcurrency, onHostDelay } = options;
  const client = createHttpClient({
    userAgent: USER_AGENT,
    contact,
    allow: parseCidrs(allow.join(',')),
    ...(maxBytes === undefined ? {} : { limits: { maxBytes, maxWireBytes: maxBytes } }),
    ...(hostConcurrency === undefined ? {} : { perHostConcurrency: hostConcurrency }),
  });
  const store = createFileStore({ root: options.filesRoot, log: options.log });
  const swept = await store.sweepTemporary(LEFT_OVER_MS);
  if (swept > 0) options.log.info({ files: swept }, 'removed files that were left half written');
  const delays = new Recent<number>(10_000);
  const learn = (url: string): void => {
    const host = hostKey(url);
    const delayMs = client.crawlDelayMs(url);
    if ((delays.get(host) ?? 0) === delayMs) return;
    delays.set(host, delayMs);
    onHostDelay(host, delayMs);
  };
  /** A step may ask for less than the operator allows, not for more. */
  const within = (limits: HttpRequestOptions['limits']): Pick<HttpRequestOptions, 'limits'> => {
    if (limits === undefined || maxBytes === undefined) return {};
    const { maxBytes: bytes = maxBytes, maxWireBytes: wire = maxBytes } = limits;
    return {
      limits: { ...limits, maxBytes: Math.min(bytes, maxBytes), maxWireBytes: Math.min(wire, maxBytes) },
    };
  };
  const bound = (signal: AbortSignal): StepHttp => ({
    async request(url, request = {}) {
      const response = await client.request(url, { ...request, ...within(request.limits), signal });
      if (request.robots !== false) learn(response.url);
      return response;
    },
    get(url, request) {
      return this.request(url, { ...request, method: 'GET' });
    },
    async robots(url) {
      const rules = await client.robots(url, signal);
      learn(url);
      return rules;
    },
  });
  const keeping = (signal: AbortSignal): StepFiles => ({
    async write(kind, body, { maxBytes }) {
      const file = await store.write(kind, body, { maxBytes, signal });
      options.metrics.files.inc(file.fresh ? file.bytes : 0);
      return file;
    },
  });
  return {
    create: ({ attempt, credential }, { signal, deadline, log, ledger, settings = {} }) => ({
      http: bound(signal),
      files: keeping(signal),
      signal,
      log: credential === undefined ? log : stepLog(log, ledger),
      settings,
      ...(credential === undefined ? {} : { credential: openCredential(credential, options.secret, ledger) }),
      spend: (operation, calls) => ledger.spend(operation, calls),
      usage: (percent, untilMs) => ledger.usage(percent, untilMs),
      attempt,
      deadline,
    }),
    close: () => client.close(),
  };
}
