import type { NextStep, Outcome, OutcomeOf, StepWork } from '@magpie/contracts';
import { FoundItem, NextStep as NextStepSchema, Sample, TargetReport } from '@magpie/contracts';
import { hostKey, redactText } from '@magpie/domain';
import { Compile, type Validator } from 'typebox/compile';
import type { StepContext } from '../context/context.ts';
import { StepLedger } from '../context/step-ledger.ts';
import {
  Aborted,
  CredentialRefused,
  Permanent,
  QuotaExhausted,
  Retryable,
  RetryAfter,
  Skip,
  StepError,
  Throttled,
} from '../errors.ts';
import { faultOf, InvalidStep, type Source } from '../source/define-source.ts';
import type { StepResult } from '../source/step.ts';
import { LIMITS } from '../source/limits.ts';

/** Why a step was not begun, or was ended before it was done. */
export type StopReason = 'held' | 'late' | 'shutdown' | 'deadline' | 'terminated';

const DISK_FULL_MS = 60_000;
/** How long a step without a credential is left when the provider does not say for how long. */
const QUOTA_MS = 3_600_000;
const THROTTLED_MS = 60_000;
const DISK_FULL_CODES = new Set(['ENOSPC', 'EDQUOT', 'disk_full']);

const item = Compile(FoundItem);
const next = Compile(NextStepSchema);
const sample = Compile(Sample);
const report = Compile(TargetReport);
/** Samples, and reports of targets, of one step at most. */
const MEASURED = 1_000;

/**
 * Does a step and says what became of it; never rejects. `context.signal` aborts with a {@link StopReason}.
 * Undefined when nobody wants to know: the step was aborted because its job was terminated.
 * What the step has spent by then, as the ledger has it, is in the outcome, whichever it is.
 *
 * A step that was done in spite of an abort is reported as done.
 */
export async function stepOutcome(
  source: Source,
  work: StepWork,
  context: StepContext,
  ledger: StepLedger = new StepLedger(),
): Promise<Outcome | undefined> {
  return ledger.complete(await attempted(source, work, context, ledger));
}

async function attempted(
  source: Source,
  work: StepWork,
  context: StepContext,
  ledger: StepLedger,
): Promise<Outcome | undefined> {
  try {
    const { epoch: _epoch, lease: _lease, credential: _credential, ...step } = work;
    const result = await source.perform(step, context);
    const fault =
      faultOfResult(source, result) ??
      (ledger.tells(JSON.stringify(result)) ? 'the result holds the secret of the credential' : undefined);
    if (fault !== undefined) {
      context.log.error({ kind: work.kind, fault }, 'the source returned what it may not return');
      return failed(work, 'source_error', fault);
    }
    return done(work, result);
  } catch (error) {
    if (context.signal.aborted) return stopped(work, context.signal.reason as StopReason);
    return outcomeOf(error, work, context);
  }
}

/** The outcome of a step that somebody or something stopped. */
export function stopped(work: StepWork, reason: 'held' | 'late' | 'shutdown'): Outcome;
export function stopped(work: StepWork, reason: StopReason): Outcome | undefined;
export function stopped(work: StepWork, reason: StopReason): Outcome | undefined {
  if (reason === 'terminated') return undefined;
  if (reason !== 'deadline') return { ...of(work), outcome: 'released', reason };
  return {
    ...of(work),
    outcome: 'retry',
    code: 'transfer_timeout',
    message: 'the step was not done in its time',
    ...(work.url === undefined ? {} : { url: shownUrl(work.url) }),
  };
}

/** What the class of an error says about the step that threw it. */
export function outcomeOf(error: unknown, work: StepWork, { log }: Pick<StepContext, 'log'>): Outcome {
  if (error instanceof RetryAfter) {
    const { host, untilMs } = error;
    return {
      ...of(work),
      outcome: 'backoff',
      ...why(error, work),
      host,
      until: Math.max(0, Math.round(untilMs)),
    };
  }
  const ofCredential = outcomeOfCredential(error, work);
  if (ofCredential !== undefined) return ofCredential;
  if (isDiskFull(error)) {
    const until = Date.now() + DISK_FULL_MS;
    const message = 'there is no space left for files';
    return {
      ...of(work),
      outcome: 'wait',
      ...why(error, work),
      code: 'disk_full',
      message,
      reason: 'disk_full',
      until,
    };
  }
  if (error instanceof Permanent) return { ...of(work), outcome: 'failed', ...why(error, work) };
  if (error instanceof Skip) return { ...of(work), outcome: 'skipped', ...why(error, work) };
  if (error instanceof Aborted) return { ...of(work), outcome: 'released', reason: 'aborted' };
  if (error instanceof Retryable) return { ...of(work), outcome: 'retry', ...why(error, work) };
  if (error instanceof InvalidStep) {
    log.error({ kind: work.kind, err: error }, 'the source does not understand the step');
    return failed(work, 'source_error', error.message);
  }
  log.error({ kind: work.kind, err: error }, 'the source failed in an unexpected way');
  return { ...of(work), outcome: 'retry', ...why(error, work), code: 'source_error' };
}

