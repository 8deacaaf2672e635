/** A web server for the site, apart from the platform's own: nginx, as static sites are served. */
import { constants } from 'node:fs';
import { access, mkdir, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { delimiter, join } from 'node:path';
import { freePort, ManagedProcess } from '@magpie/local';

export interface SiteServer {
  url: string;
  pid: number;
  stop(): Promise<void>;
}

const PLACES = ['/usr/sbin', '/usr/local/sbin', '/usr/local/bin', '/opt/homebrew/bin'];

async function findNginx(): Promise<string> {
  for (const folder of [...(process.env['PATH'] ?? '').split(delimiter), ...PLACES]) {
    const candidate = join(folder, 'nginx');
    if (
      folder !== '' &&
      (await access(candidate, constants.X_OK).then(
        () => true,
        () => false,
      ))
    )
      return candidate;
  }
  throw new Error('nginx is not on this machine: run `npm start` once, or install it');
}

/**
 * Serves `root` on a free port of loopback. There is no robots.txt: everything is allowed.
 * @param accessLog file that gets a line a request, the path alone; none without it
 */
export async function serveSite(home: string, root: string, accessLog?: string): Promise<SiteServer> {
  const port = await freePort();
  await mkdir(join(home, 'temp'), { recursive: true });
  const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `  ${name}_temp_path "${join(home, 'temp', name)}";`,
  );
  const log = accessLog === undefined ? ['  access_log off;'] : [`  access_log "${accessLog}" path;`];
  const config = [
    ...(process.getuid?.() === 0 ? [`user ${userInfo().username};`] : []),
    'worker_processes 1;',
    `pid "${join(home, 'nginx.pid')}";`,
    `error_log "${join(home, 'error.log')}" warn;`,
    'events { worker_connections 4096; }',
    'http {',
    ...temp,
    '  types { text/html html; image/png png; }',
    "  log_format path '$request_uri';",
    ...log,
    '  keepalive_timeout 300;',
    '  keepalive_requests 1000000;',
    '  tcp_nodelay on;',
    '  sendfile on;',
    `  server { listen 127.0.0.1:${port} backlog=1024; root "${root}"; }`,
    '}',
    '',
  ];
  const file = join(home, 'nginx.conf');
  await writeFile(file, config.join('\n'));
  const server = new ManagedProcess({
    name: 'the site’s nginx',
    command: await findNginx(),
    args: ['-e', join(home, 'error.log'), '-p', home, '-c', file, '-g', 'daemon off;'],
    logFile: join(home, 'error.log'),
    pidFile: join(home, 'site.json'),
    graceMs: 3000,
  });
  await server.start();
  const url = `http://127.0.0.1:${port}`;
  try {
    await server.waitUntil(async () => {
      const answer = await fetch(`${url}/`, { headers: { connection: 'close' } });
      await answer.arrayBuffer();
      if (!answer.ok) throw new Error(`answers ${answer.status}`);
    }, 15_000);
  } catch (error) {
    await server.stop();
    throw error;
  }
  return { url, pid: server.pid as number, stop: () => server.stop() };
}
