import { Type, type Static, type TObject, type TSchema } from 'typebox';
import { Compile, type Validator } from 'typebox/compile';
import { SourceDescription } from '@magpie/contracts';
import { defineConfig, type ConfigTable } from '@magpie/service-kit';
import { collectorConfig } from '../run/config.ts';
import type { Settings } from './settings.ts';
import { unsoundness } from './soundness.ts';
import {
  RunInput,
  type Handler,
  type StartInput,
  type Step,
  type StepContext,
  type StepResult,
} from './step.ts';

/** What an API source says of itself, see the contract: it is announced as it stands. */
type Announced = Pick<
  SourceDescription,
  'provider' | 'retries' | 'schedule' | 'period' | 'targets' | 'searchable' | 'limits'
>;

/** What a job of a source may ask, and what the source does with it. The whole of a source is this one declaration. */
export interface SourceDeclaration<
  P extends TObject,
  E extends Record<string, TSchema>,
  C extends ConfigTable = ConfigTable,
> extends Announced {
  /** Permanent: names queues, items and jobs. `^[a-z][a-z0-9-]{1,40}$` */
  id: string;
  /** One line, without a final dot. */
  summary: string;
  /** Raised when the meaning of parameters or items changes; default `1.0.0`. */
  version?: string;
  /** JSON Schema of a job's parameters: the API validates with it, documents it and draws forms from it. */
  params: P;
  /** JSON Schema of an item's `data`, by the kind of item. */
  emits: E;
  /** How many steps of a kind go into one message; 1 where not named, 100 at most. */
  batch?: Readonly<Record<string, number>>;
  /** How many steps of a kind run at once in one replica, where that is less than the replica's own limit. */
  concurrency?: Readonly<Record<string, number>>;
  /** Environment variables of its own, by the rules of `defineConfig`; steps get their values as `settings`. */
  settings?: C;
  /**
   * What to do with a step, by its kind. Every job begins with one step `start`, whose input holds the job's
   * parameters (and its run, if it has a schedule); later steps get the `input` that their maker gave them, and
   * nothing else. A source with `targets` needs no `start`: each run begins with steps of the kind `targets.step`,
   * see {@link TargetsInput}.
   */
  steps: StepMap<Static<P>, Settings<C>>;
  /** Ends what the source itself has opened (threads, say); it may be used again after. */
  close?: () => Promise<void>;
}

export interface StepMap<P, S = Readonly<Record<string, unknown>>> {
  start?: Handler<StartInput<P>, S>;
  [kind: string]: Handler<Record<string, unknown>, S> | undefined;
}

/** A source that can be run. */
export interface Source {
  readonly id: string;
  readonly summary: string;
  readonly description: SourceDescription;
  /** The parameter schema as it was declared. */
  readonly params: TObject;
  readonly emits: Readonly<Record<string, TSchema>>;
  readonly concurrency: Readonly<Record<string, number>>;
  /** The table of its own environment variables. */
  readonly settings: ConfigTable;
  /** The kinds of steps it does. */
  readonly kinds: readonly string[];
  /**
   * Does one step.
   * @throws InvalidStep when the kind is unknown or the input does not fit
   * @throws whatever the handler throws; the class says what becomes of the step
   */
  perform(step: Step, context: StepContext): Promise<StepResult>;
  /** What is wrong with an item's data, or undefined. */
  faultOfItem(kind: string, data: unknown): string | undefined;
  /** What is wrong with a job's parameters, or undefined. */
  faultOfParams(params: unknown): string | undefined;
  close(): Promise<void>;
}

/** A step that this version of the source does not understand. */
export class InvalidStep extends Error {
  override readonly name = 'InvalidStep';
}

const description = Compile(SourceDescription);

/**
 * Checks the declaration and makes a source of it.
 * @throws TypeError when the declaration is not sound: a bad id, steps, parameters, operations or fields that
 *   it names and does not have, a schema that does not compile, a setting whose variable every collector reads
 */
export function defineSource<
  P extends TObject,
  E extends Record<string, TSchema>,
  // eslint-disable-next-line @typescript-eslint/no-empty-object-type -- without settings there are none
  C extends ConfigTable = {},
