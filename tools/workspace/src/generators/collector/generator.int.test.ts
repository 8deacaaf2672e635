import { execFile, type ExecFileException } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../../../..', import.meta.url)).replace(/\/$/, '');
const left = new Set(['node_modules', '.git', '.magpie', '.nx', 'docs', 'dist', 'coverage']);

/** A copy of the workspace, which the generator may write to. */
let copy: string;

beforeAll(() => {
  copy = mkdtempSync(join(tmpdir(), 'magpie-workspace-'));
  for (const entry of readdirSync(root)) {
    if (left.has(entry)) continue;
    cpSync(join(root, entry), join(copy, entry), {
      recursive: true,
      filter: (path) => !left.has(basename(path)),
    });
  }
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
});

afterAll(() => rmSync(copy, { recursive: true, force: true }));

interface Ended {
  code: number;
  output: string;
}

/** Runs a tool of the workspace in the copy; gives all that it printed. */
function run(tool: string, ...args: string[]): Promise<Ended> {
  return script(join(root, 'node_modules', '.bin', tool), ...args);
}

function script(file: string, ...args: string[]): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [file, ...args],
      {
        cwd: copy,
        maxBuffer: 1e8,
        env: {
          ...process.env,
          NODE_OPTIONS: file.endsWith('/jest') ? '--experimental-vm-modules' : '',
          NX_DAEMON: 'false',
          NX_NO_CLOUD: 'true',
          NX_PLUGIN_NO_TIMEOUTS: 'true',
          NX_WORKSPACE_ROOT_PATH: copy,
          NO_COLOR: '1',
        },
      },
      (error: ExecFileException | null, stdout, stderr) =>
        resolve({ code: error ? Number(error.code ?? 1) : 0, output: stdout + stderr }),
    );
  });
}

const ok = (expected: Partial<{ code: number }> = { code: 0 }) => expect.objectContaining(expected);

it('makes a collector that passes lint, types, format and its tests, the conformance suite among them', async () => {
  const made = await run('nx', 'g', '@magpie/workspace:collector', 'new-source', '--skipInstall');
  expect(made).toEqual(ok());
  expect(made.output).toContain('collector-new-source:');
  const folder = 'apps/collectors/new-source';
  expect(existsSync(join(copy, folder, 'source.ts'))).toBe(true);

  expect(await run('eslint', folder, '--max-warnings', '0')).toEqual(ok());
  expect(await run('prettier', '--check', folder)).toEqual(ok());
  expect(await script('tools/workspace/src/typecheck.ts', folder)).not.toMatchObject({
    output: expect.stringContaining(folder),
  });
  const tests = await run('jest', folder);
  expect(tests).toEqual(ok());
  expect(tests.output).toContain('conformance.int.test.ts');

  expect(await run('nx', 'show', 'project', '@magpie/new-source', '--json')).toMatchObject({
    output: expect.stringMatching(/"type:collector".*|"targets".*"lint".*/s),
  });
}, 900_000);

it.each(['Bad_Id', '../escape', 'web-images'])(
  'refuses the id %s and writes nothing',
  async (id) => {
    const made = await run('nx', 'g', '@magpie/workspace:collector', id, '--skipInstall');
    expect(made.code).not.toBe(0);
    expect(made.output).not.toContain('CREATE');
  },
  240_000,
);
