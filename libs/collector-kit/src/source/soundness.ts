import type { Amount, Provider, SourceDescription } from '@magpie/contracts';
import type { TObject, TSchema } from 'typebox';

/** What a declaration speaks of, and what there is. */
export interface Declared {
  readonly description: SourceDescription;
  readonly kinds: readonly string[];
  readonly params: TObject;
  readonly emits: Readonly<Record<string, TSchema>>;
}

/** What a declaration names and does not have, one line each: steps, parameters, operations, fields of items. */
export function* unsoundness({ description, kinds, params, emits }: Declared): Generator<string> {
  const { batch, provider, schedule = {}, period, targets, searchable = {} } = description;
  const isStep = (kind: string): boolean => kinds.includes(kind);
  const isParam = (name: string | undefined): boolean =>
    name === undefined || Object.hasOwn(params.properties, name);

  for (const kind of Object.keys(batch)) if (!isStep(kind)) yield `batch: ${noStep(kind)}`;
  if (provider) yield* unsoundProvider(provider, isStep, isParam);
  for (const [field, name] of [
    ['schedule.everyParam', schedule.everyParam],
    ['schedule.untilParam', schedule.untilParam],
    ['period.from', period?.from],
    ['period.to', period?.to],
    ['period.timeZone', period?.timeZone],
    ['targets.param', targets?.param],
    ['targets.jumpParam', targets?.jumpParam],
  ] as const) {
    if (!isParam(name)) yield `${field}: there is no parameter ${name}`;
  }
  if (targets !== undefined) {
    if (!isStep(targets.step)) yield `targets.step: ${noStep(targets.step)}`;
    const listed = params.properties[targets.param] as { type?: unknown } | undefined;
    if (listed !== undefined && listed.type !== 'array') yield 'targets.param: the parameter is no list';
  }
  for (const [kind, fields] of Object.entries(searchable)) {
    const properties = (emits[kind] as TObject | undefined)?.properties;
    if (!Object.hasOwn(emits, kind)) yield `searchable: the source does not emit items of the kind ${kind}`;
    else if (properties)
      for (const field of fields) {
        if (!Object.hasOwn(properties, field)) yield `searchable: the ${kind} has no field ${field}`;
      }
  }
}

function* unsoundProvider(
  { operations, steps, perRun, perRequest = {}, resetTimeZone }: Provider,
  isStep: (kind: string) => boolean,
  isParam: (name: string) => boolean,
): Generator<string> {
  const unknown = (calls: object): string[] =>
    Object.keys(calls).filter((operation) => !Object.hasOwn(operations, operation));
  for (const [kind, calls] of Object.entries(steps)) {
    if (!isStep(kind)) yield `provider.steps: ${noStep(kind)}`;
    for (const operation of unknown(calls)) yield `provider.steps.${kind}: ${noOperation(operation)}`;
  }
  for (const operation of unknown(perRun)) yield `provider.perRun: ${noOperation(operation)}`;
  for (const operation of unknown(perRequest)) yield `provider.perRequest: ${noOperation(operation)}`;
  const amounts = Object.values(perRun).flatMap(({ usual, most }): Amount[] => [usual, most ?? 0]);
  for (const amount of amounts) {
    if (typeof amount === 'object' && !isParam(amount.param))
      yield `provider.perRun: there is no parameter ${amount.param}`;
  }
  if (resetTimeZone !== undefined && !isTimeZone(resetTimeZone))
    yield `provider.resetTimeZone: there is no time zone ${resetTimeZone}`;
}

const noStep = (kind: string): string => `there is no step of the kind ${kind}`;
const noOperation = (operation: string): string => `there is no operation ${operation}`;

function isTimeZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}
