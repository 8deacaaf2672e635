import js from '@eslint/js';
import { createProjectGraphAsync } from '@nx/devkit';
import nx from '@nx/eslint-plugin';
import prettier from 'eslint-config-prettier';
import tseslint from 'typescript-eslint';
import { depConstraints, packageBorders, TEST_FILES } from './tools/workspace/src/eslint/index.ts';

// The boundaries are judged on the project graph. The rule only reads a stored one and is silent without it.
await createProjectGraphAsync();

const boundaries = (tests) => ({
  '@nx/enforce-module-boundaries': [
    'error',
    {
      depConstraints: depConstraints({ tests }),
      checkDynamicDependenciesExceptions: ['.*'],
    },
  ],
  'magpie/package-borders': ['error', { tests }],
});

export default tseslint.config(
  {
    ignores: [
      '**/node_modules/',
      '**/dist/',
      '**/coverage/',
      '.magpie/',
      '.nx/',
      '**/fixtures/',
      'tools/workspace/src/generators/*/files/',
    ],
  },
  js.configs.recommended,
  {
    languageOptions: {
      ecmaVersion: 'latest',
      sourceType: 'module',
      globals: Object.fromEntries(Object.getOwnPropertyNames(globalThis).map((name) => [name, 'readonly'])),
    },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    plugins: { '@nx': nx, magpie: { rules: { 'package-borders': packageBorders } } },
    rules: {
      ...boundaries(false),
      'no-console': 'error',
      // The standards that are followed here speak of control characters.
      'no-control-regex': 'off',
      eqeqeq: ['error', 'always', { null: 'ignore' }],
      'no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_', ignoreRestSiblings: true },
      ],
    },
  },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.recommended],
    languageOptions: {
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    rules: {
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_', ignoreRestSiblings: true },
      ],
      '@typescript-eslint/consistent-type-imports': [
        'error',
        { fixStyle: 'inline-type-imports', disallowTypeAnnotations: false },
      ],
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': ['error', { checksVoidReturn: false }],
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      '@typescript-eslint/no-empty-object-type': ['error', { allowInterfaces: 'with-single-extends' }],
    },
  },
  {
    files: TEST_FILES,
    rules: { ...boundaries(true) },
  },
  {
    files: ['tools/**', 'bench/**', 'deploy/**', 'e2e/**'],
    rules: { 'no-console': 'off' },
  },
  prettier,
);
