import { ConfigError, defineConfig } from '@magpie/service-kit';
import { Type } from 'typebox';
import { defineSource } from './define-source.ts';
import { settingsOf, type Settings } from './settings.ts';
import { step, type StepContext } from './step.ts';

const settings = defineConfig({
  A_API_URL: { schema: Type.String(), default: 'https://a.example', describe: 'Base URL of the API' },
  A_PAGE_SIZE: { schema: Type.Integer({ minimum: 1 }), default: 50, describe: 'Items of a page' },
  A_REGION: { schema: Type.String(), optional: true, describe: 'Region' },
});
type Context = StepContext<Settings<typeof settings>>;

const declaration = {
  id: 'a-source',
  summary: 'For tests',
  params: Type.Object({}, { additionalProperties: false }),
  emits: { thing: Type.Object({ n: Type.Integer() }) },
};

test('steps see the settings by their types', async () => {
  const seen: unknown[] = [];
  const apart = (_: unknown, context: Context) => {
    const size: number = context.settings.A_PAGE_SIZE;
    seen.push(size);
    return {};
  };
  const source = defineSource({
    ...declaration,
    settings,
    steps: {
      start(_, { settings: { A_API_URL, A_REGION } }) {
        const url: string = A_API_URL;
        const region: string | undefined = A_REGION;
        seen.push(url, region);
        return {};
      },
      inline: step(Type.Object({ n: Type.Integer() }), ({ input }, { settings: values }: Context) => {
        const size: number = values.A_PAGE_SIZE + input.n;
        seen.push(size);
        return {};
      }),
      apart,
      apartToo: step(Type.Object({}), apart),
    },
  });
  const context = { settings: settingsOf(source.settings, { A_PAGE_SIZE: '7' }) } as unknown as StepContext;
  for (const [kind, input] of [
    ['start', { params: {} }],
    ['inline', { n: 1 }],
    ['apart', {}],
    ['apartToo', {}],
  ] as const) {
    await source.perform({ id: 's', jobId: 'j', kind, attempt: 1, input }, context);
  }
  expect(seen).toEqual(['https://a.example', undefined, 8, 7, 7]);
});

test('texts are read as in the environment, other values as they are', () => {
  expect(settingsOf(settings, { A_API_URL: 'http://b.example', A_PAGE_SIZE: 3 })).toEqual({
    A_API_URL: 'http://b.example',
    A_PAGE_SIZE: 3,
    A_REGION: undefined,
  });
});

test.each([{ A_PAGE_SIZE: 0 }, { A_PAGE_SIZE: 'many' }, { NO_SUCH: 'x' }])('%j is refused', (given) => {
  expect(() => settingsOf(settings, given)).toThrow(ConfigError);
  expect(() => settingsOf(settings, given)).toThrow(Object.keys(given)[0]);
});

test('a setting may not be one that every collector reads, nor have a default that is not valid', () => {
  const steps = { start: () => ({}) };
  const wrong = [
    { AMQP_URL: { schema: Type.String(), default: 'x', describe: 'x' } },
    { MINE: { env: 'MAGPIE_DATA', schema: Type.String(), default: 'x', describe: 'x' } },
    { MINE: { schema: Type.Integer(), default: 'x', describe: 'x' } },
  ];
  for (const table of wrong) {
    expect(() => defineSource({ ...declaration, settings: table, steps })).toThrow(TypeError);
  }
});
