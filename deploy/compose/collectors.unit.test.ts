import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const ROOT = resolve(import.meta.dirname, '../..');
const compose = readFileSync(join(ROOT, 'docker-compose.yml'), 'utf8');
const folders = join(ROOT, 'apps/collectors');
const ids = readdirSync(folders).filter((id) => existsSync(join(folders, id, 'main.ts')));

/** The lines of one service. */
const serviceOf = (id: string): string =>
  new RegExp(`^  collector-${id}:\\n((?: {4}.*\\n)+)`, 'm').exec(compose)?.[1] ?? '';

it.each(ids)('compose runs %s with the variables that it reads', async (id) => {
  const service = serviceOf(id);
  expect(service).toContain(`APP: apps/collectors/${id} }`);
  const { default: source } = (await import(join(folders, id, 'source.ts'))) as {
    default: { settings?: Record<string, { env?: string }>; description: { provider?: unknown } };
  };
  for (const [name, { env }] of Object.entries(source.settings ?? {}))
    expect(service).toMatch(new RegExp(`^ +${env ?? name}:`, 'm'));
  expect(service.includes('*sealed')).toBe(source.description.provider !== undefined);
});
