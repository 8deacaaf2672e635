import { Type, type Static, type TSchema } from 'typebox';
import { Id } from './format.ts';
import { JobState } from './job.ts';
import { ResultsMessage, StepsMessage } from './step.ts';
import { SourceDescription } from './source.ts';

/** A sort of message: its wire name is permanent, its version is raised by an incompatible change. */
export interface MessageType<T extends TSchema = TSchema> {
  readonly name: string;
  readonly version: number;
  readonly schema: T;
  readonly description: string;
}

const message = <T extends TSchema>(
  name: string,
  version: number,
  description: string,
  schema: T,
): MessageType<T> => Object.freeze({ name, version, description, schema });

export const ControlBody = Type.Union([
  Type.Object(
    { action: Type.Literal('hold'), jobId: Id, epoch: Type.Integer() },
    { description: 'Begin no step of this job of this epoch or an older one; give back those not begun' },
  ),
  Type.Object(
    { action: Type.Literal('abort'), steps: Type.Array(Type.String(), { maxItems: 5000 }) },
    { description: 'Abort these steps, open sockets included' },
  ),
]);
export type ControlBody = Static<typeof ControlBody>;

export const JobEventBody = Type.Object({
  jobId: Id,
  event: Type.Enum(['changed', 'progress']),
  state: JobState,
  rev: Type.Integer(),
});
export type JobEventBody = Static<typeof JobEventBody>;

export const DeadLetterBody = Type.Object({
  reason: Type.String({ description: 'malformed, unroutable, poison, attempts_exhausted …' }),
  error: Type.Optional(Type.String()),
  exchange: Type.String(),
  routingKey: Type.String(),
  type: Type.Optional(Type.String()),
  headers: Type.Record(Type.String(), Type.Unknown()),
  body: Type.String({ description: 'The message’s bytes, base64' }),
  consumer: Type.Optional(Type.String()),
  at: Type.String(),
});
export type DeadLetterBody = Static<typeof DeadLetterBody>;

/** Every message on the wire. */
export const MESSAGES = {
  steps: message(
    'magpie.steps',
    1,
    'Dispatcher → collectors of one source: a small batch of steps',
    StepsMessage,
  ),
  results: message('magpie.results', 1, 'Collector → storage: what became of steps', ResultsMessage),
  control: message(
    'magpie.control',
    1,
    'Storage → every collector replica: hold a job, abort steps',
    ControlBody,
  ),
  jobEvent: message(
    'magpie.job-event',
    1,
    'Gateway, storage → whoever listens: a job changed. A hint: may be lost',
    JobEventBody,
  ),
  sourceAnnounced: message(
    'magpie.source-announced',
    1,
    'Collector → storage: this source runs',
    SourceDescription,
  ),
  deadLetter: message(
    'magpie.dead-letter',
    1,
    'Anyone → the dead-letter queue: what could not be understood',
    DeadLetterBody,
  ),
} as const;