>(declaration: SourceDeclaration<P, E, C>): Source {
  const { id, summary, version = '1.0.0', params, emits, steps, close } = declaration;
  const { batch = {}, concurrency = {}, settings = {} } = declaration;
  const kinds = Object.keys(steps);
  const described: SourceDescription = {
    id,
    summary,
    version,
    params: plainJson(params),
    emits: plainJson(emits),
    batch: { ...batch },
    ...announced(declaration),
  };
  if (!description.Check(described)) throw new TypeError(`source ${id}: ${faultOf(description, described)}`);
  const [unsound] = unsoundness({ description: described, kinds, params, emits });
  if (unsound !== undefined) throw new TypeError(`source ${id}: ${unsound}`);
  for (const kind of Object.keys(concurrency)) {
    if (!kinds.includes(kind)) throw new TypeError(`source ${id}: there is no step of the kind ${kind}`);
  }
  if (steps.start === undefined && described.targets === undefined) {
    throw new TypeError(`source ${id}: there is no step of the kind start`);
  }
  for (const name of Object.keys(settings)) {
    if (Object.hasOwn(collectorConfig, name))
      throw new TypeError(`source ${id}: every collector reads ${name}`);
  }
  defineConfig<ConfigTable>({ ...collectorConfig, ...settings });
  const paramsValidator = Compile(params);
  const items = new Map(Object.entries(emits).map(([kind, schema]) => [kind, Compile(schema)]));
  const inputs = new Map<string, Validator>(
    Object.entries(steps).flatMap(([kind, handler]) =>
      handler?.input ? [[kind, Compile(handler.input as TSchema)]] : [],
    ),
  );
  const run = Type.Optional(RunInput);
  const from = Type.Optional(Type.Integer({ minimum: 0 }));
  if (steps.start !== undefined) inputs.set('start', Compile(Type.Object({ params, run, from })));
  const { targets } = described;
  if (targets !== undefined && !inputs.has(targets.step)) {
    const some = Type.Array(Type.String({ minLength: 1 }), { minItems: 1, maxItems: targets.perStep });
    inputs.set(targets.step, Compile(Type.Object({ targets: some, params, run })));
  }

  return Object.freeze<Source>({
    id,
    summary,
    description: described,
    params,
    emits,
    concurrency,
    settings,
    kinds,
    async perform(step, context) {
      const handler = Object.hasOwn(steps, step.kind) ? steps[step.kind] : undefined;
      if (!handler) throw new InvalidStep(`the source has no step of the kind "${step.kind}"`);
      const validator = inputs.get(step.kind);
      if (validator && !validator.Check(step.input)) {
        throw new InvalidStep(`input of the step "${step.kind}": ${faultOf(validator, step.input)}`);
      }
      return await handler(step as Step<never>, context as StepContext<never>);
    },
    faultOfItem(kind, data) {
      const validator = items.get(kind);
      if (!validator) return `the source does not emit items of the kind "${kind}"`;
      return validator.Check(data) ? undefined : faultOf(validator, data);
    },
    faultOfParams: (value) => (paramsValidator.Check(value) ? undefined : faultOf(paramsValidator, value)),
    close: async () => close?.(),
  });
}

/** The first three faults of a value, as `/path message`. */
export function faultOf(validator: Validator, value: unknown): string {
  return [...validator.Errors(value)]
    .slice(0, 3)
    .map(({ instancePath, message }) => `${instancePath || '/'} ${message}`)
    .join('; ');
}

const ANNOUNCED = [
  'provider',
  'retries',
  'schedule',
  'period',
  'targets',
  'searchable',
  'limits',
] as const satisfies (keyof Announced)[];

function announced(declaration: Announced): Announced {
  const given = ANNOUNCED.filter((name) => declaration[name] !== undefined);
  return plainJson(Object.fromEntries(given.map((name) => [name, declaration[name]])));
}

function plainJson(schema: unknown): Record<string, unknown> {
  return JSON.parse(JSON.stringify(schema)) as Record<string, unknown>;
}
