import { join, resolve } from 'node:path';

/** The template that compose and a local start share. */
export const NGINX_TEMPLATE = resolve(import.meta.dirname, '../../../nginx/nginx.conf.template');

export interface NginxVariables {
  /** `address:port` or a port. */
  listen: string;
  /** `host:port` of the gateway. */
  gateway: string;
  files: string;
  temp: string;
  /** `off`, or `<file> magpie`. */
  accessLog: string;
  resolver?: string;
}

/**
 * Replaces `${MAGPIE_NGINX_…}` as the official image's envsubst does. Throws when the template names a variable
 * that is not known, or when a value could break out of its place.
 */
export function renderTemplate(template: string, variables: NginxVariables): string {
  const values: Record<string, string> = {
    MAGPIE_NGINX_LISTEN: variables.listen,
    MAGPIE_NGINX_GATEWAY: variables.gateway,
    MAGPIE_NGINX_FILES: variables.files,
    MAGPIE_NGINX_TEMP: variables.temp,
    MAGPIE_NGINX_ACCESS_LOG: variables.accessLog,
    MAGPIE_NGINX_RESOLVER: variables.resolver ?? '127.0.0.1',
  };
  const code = template.replace(/^\s*#.*$/gm, '');
  return code.replace(/\$\{(MAGPIE_\w+)\}/g, (_, name: string) => {
    const value = values[name];
    if (value === undefined) throw new Error(`nginx.conf.template: unknown variable ${name}`);
    if (/["'\\;{}$\n]/.test(value))
      throw new Error(`nginx cannot be given ${JSON.stringify(value)} as ${name}`);
    return value;
  });
}

export interface MainConfig {
  /** Directory for pid, logs of the master and temporary files. */
  home: string;
  errorLog: string;
  /** Module names that this nginx was built without (`-V`). */
  without: Set<string>;
  /** Set when the master runs as root: its workers then stay this user, who can read the data directory. */
  user?: string;
}

/** The main configuration around the rendered fragment, writing nowhere but in `home` and the log. */
export function mainConfig(fragment: string, { home, errorLog, without, user }: MainConfig): string {
  const temp = (name: string): string => `  ${name}_temp_path "${join(home, 'temp', name)}";`;
  return [
    ...(user === undefined ? [] : [`user ${user};`]),
    'worker_processes auto;',
    `pid "${join(home, 'nginx.pid')}";`,
    `error_log "${errorLog}" warn;`,
    'events { worker_connections 4096; }',
    'http {',
    ...['fastcgi', 'uwsgi', 'scgi'].filter((name) => !without.has(`http_${name}_module`)).map(temp),
    fragment,
    '}',
    '',
  ].join('\n');
}
