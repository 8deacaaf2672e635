import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { text } from 'node:stream/consumers';
import { depConstraints } from './eslint/boundaries.ts';

const NX = '@nx/enforce-module-boundaries';
const OWNED = 'magpie/package-borders owned';
const LEAVES = 'magpie/package-borders leaves';
const UNDECLARED = 'magpie/package-borders undeclared';

/** What a line of code in a file breaks; no rule: it is allowed. */
const CASES: [file: string, code: string, rule?: string][] = [
  ['libs/contracts/src/x.ts', `import '@magpie/domain';`, NX],
  ['libs/contracts/src/x.ts', `import 'typebox';`],
  ['libs/domain/src/x.ts', `import '@magpie/contracts';`, NX],
  ['libs/domain/src/x.ts', `import 'tldts';`],
  ['libs/service-kit/src/x.ts', `import '@magpie/broker';`, NX],
  ['libs/service-kit/src/x.ts', `import '@magpie/domain';`],
  ['libs/broker/src/x.ts', `import '@magpie/store';`, NX],
  [
    'libs/broker/src/x.ts',
    `import '@magpie/contracts'; import '@magpie/domain'; import '@magpie/service-kit';`,
  ],
  ['libs/store/src/x.ts', `import '@magpie/broker';`, NX],
  ['libs/store/src/x.ts', `import '@magpie/contracts'; import '@magpie/domain';`],
  ['libs/collector-kit/src/x.ts', `import '@magpie/store';`, NX],
  ['libs/collector-kit/src/x.ts', `import '@magpie/broker';`],
  ['apps/collectors/web-images/x.ts', `import '@magpie/web-text';`, NX],
  ['apps/collectors/web-images/x.ts', `import '@magpie/broker';`, NX],
  ['apps/collectors/web-images/x.ts', `import '@magpie/store';`, NX],
  ['apps/collectors/web-images/x.ts', `import '@magpie/domain';`, NX],
  ['apps/collectors/web-images/x.ts', `import '@magpie/collector-kit'; import '@magpie/contracts';`],
  ['apps/collectors/web-images/x.int.test.ts', `import '@magpie/web-text';`, NX],
  ['apps/collectors/web-images/x.int.test.ts', `import '@magpie/collector-kit/testing';`],
  ['apps/gateway/src/x.ts', `import '@magpie/collector-kit';`, NX],
  ['apps/gateway/src/x.ts', `import '@magpie/testing';`, NX],
  ['apps/gateway/src/x.ts', `import '@magpie/storage';`, NX],
  ['apps/gateway/src/x.int.test.ts', `import '@magpie/testing';`],
  ['apps/gateway/src/x.ts', `import '@magpie/store'; import '@magpie/broker'; import '@magpie/domain';`],
  ['apps/storage/src/x.ts', `import '@magpie/gateway';`, NX],
  ['apps/storage/src/x.ts', `import '@magpie/web-images';`, NX],
  ['apps/gateway/src/x.ts', `await import('@magpie/storage');`, NX],
  ['apps/gateway/src/x.ts', `export * from '@magpie/collector-kit';`, NX],
  ['tools/workspace/src/docs/x.doc.ts', `import '@magpie/gateway'; import '@magpie/contracts';`],

  ['apps/storage/src/x.ts', `import 'amqplib';`, OWNED],
  ['libs/collector-kit/src/x.ts', `import { connect } from 'amqplib';`, OWNED],
  ['libs/broker/src/x.ts', `import 'amqplib';`],
  ['apps/storage/src/x.ts', `import 'mongoose';`, OWNED],
  ['apps/gateway/src/x.ts', `import type { Types } from 'mongoose';`, OWNED],
  ['apps/gateway/src/x.ts', `import 'mongodb';`, OWNED],
  ['libs/store/src/x.ts', `import 'mongoose';`],
  ['apps/storage/src/x.ts', `import 'fastify';`, OWNED],
  ['libs/broker/src/x.ts', `import '@fastify/helmet';`, OWNED],
  ['apps/gateway/src/x.ts', `import 'fastify'; import '@fastify/helmet'; import 'fastify-plugin';`],
  ['apps/collectors/web-images/x.ts', `import { fetch } from 'undici';`, OWNED],
  ['libs/broker/src/x.ts', `import 'undici/types/dispatcher.js';`, OWNED],
  ['libs/collector-kit/src/x.ts', `import 'undici';`],

  ['apps/storage/src/x.ts', `export * from 'mongoose';`, OWNED],
  ['apps/storage/src/x.ts', `export { Schema } from 'mongoose';`, OWNED],
  ['apps/storage/src/x.ts', `await import('mongoose');`, OWNED],
  ['apps/storage/src/x.ts', `export type Id = import('mongoose').Types.ObjectId;`, OWNED],
  ['apps/storage/src/x.ts', `import.meta.resolve('mongoose');`, OWNED],

  ['libs/broker/src/x.ts', `import '../../contracts/src/index.ts';`, LEAVES],
  ['libs/broker/src/x.ts', `import '/etc/passwd';`, LEAVES],
  ['libs/broker/src/deep/x.ts', `import '../index.ts'; import './y.ts';`],
  ['libs/broker/src/x.ts', `import 'jsdom';`, UNDECLARED],
  ['libs/broker/src/x.ts', `import 'fast-check';`, UNDECLARED],
  ['libs/broker/src/x.unit.test.ts', `import 'fast-check';`],
  ['libs/broker/src/x.ts', `import fs from 'fs'; import 'node:os';`],

  ['libs/broker/src/x.ts', `console.log('x');`, 'no-console'],
  ['deploy/local/src/x.ts', `console.log('x');`],
  ['tools/workspace/src/plugin.ts', `async function f() {}\nf();`, '@typescript-eslint/no-floating-promises'],
];

