/** A collector that dies without a word over some of its steps. */
import { defineSource, runCollector, Type } from '@magpie/collector-kit';

const source = defineSource({
  id: 'crash-test',
  summary: 'Items that are numbers; some kill their collector',
  params: Type.Object(
    { count: Type.Integer(), poison: Type.Array(Type.Integer()) },
    { additionalProperties: false },
  ),
  emits: { number: Type.Object({ n: Type.Integer() }) },
  batch: { number: 10 },
  steps: {
    start: ({ input: { params } }) =>
      Promise.resolve({
        next: Array.from({ length: params.count }, (_, n) => ({
          kind: 'number',
          key: `http://numbers.test/${n}`,
          input: { n, deadly: params.poison.includes(n) },
          item: { kind: 'number', url: `http://numbers.test/${n}` },
        })),
      }),
    number: async ({ input }) => {
      const { n, deadly } = input as { n: number; deadly: boolean };
      await new Promise((resolve) => setTimeout(resolve, 20));
      if (deadly) process.kill(process.pid, 'SIGKILL');
      return { items: [{ kind: 'number', url: `http://numbers.test/${n}`, data: { n } }] };
    },
  },
});

await runCollector(source);
