import { Agent, request, type ClientRequest, type IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { BYTES, TusWorld } from '../testing/tus-world.ts';

let world: TusWorld;
beforeAll(async () => {
  world = await TusWorld.make();
});
afterAll(() => world.close());

/** The answer, read to its end. */
const answerOf = (out: ClientRequest): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => {
    out.on('error', reject);
    out.on('response', (response) => {
      response.on('error', reject).on('end', () => resolve(response));
      response.resume();
    });
  });

describe('what was answered before its body had come', () => {
  // Each answer comes before the body, which is sent wholly then: its connection may be used again.
  const early = {
    'a refused one': { method: 'PATCH', path: '/..', headers: { 'content-type': BYTES }, status: 400 },
    'one without Upload-Offset': {
      method: 'PATCH',
      path: '',
      headers: { 'content-type': BYTES },
      status: 400,
    },
    'one whose body is none of the file': {
      method: 'POST',
      path: undefined,
      headers: { 'content-type': 'text/plain', 'upload-length': 9 },
      status: 201,
    },
  };
  it.concurrent.each(Object.entries(early))(
    'cuts off no request after it: %s',
    async (_name, { method, path, headers, status }) => {
      const id = await world.create(8);
      const uploads = `${world.base}/api/v1/uploads`;
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      try {
        const first = request(path === undefined ? uploads : `${uploads}/${path === '' ? id : 'no-id'}`, {
          method,
          agent,
          headers: { 'tus-resumable': '1.0.0', 'content-length': 3, ...headers },
        });
        first.flushHeaders();
        const refused = answerOf(first);
        first.once('response', () => first.end('abc'));
        expect((await refused).statusCode).toBe(status);

        const second = request(`${uploads}/${id}`, {
          method: 'PATCH',
          agent,
          headers: {
            'tus-resumable': '1.0.0',
            'content-type': BYTES,
            'upload-offset': 0,
            'content-length': 8,
          },
        });
        const kept = answerOf(second);
        second.write('0123');
        await sleep(3500);
        second.end('4567');
        expect((await kept).statusCode).toBe(204);
        expect((await world.jobOf(id)).state).toBe('completed');
      } finally {
        agent.destroy();
      }
    },
  );
});