/** What an error says about the step's credential; without one, about the step alone. */
function outcomeOfCredential(error: unknown, work: StepWork): Outcome | undefined {
  const about = { ...of(work), ...why(error, work) };
  if (error instanceof CredentialRefused) {
    if (work.credential === undefined) return { ...about, outcome: 'failed' };
    return { ...about, outcome: 'credential', state: 'refused' };
  }
  if (!(error instanceof QuotaExhausted || error instanceof Throttled)) return undefined;
  const until = error.untilMs === undefined ? undefined : Math.max(0, Math.round(error.untilMs));
  if (work.credential !== undefined) {
    const state = error instanceof QuotaExhausted ? 'exhausted' : 'resting';
    return { ...about, outcome: 'credential', state, ...(until === undefined ? {} : { until }) };
  }
  if (error instanceof QuotaExhausted) {
    return { ...about, outcome: 'wait', reason: 'keys_exhausted', until: until ?? Date.now() + QUOTA_MS };
  }
  if (about.url === undefined) return { ...about, outcome: 'retry' };
  return {
    ...about,
    outcome: 'backoff',
    host: hostKey(about.url),
    until: until ?? Date.now() + THROTTLED_MS,
  };
}

function done(work: StepWork, result: StepResult): OutcomeOf<'done'> {
  return {
    ...of(work),
    outcome: 'done',
    items: [...(result.items ?? [])],
    next: [...(result.next ?? [])],
    ...(result.unchanged === true ? { unchanged: true } : {}),
    ...(result.samples?.length ? { samples: [...result.samples] } : {}),
    ...(result.targets?.length ? { targets: [...result.targets] } : {}),
    ...(result.coverage === undefined ? {} : { coverage: { ...result.coverage } }),
  };
}

/** The first thing wrong with what a source returned, or undefined. */
export function faultOfResult(source: Source, result: unknown): string | undefined {
  if (typeof result !== 'object' || result === null) return 'the source returned no result';
  const { items = [], next: steps = [] } = result as StepResult;
  if (!Array.isArray(items) || !Array.isArray(steps)) return 'items and next must be arrays';
  if (items.length > LIMITS.items) return `${items.length} items, at most ${LIMITS.items} are taken`;
  if (steps.length > LIMITS.next) return `${steps.length} next steps, at most ${LIMITS.next} are taken`;
  for (const found of items) {
    if (!item.Check(found)) return `item: ${faultOf(item, found)}`;
    const fault = source.faultOfItem(found.kind, found.data);
    if (fault !== undefined) return `data of the ${found.kind}: ${fault}`;
  }
  for (const one of steps as NextStep[]) {
    if (!next.Check(one)) return `next step: ${faultOf(next, one)}`;
    if (!source.kinds.includes(one.kind)) return `next step: there is no step of the kind "${one.kind}"`;
  }
  const { samples = [], targets = [], coverage } = result as StepResult;
  const measured = faultOfAll('sample', samples, sample) ?? faultOfAll('target', targets, report);
  if (measured !== undefined) return measured;
  if (coverage !== undefined && !isPeriod(coverage)) return 'coverage: from and to must be a period in ms';
  const bytes = Buffer.byteLength(JSON.stringify({ items, steps, samples, targets }));
  return bytes > LIMITS.bytes ? `${bytes} bytes of results, at most ${LIMITS.bytes} are taken` : undefined;
}

function faultOfAll(name: string, values: unknown, validator: Validator): string | undefined {
  if (!Array.isArray(values)) return `${name}s must be an array`;
  if (values.length > MEASURED) return `${values.length} ${name}s, at most ${MEASURED} are taken`;
  const wrong: unknown = values.find((value) => !validator.Check(value));
  return wrong === undefined ? undefined : `${name}: ${faultOf(validator, wrong)}`;
}

function isPeriod({ from, to }: { from: unknown; to: unknown }): boolean {
  return (
    Number.isSafeInteger(from) && Number.isSafeInteger(to) && 0 <= Number(from) && Number(from) <= Number(to)
  );
}

const of = ({ id, lease }: StepWork) => ({ id, lease });

function failed(work: StepWork, code: string, message: string): Outcome {
  return { ...of(work), outcome: 'failed', ...why(new Permanent(code, message), work), code };
}

function why(
  error: unknown,
  work: StepWork,
): { code: string; message: string; status?: number; url?: string } {
  const about = error instanceof StepError ? error : undefined;
  const url = about?.url ?? work.url;
  return {
    code: about?.code ?? 'source_error',
    message: shownText(error instanceof Error ? error.message || error.name : String(error)),
    ...(about?.status === undefined ? {} : { status: about.status }),
    ...(url === undefined ? {} : { url: shownUrl(url) }),
  };
}

/** Scrubbed of secrets, at most 500 characters. */
function shownText(text: string): string {
  const scrubbed = redactText(text.slice(0, 4000));
  return scrubbed.length > 500 ? `${scrubbed.slice(0, 499)}…` : scrubbed;
}

const shownUrl = (url: string): string => redactText(url).slice(0, 8192);

function isDiskFull(error: unknown): boolean {
  for (let cause = error as NodeJS.ErrnoException | undefined, depth = 0; cause && depth < 5; depth += 1) {
    if (DISK_FULL_CODES.has(String(cause.code))) return true;
    cause = cause.cause as NodeJS.ErrnoException | undefined;
  }
  return false;
}
