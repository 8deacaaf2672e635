import { globSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { openapiDocument } from '@magpie/gateway/openapi';
import { format } from 'prettier';

const root = resolve(import.meta.dirname, '../../../..');

interface Source {
  description: {
    id: string;
    summary: string;
    params: Record<string, unknown>;
    emits: Record<string, Record<string, unknown>>;
  };
}

/** What every source in the repository takes and emits: `<source>.params`, `<source>.<kind>`. */
async function sourceSchemas(): Promise<Record<string, unknown>> {
  const schemas: Record<string, unknown> = {};
  for (const file of globSync('apps/collectors/*/source.ts', { cwd: root }).sort()) {
    const { default: source } = (await import(pathToFileURL(resolve(root, file)).href)) as {
      default: Source;
    };
    const { id, summary, params, emits } = source.description;
    schemas[`${id}.params`] = {
      ...params,
      title: `${id}.params`,
      description: `${summary}: parameters of a job`,
    };
    for (const [kind, schema] of Object.entries(emits))
      schemas[`${id}.${kind}`] = {
        ...schema,
        title: `${id}.${kind}`,
        description: `\`data\` of an item of kind ${kind}`,
      };
  }
  return schemas;
}

/** The API as the gateway serves it at /docs/json, with the schemas of the sources in this repository beside it. */
export default async function openapi(): Promise<{ path: string; content: string }[]> {
  const document = (await openapiDocument()) as { components: { schemas: object } };
  const { components } = document;
  const schemas = { ...components.schemas, ...(await sourceSchemas()) };
  const whole = { ...document, components: { ...components, schemas } };
  return [
    {
      path: 'docs/openapi.json',
      content: await format(JSON.stringify(whole), { parser: 'json', printWidth: 110 }),
    },
  ];
}
