/** One suite for the whole workspace; a test file's name states its cost (unit, int, e2e). */
const common = {
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      { jsc: { target: 'es2024', parser: { syntax: 'typescript' } }, module: { type: 'es6' } },
    ],
  },
  // A clock that a failed test has stopped goes on for the next one.
  restoreMocks: true,
  modulePathIgnorePatterns: ['/dist/', '/.magpie/', '/.nx/'],
};

/** Unit tests need no server; jest runs a setup that two projects name only once. */
const servers = {
  globalSetup: '<rootDir>/deploy/local/src/testing/jest-setup.ts',
  globalTeardown: '<rootDir>/deploy/local/src/testing/jest-teardown.ts',
};

export default {
  // No test asserts a time by it: only what hangs is to end, also on a machine with other work.
  testTimeout: 120_000,
  projects: ['unit', 'int', 'e2e'].map((kind) => ({
    ...common,
    displayName: kind,
    testMatch: [`**/*.${kind}.test.ts`],
    ...(kind === 'unit' ? {} : servers),
  })),
};
