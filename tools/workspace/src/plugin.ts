/**
 * The workspace's Nx plugin: every package of the workspace gets the same targets, so no package repeats them.
 * `nx run-many -t lint`, `nx affected -t test` and `nx run @magpie/broker:typecheck` work without a project.json.
 */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import {
  createNodesFromFiles,
  type CreateNodes,
  type CreateNodesResult,
  type TargetConfiguration,
} from '@nx/devkit';

export const name = '@magpie/workspace/plugin';

/** Projects are the folders with a package.json; their targets are inferred here. */
export const createNodes: CreateNodes = [
  '*/**/package.json',
  (files, options, context) =>
    createNodesFromFiles(
      (file) => projectOf(dirname(file), context.workspaceRoot),
      files.filter(isPackage),
      options,
      context,
    ),
];

function isPackage(file: string): boolean {
  return !/(^|\/)(node_modules|fixtures|files|dist)\//.test(file);
}

function projectOf(root: string, workspaceRoot: string): CreateNodesResult {
  const main = ['main.ts', 'src/main.ts'].map((file) => `${root}/${file}`);
  const start = main.find((file) => existsSync(join(workspaceRoot, file)));
  return {
    projects: {
      [root]: {
        targets: {
          ...targetsOf(root),
          ...(start ? { start: { ...command(`node ${start}`), continuous: true } } : {}),
        },
      },
    },
  };
}

function targetsOf(root: string): Record<string, TargetConfiguration> {
  return {
    lint: {
      ...command(`eslint --no-warn-ignored ${root}`),
      cache: true,
      inputs: [
        'default',
        '^production',
        '{workspaceRoot}/eslint.config.mjs',
        '{workspaceRoot}/tools/workspace/src/eslint/**/*',
      ],
    },
    typecheck: {
      ...command(`node tools/workspace/src/typecheck.ts ${root}`),
      cache: true,
      inputs: ['default', '^default'],
    },
    format: {
      ...command(`prettier --check ${root}`),
      cache: true,
      inputs: ['{projectRoot}/**/*', '{workspaceRoot}/.prettierrc.json', '{workspaceRoot}/.prettierignore'],
    },
    test: {
      ...command(`jest ${root}/`, { NODE_OPTIONS: '--experimental-vm-modules' }),
      cache: true,
      // The servers that the tests run against are shared.
      parallelism: false,
      inputs: [
        'default',
        '^production',
        '{workspaceRoot}/jest.config.mjs',
        '{workspaceRoot}/deploy/local/**/*',
      ],
    },
  };
}

function command(line: string, env: Record<string, string> = {}): TargetConfiguration {
  return {
    executor: 'nx:run-commands',
    options: { command: line, cwd: '{workspaceRoot}', env },
    outputs: [],
  };
}
