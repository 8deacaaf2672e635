import { createHash } from 'node:crypto';
import {
  CredentialRefused,
  Permanent,
  Throttled,
  Type,
  type NextStep,
  type Settings,
  type Step,
  type StepContext,
  type StepError,
  type StepResult,
} from '@magpie/collector-kit';
import { callGraph } from '@magpie/collector-kit/graph';
import { FIELDS, nodeOf, readAnswer, type PageAnswer } from './page-answer.ts';
import type { PagesInput, settings } from './params.ts';

/** Each operation is looked at by itself, so that one which is not as documented costs itself alone. */
const Answers = Type.Array(Type.Unknown());
/** So many pages that may all not be read: it is the app that lacks the permission. */
const SURELY_THE_APP = 10;
/** From here on the provider's own word is that calls are used up. */
const USED_UP_PERCENT = 95;

/**
 * Measures up to 50 pages in one batch call. Pages that say where or what they are instead become states; what failed
 * in passing is asked again by a step of its own, so that what was measured is kept. When nothing was measured and all
 * failed, the step fails: by the token, if that was it, else by the limit, else by what may pass.
 * @throws Permanent `permission_missing` when no page of many may be read
 * @throws whatever `callGraph` throws
 */
export async function readPages(
  { input }: Step<PagesInput>,
  context: StepContext<Settings<typeof settings>>,
): Promise<StepResult> {
  const { targets, ids = {} } = input;
  const usage = { known: false, percent: 0 };
  const answers = await callGraph(
    {
      ...context,
      usage(percent, untilMs) {
        Object.assign(usage, { known: true, percent });
        context.usage(percent, untilMs);
      },
    },
    {
      base: context.settings.FACEBOOK_API_URL,
      version: context.settings.FACEBOOK_API_VERSION,
      path: '',
      operation: 'page',
      calls: targets.length,
      schema: Answers,
      body: new URLSearchParams({
        include_headers: 'false',
        batch: JSON.stringify(
          targets.map((target) => ({
            method: 'GET',
            relative_url: `${ids[target] ?? nodeOf(target)}?fields=${FIELDS.join(',')}`,
          })),
        ),
      }),
    },
  );
  const at = Date.now();
  const usedUp = !usage.known || usage.percent >= USED_UP_PERCENT;
  const read = targets.map((target, i) =>
    readAnswer(answers[i] ?? null, { target, at, usedUp, byId: Object.hasOwn(ids, target) }),
  );
  return withoutSecret(resultOf(input, read), context.credential?.secret() ?? '');
}

/** The provider's words on pages, without the token should it repeat that. */
function withoutSecret(result: StepResult, secret: string): StepResult {
  if (secret === '' || !result.targets?.some(({ message }) => message?.includes(secret))) return result;
  return {
    ...result,
    targets: result.targets.map(({ message, ...report }) => ({
      ...report,
      ...(message === undefined ? {} : { message: message.replaceAll(secret, '…') }),
    })),
  };
}

/** What a step brings for its pages' answers, in their order. @throws see {@link readPages} */
export function resultOf(input: PagesInput, read: readonly PageAnswer[]): StepResult {
  const faults = read.flatMap((one) => (one.is === 'failed' ? [one.fault] : []));
  if (faults.length === read.length) throw worstOf(faults);
  const reports = read.flatMap((one) => (one.is === 'failed' ? [] : [one.report]));
  const forbidden = reports.filter(({ state }) => state === 'forbidden');
  if (forbidden.length === read.length && read.length >= SURELY_THE_APP)
    throw new Permanent('permission_missing', forbidden[0]?.message ?? 'no page may be read');
  const again = input.targets.filter((_target, i) => read[i]?.is === 'failed');
  return {
    samples: read.flatMap((one) => (one.is === 'measured' ? [one.sample] : [])),
    targets: reports,
    ...(again.length === 0 ? {} : { next: [stepFor(input, again)] }),
  };
}

function stepFor({ targets: _all, ids, ...rest }: PagesInput, targets: readonly string[]): NextStep {
  const known = Object.entries(ids ?? {}).filter(([target]) => targets.includes(target));
  const hash = createHash('sha256').update(JSON.stringify(targets)).digest('hex').slice(0, 32);
  return {
    kind: 'pages',
    key: `${rest.run?.number ?? 0}:again:${hash}`,
    input: { ...rest, targets, ...(known.length === 0 ? {} : { ids: Object.fromEntries(known) }) },
  };
}

function worstOf(faults: readonly StepError[]): StepError {
  const [first] = faults as [StepError];
  const worst = [CredentialRefused, Throttled]
    .map((kind) => faults.find((fault) => fault instanceof kind))
    .find((fault) => fault !== undefined);
  return worst ?? faults.find((fault) => !(fault instanceof Permanent)) ?? first;
}
