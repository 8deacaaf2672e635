import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import type { TSchema } from 'typebox';
import { Value } from 'typebox/value';
import { SourceDescription } from '@magpie/contracts';
import type { Source } from '../source/define-source.ts';
import { withPlayer } from './play-job.ts';

/** Tests of what a source says of itself. */
export function testDeclaration(source: Source): void {
  const { description, params } = source;
  const properties = Object.entries(params.properties) as [string, TSchema & Record<string, unknown>][];

  test('is one that can be announced', () => {
    expect(Value.Check(SourceDescription, description)).toBe(true);
    expect(JSON.parse(JSON.stringify(description))).toEqual(description);
    expect(description.summary).not.toMatch(/\.$/);
    if (description.targets === undefined) expect(Object.keys(description.emits)).not.toEqual([]);
  });

  test('takes no parameters that it does not know', () => {
    expect((params as { additionalProperties?: unknown }).additionalProperties).toBe(false);
  });

  test('describes each parameter, with examples and defaults that are valid', () => {
    for (const [name, schema] of properties) {
      const { description: text, examples, default: fallback } = schema;
      expect({ name, described: typeof text === 'string' && text !== '' }).toEqual({ name, described: true });
      for (const example of (examples as unknown[] | undefined) ?? []) {
        expect({ name, example, valid: Value.Check(schema, example) }).toEqual({
          name,
          example,
          valid: true,
        });
      }
      if (fallback !== undefined) {
        expect({ name, fallback, valid: Value.Check(schema, fallback) }).toEqual({
          name,
          fallback,
          valid: true,
        });
      }
    }
  });

  test('begins a job of its examples with steps that it knows', async () => {
    const required = new Set((params as { required?: string[] }).required ?? []);
    const examples = properties.flatMap(([name, schema]) => {
      const [first] = (schema['examples'] as unknown[] | undefined) ?? [];
      return first === undefined ? [] : [[name, first] as const];
    });
    const all = Object.fromEntries(examples);
    const least = Object.fromEntries(examples.filter(([name]) => required.has(name)));
    for (const given of [least, all]) expect(source.faultOfParams(given)).toBeUndefined();
    // What would be asked of the provider itself, the jobs of the cases ask of a double.
    if (description.targets !== undefined || Object.hasOwn(description.provider?.steps ?? {}, 'start'))
      return;
    const root = await mkdtemp(join(tmpdir(), 'magpie-source-'));
    try {
      await withPlayer(root, async (player) => {
        for (const given of [least, all]) {
          const outcome = await player.perform(source, { kind: 'start', input: { params: given } });
          expect(outcome).toMatchObject({ outcome: 'done' });
          if (outcome?.outcome === 'done')
            expect(outcome.next.length + outcome.items.length).toBeGreaterThan(0);
        }
      });
    } finally {
      await rm(root, { recursive: true });
    }
  });

  test('refuses steps and inputs that it does not know', async () => {
    await withPlayer(tmpdir(), async (player) => {
      for (const step of [
        { kind: 'no-such-kind' },
        { kind: 'start', input: {} },
        { kind: 'start', input: { params: { unknown: 1 } } },
        { kind: '__proto__' },
        { kind: 'constructor' },
      ]) {
        expect(await player.perform(source, step)).toMatchObject({ outcome: 'failed', code: 'source_error' });
      }
    });
  });
}
