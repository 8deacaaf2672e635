import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const MODELS = 'jobs|steps|links|items|hosts|locks|dispatches|sources|deadLetters|idempotency|orphans|runs';

it('the gateway reads the database by the named queries alone, which a test explains', () => {
  const files = globSync('**/*.ts', { cwd: import.meta.dirname }).filter(
    (file) => !/\.test\.ts$|^testing\//.test(file),
  );
  expect(files.length).toBeGreaterThan(20);
  const direct = files.filter((file) =>
    new RegExp(`\\bstore\\.(${MODELS}|connection)\\b|\\brunQuery\\b|\\brunOne\\b`).test(
      readFileSync(join(import.meta.dirname, file), 'utf8'),
    ),
  );
  expect(direct).toEqual([]);
});
