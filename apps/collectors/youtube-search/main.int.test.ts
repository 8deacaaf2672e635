import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

test('--help lists its own variable beside those of every collector', async () => {
  const main = join(import.meta.dirname, 'main.ts');
  const { stdout } = await promisify(execFile)(process.execPath, [main, '--help'], {
    env: { PATH: process.env['PATH'] },
  });
  expect(stdout).toMatch(/YOUTUBE_API_URL/);
  expect(stdout).toMatch(/MAGPIE_SECRET/);
});
