// Runs under whatever Node the machine has (20 or later), before anything is installed.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));
const bin = join(root, 'node_modules', 'node', 'bin');
const stamp = join(root, 'node_modules', '.magpie-installed');

/** Installs the locked dependencies unless they are there already. Ends the process with a clear line when it can't. */
export function install() {
  const [major] = process.versions.node.split('.').map(Number);
  if (major < 20) fail(`Node ${process.versions.node} is too old; Magpie needs Node 20 or later.`);
  const wanted = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
  const present = existsSync(stamp) ? readFileSync(stamp, 'utf8') : '';
  if (present === wanted && existsSync(join(bin, 'node'))) return;
  console.log('Installing dependencies (npm ci), once …');
  mkdirSync(join(root, '.magpie', 'logs'), { recursive: true });
  const logFile = join(root, '.magpie', 'logs', 'install.log');
  const log = openSync(logFile, 'w');
  const began = Date.now();
  const npm = process.env.npm_execpath?.endsWith('.js')
    ? [process.execPath, process.env.npm_execpath]
    : [process.platform === 'win32' ? 'npm.cmd' : 'npm'];
  const result = spawnSync(npm[0], [...npm.slice(1), 'ci', '--no-audit', '--no-fund'], {
    cwd: root,
    stdio: ['ignore', log, log],
  });
  if (result.status !== 0) {
    console.error(readFileSync(logFile, 'utf8').split('\n').slice(-15).join('\n'));
    fail('npm ci failed; its output is above and in .magpie/logs/install.log. Type `npm ci` to try again.');
  }
  writeFileSync(stamp, wanted);
  console.log(`Installed in ${Math.round((Date.now() - began) / 1000)} s.`);
}

/** Runs a script with the Node that the repository pins; ends this process as that one ends. */
export function runPinned(args, env = {}) {
  const child = spawn(join(bin, 'node'), args, {
    cwd: root,
    stdio: 'inherit',
    env: {
      ...process.env,
      ...env,
      PATH: [bin, join(root, 'node_modules', '.bin'), process.env.PATH].join(delimiter),
    },
  });
  // Ctrl-C reaches the child by itself; we only wait for it.
  process.on('SIGINT', () => {});
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  return new Promise((resolve) =>
    child.once('close', (code, signal) => resolve(code ?? (signal === 'SIGINT' ? 130 : 1))),
  );
}

function fail(message) {
  console.error(message);
  process.exit(1);
}
