/**
 * `npm test`: format, lint, types, generated documents, then every test; ends with `N passed, N failed`.
 * `npm test -- <what jest takes>` runs jest alone, for a file or a name.
 */
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '../../../..');
const HELP = `Usage: npm test [-- [jest's options and patterns]]

Without arguments: format, lint, types, generated documents, and all tests (unit, integration, end to end).
With arguments: jest alone, e.g.  npm test -- libs/domain   npm test -- --selectProjects unit

Integration and end-to-end tests use a real RabbitMQ, MongoDB and nginx: found, or started and stopped by themselves.
`;

interface Outcome {
  code: number;
  output: string;
}

let child: ReturnType<typeof spawn> | undefined;
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child?.kill(signal));

function run(command: string, args: readonly string[], { show = false, env = {} } = {}): Promise<Outcome> {
  return new Promise((done) => {
    const started = spawn(command, args, {
      cwd: root,
      env: { ...process.env, ...env },
      stdio: show ? 'inherit' : ['ignore', 'pipe', 'pipe'],
    });
    child = started;
    let output = '';
    started.stdout?.on('data', (data: Buffer) => (output += data.toString()));
    started.stderr?.on('data', (data: Buffer) => (output += data.toString()));
    started.once('error', (error) => done({ code: 1, output: error.message }));
    started.once('close', (code) => done({ code: code ?? 1, output }));
  });
}

const jest = (args: readonly string[]): Promise<Outcome> =>
  run(
    process.execPath,
    ['--experimental-vm-modules', '--no-warnings', 'node_modules/jest/bin/jest.js', ...args],
    {
      show: true,
    },
  );

const CHECKS = [
  ['format', 'npm run format', 'prettier', ['--check', '.', '--log-level', 'warn']],
  ['lint', 'npm run lint', 'eslint', ['.', '--max-warnings', '0']],
  ['types', 'npm run typecheck', 'tsc', ['-p', 'tsconfig.json']],
  ['generated documents', 'npm run docs', process.execPath, ['tools/workspace/src/docs.ts', '--check']],
] as const;

interface Suites {
  label: string;
  args: string[];
}
const SUITES: Suites[] = [
  { label: 'unit and integration tests', args: ['--selectProjects', 'unit', 'int', '--maxWorkers=3'] },
  { label: 'end-to-end tests', args: ['--selectProjects', 'e2e', '--maxWorkers=2'] },
];

async function all(): Promise<boolean> {
  const began = Date.now();
  let passed = 0;
  let failed = 0;
  for (const [name, mend, command, args] of CHECKS) {
    const at = Date.now();
    const { code, output } = await run(command, args);
    if (code === 0) passed++;
    else failed++;
    console.log(`${code === 0 ? 'ok    ' : 'FAILED'} ${name} (${Math.round((Date.now() - at) / 1000)} s)`);
    if (code !== 0) console.log(`${output.trim()}\nMend it with: ${mend}`);
  }
  const folder = await mkdtemp(join(tmpdir(), 'magpie-test-'));
  for (const [index, { label, args }] of SUITES.entries()) {
    const report = join(folder, `${index}.json`);
    console.log(`\n${label}`);
    const { code } = await jest([...args, '--json', `--outputFile=${report}`]);
    const counts = await readCounts(report);
    passed += counts.passed;
    failed += counts.failed;
    if (code !== 0 && counts.failed === 0) failed++;
    if (counts.passed === 0) failed++;
  }
  await rm(folder, { recursive: true, force: true });
  console.log(`\nin ${Math.round((Date.now() - began) / 1000)} s`);
  console.log(`${passed} passed, ${failed} failed`);
  return failed === 0;
}

async function readCounts(report: string): Promise<{ passed: number; failed: number }> {
  try {
    const { numPassedTests, numFailedTests, numRuntimeErrorTestSuites } = JSON.parse(
      await readFile(report, 'utf8'),
    ) as {
      numPassedTests: number;
      numFailedTests: number;
      numRuntimeErrorTestSuites: number;
    };
    return { passed: numPassedTests, failed: numFailedTests + numRuntimeErrorTestSuites };
  } catch {
    return { passed: 0, failed: 0 };
  }
}

const args = process.argv.slice(2);
if (args.length === 1 && (args[0] === '--help' || args[0] === '-h')) process.stdout.write(HELP);
else if (args.length > 0) process.exitCode = (await jest(args)).code;
else process.exitCode = (await all()) ? 0 : 1;
