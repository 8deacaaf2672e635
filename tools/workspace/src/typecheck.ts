/**
 * Type checks one package: the root configuration with only that package's files as its entry.
 * `node tools/workspace/src/typecheck.ts libs/broker`; without a path, the whole tree (as `tsc` does).
 */
import { dirname, resolve } from 'node:path';
import ts from 'typescript';

const configPath = resolve('tsconfig.json');
const { config, error } = ts.readConfigFile(configPath, (path) => ts.sys.readFile(path)) as {
  config: Record<string, unknown>;
  error?: ts.Diagnostic;
};
const root = process.argv[2];
const narrowed = root === undefined ? config : { ...config, include: [`${root}/**/*.ts`] };
const { options, fileNames, errors } = ts.parseJsonConfigFileContent(narrowed, ts.sys, dirname(configPath));
// A package without TypeScript has nothing to check (18003: no inputs were found).
const faults = [...(error ? [error] : []), ...errors].filter((fault) => fault.code !== 18003);
if (fileNames.length > 0) {
  faults.push(...ts.getPreEmitDiagnostics(ts.createProgram({ rootNames: fileNames, options })));
}
if (faults.length > 0) {
  const host = {
    getCanonicalFileName: (path: string) => path,
    getCurrentDirectory: () => process.cwd(),
    getNewLine: () => '\n',
  };
  process.stdout.write(ts.formatDiagnosticsWithColorAndContext(faults, host));
  process.exitCode = 1;
}