let broken: string[][];

beforeAll(async () => {
  const script = fileURLToPath(new URL('./eslint/lint-cases.ts', import.meta.url));
  const root = fileURLToPath(new URL('../../..', import.meta.url));
  const child = spawn(process.execPath, ['--no-warnings', script], {
    cwd: root,
    env: {
      PATH: process.env['PATH'],
      NX_NO_CLOUD: 'true',
      NX_DAEMON: 'false',
      NX_PLUGIN_NO_TIMEOUTS: 'true',
    },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  child.stdin.end(JSON.stringify(CASES.map(([file, code]) => ({ file, code }))));
  const [output, [exitCode]] = await Promise.all([text(child.stdout), once(child, 'close')]);
  expect(exitCode).toBe(0);
  broken = JSON.parse(output) as string[][];
}, 600_000);

describe('the lint', () => {
  it.each(CASES.map(([file, code, rule], index) => ({ file, code, rule, index })))(
    'in $file of $code → $rule',
    ({ rule, index }) => {
      const rules = [...new Set(broken[index])];
      if (rule === undefined) expect(rules).toEqual([]);
      else expect(rules).toContain(rule);
    },
  );
});

describe('the tags', () => {
  it('are one for each package, and the constraints know each', () => {
    const root = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as {
      workspaces: string[];
    };
    const cwd = fileURLToPath(new URL('../../..', import.meta.url));
    const known = depConstraints().map(({ sourceTag }) => sourceTag);
    for (const file of globSync(
      root.workspaces.map((path) => `${path}/package.json`),
      { cwd },
    )) {
      const { nx } = JSON.parse(readFileSync(`${cwd}/${file}`, 'utf8')) as { nx?: { tags?: string[] } };
      const types = (nx?.tags ?? []).filter((tag) => tag.startsWith('type:'));
      expect([file, types.length, known.includes(types[0] ?? '')]).toEqual([file, 1, true]);
    }
  });
});
