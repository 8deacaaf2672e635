import { install, runPinned } from './install.mjs';

install();
process.exitCode = await runPinned(['tools/workspace/src/test/main.ts', ...process.argv.slice(2)]);
