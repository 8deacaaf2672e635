import { install, runPinned } from './install.mjs';

install();
process.exitCode = await runPinned(['deploy/local/src/start/main.ts', ...process.argv.slice(2)]);
