import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { BrokerUnavailable, EXCHANGES, InvalidMessage, UnroutableError } from '@magpie/broker';
import { DeadLetter, MESSAGES, Page, StepsMessage } from '@magpie/contracts';
import {
  findDeadLetter,
  findJobs,
  listDeadLetters,
  removeDeadLetter,
  unparkSteps,
  type DeadLetterDocument,
} from '@magpie/store';
import { Type } from 'typebox';
import { Compile } from 'typebox/compile';
import * as examples from '../examples.ts';
import { sendPage } from '../paging.ts';
import { HttpProblem } from '../problems.ts';
import { LetterParams, ListQuery } from '../requests.ts';
import { routeDoc } from '../route-doc.ts';
import { deadLetterView } from '../views.ts';

const steps = Compile(StepsMessage);

const Replayed = Type.Object(
  {
    replayed: Type.Enum(['message', 'steps'], {
      description: 'The message was published again, or the steps that it names went back into the frontier',
    }),
    steps: Type.Integer({ description: 'So many steps went back' }),
  },
  { title: 'Replayed' },
);

const routes: FastifyPluginAsyncTypebox = async (app) => {
  const { store } = app;

  app.get(
    '/api/v1/dead-letters',
    {
      schema: routeDoc({
        summary: 'List dead letters',
        description:
          'Messages that could not be understood, routed or handled, newest first, each with the reason.',
        tag: 'operations',
        query: ListQuery,
        answers: {
          200: {
            description: 'A page of dead letters',
            schema: Page(DeadLetter),
            example: { items: [examples.deadLetter], next: null },
          },
        },
        errors: ['invalid_cursor'],
      }),
    },
    async (request, reply) => {
      const { rows, next } = await listDeadLetters(store, request.query);
      return sendPage(request, reply, rows.map(deadLetterView), next);
    },
  );

  app.post(
    '/api/v1/dead-letters/:id/replay',
    {
      schema: routeDoc({
        summary: 'Replay a dead letter',
        description:
          'Once the fault is mended: publishes the message again to where it was meant to go, and removes the dead letter when the broker has confirmed it. Of a message with steps, those that were set aside go back into the frontier instead.',
        tag: 'operations',
        params: LetterParams,
        answers: {
          200: { description: 'Replayed', schema: Replayed, example: { replayed: 'message', steps: 0 } },
        },
        errors: ['not_found', 'not_replayable', 'broker_unavailable'],
      }),
    },
    async (request) => {
      const letter = await findDeadLetter(store, request.params.id);
      if (letter === undefined) throw new HttpProblem('not_found', 'There is no such dead letter.');
      const ofSteps = letter.exchange === EXCHANGES.steps.name && isSteps(letter);
      const answer = ofSteps ? await replaySteps(letter) : await replay(letter);
      await removeDeadLetter(store, letter._id);
      request.log.info({ deadLetter: letter._id, ...answer }, 'dead letter replayed');
      return answer;
    },
  );

  app.delete(
    '/api/v1/dead-letters/:id',
    {
      schema: routeDoc({
        summary: 'Discard a dead letter',
        description: 'Removes it; nothing is replayed.',
        tag: 'operations',
        params: LetterParams,
        answers: { 204: { description: 'Discarded' } },
        errors: ['not_found'],
      }),
    },
    async (request, reply) => {
      if (!(await removeDeadLetter(store, request.params.id)))
        throw new HttpProblem('not_found', 'There is no such dead letter.');
      return reply.code(204).send();
    },
  );

  /** The dispatcher makes messages of steps anew, so an old one is never sent again. */
  async function replaySteps({ body }: DeadLetterDocument) {
    const message = readJson(body);
    if (!steps.Check(message))
      throw new HttpProblem('not_replayable', 'It is no message of steps, and nothing can be told from it.');
    const { steps: count, jobs } = await unparkSteps(
      store,
      message.steps.map(({ id }) => id),
    );
    for (const job of await findJobs(store, jobs)) app.announce(job);
    return { replayed: 'steps' as const, steps: count };
  }

  async function replay({ _id, at, ...letter }: DeadLetterDocument) {
    try {
      await app.broker.replay({ ...letter, at: at.toISOString() });
    } catch (error) {
      if (error instanceof BrokerUnavailable)
        throw new HttpProblem('broker_unavailable', undefined, { retryAfter: 5 });
      if (error instanceof UnroutableError)
        throw new HttpProblem('not_replayable', 'Still no queue takes it.');
      if (error instanceof InvalidMessage)
        throw new HttpProblem('not_replayable', 'It is too damaged to be sent again.');
      throw error;
    }
    return { replayed: 'message' as const, steps: 0 };
  }
};

/** Whether it is a message of the dispatcher; an older one may not say of what type it is. */
const isSteps = ({ type }: DeadLetterDocument): boolean => type === undefined || type === MESSAGES.steps.name;

function readJson(base64: string): unknown {
  try {
    return JSON.parse(Buffer.from(base64, 'base64').toString('utf8'));
  } catch {
    return undefined;
  }
}

export default routes;
