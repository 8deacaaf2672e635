// For tests: an API source of every sort of step, and a double of its provider.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Type } from 'typebox';
import { callGraph } from '../graph/index.ts';
import { callApi, defineSettings, defineSource, step, type Settings, type StepContext } from '../index.ts';
import type { CaseServer } from './test-source.ts';

export const TOKEN = 'token of the double';

const settings = defineSettings({
  DOUBLE_URL: { schema: Type.String(), default: 'https://api.example', describe: 'Base URL of the API' },
});
type Context = StepContext<Settings<typeof settings>>;

const provider = {
  id: 'double',
  title: 'Double',
  howTo: 'Ask the double',
  operations: { list: 100, get: 1 },
  steps: { list: { list: 1 }, details: { get: 1 } },
  perRun: { list: { usual: 1 } },
};

const Id = Type.Object({ id: Type.Integer() });

/** Lists ids page by page, as long as there is news, and fetches what is new two by two. */
export const listing = defineSource({
  id: 'listing',
  summary: 'What a double lists',
  params: Type.Object(
    { q: Type.String({ description: 'What to look for', examples: ['x'] }) },
    { additionalProperties: false },
  ),
  emits: { thing: Id },
  settings,
  provider,
  steps: {
    start: ({ input: { run } }) => ({
      next: [{ kind: 'list', key: `${run?.number ?? 0}#0`, input: { page: 0 } }],
    }),
    list: step(Type.Object({ page: Type.Integer() }), async ({ input: { page } }, context: Context) => {
      const { ids, more } = await callApi(context, {
        url: `${context.settings.DOUBLE_URL}/list`,
        params: { page },
        headers: { authorization: `Bearer ${context.credential?.secret()}` },
        operation: 'list',
        schema: Type.Object({ ids: Type.Array(Type.Integer()), more: Type.Boolean() }),
      });
      const urls = ids.map((id) => `https://thing.example/${id}`);
      const next = [
        { kind: 'details', key: `details#${page}`, input: {}, fetches: { kind: 'thing', urls } },
        { kind: 'list', key: `#${page + 1}`, input: { page: page + 1 }, onlyIfNew: true },
      ];
      return { next: next.slice(0, more ? 2 : 1), coverage: { from: 100 - page, to: 100 } };
    }),
    details: step(
      Type.Object({ urls: Type.Array(Type.String()) }),
      async ({ input: { urls } }, context: Context) => {
        const ids = urls.map((url) => Number(url.split('/').at(-1)));
        const found = await callApi(context, {
          url: `${context.settings.DOUBLE_URL}/details`,
          params: { ids: ids.join() },
          headers: { authorization: `Bearer ${context.credential?.secret()}` },
          operation: 'get',
          schema: Type.Array(Id),
        });
        return {
          items: found.map(({ id }) => ({ kind: 'thing', url: `https://thing.example/${id}`, data: { id } })),
        };
      },
    ),
  },
});

/** Measures targets two at a time, through the Graph API. */
export const measuring = defineSource({
  id: 'measuring',
  summary: 'What a double measures',
  params: Type.Object(
    { names: Type.Array(Type.String(), { description: 'What to measure', examples: [['a']] }) },
    { additionalProperties: false },
  ),
  emits: {},
  settings,
  provider: { ...provider, steps: { measure: { get: 2 } }, perRun: { get: { usual: { param: 'names' } } } },
  targets: { param: 'names', step: 'measure', perStep: 2 },
  steps: {
    async measure({ input }, context) {
      const { targets } = input as { targets: string[] };
      const found = await callGraph(context, {
        base: context.settings.DOUBLE_URL,
        version: 'v25.0',
        path: '/measure',
        body: { names: targets },
        operation: 'get',
        calls: targets.length,
        schema: Type.Array(Type.Object({ name: Type.String(), fans: Type.Integer() })),
      });
      return {
        samples: found.map(({ name, fans }) => ({ target: name, at: Date.now(), values: { fans } })),
        targets: found.map(({ name }) => ({ target: name, state: 'active' as const })),
      };
    },
  },
});

/** Three pages of two things; fans of any name. */
export async function serveDouble(): Promise<CaseServer & { asked: string[] }> {
  const asked: string[] = [];
  const server = createServer(async (request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://x');
    let body = '';
    for await (const piece of request) body += String(piece);
    asked.push(pathname);
    const send = (status: number, answer: unknown, headers = {}) =>
      response.writeHead(status, headers).end(JSON.stringify(answer));
    if (request.headers.authorization !== `Bearer ${TOKEN}`) {
      return send(401, { error: { message: 'no token', code: 190 } });
    }
    const page = Number(searchParams.get('page'));
    if (pathname === '/list') return send(200, { ids: [page * 2 + 1, page * 2 + 2], more: page < 2 });
    if (pathname === '/details') {
      return send(
        200,
        (searchParams.get('ids') ?? '').split(',').map((id) => ({ id: Number(id) })),
      );
    }
    const { names } = JSON.parse(body) as { names: string[] };
    const fans = names.map((name, i) => ({ name, fans: i }));
    return send(200, fans, { 'x-app-usage': '{"call_count":42,"total_time":7}' });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    asked,
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(resolve);
        server.closeAllConnections();
      }),
  };
}
