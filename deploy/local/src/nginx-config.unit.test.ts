import { readFile } from 'node:fs/promises';
import { ERRORS } from '@magpie/contracts';
import { mainConfig, NGINX_TEMPLATE, renderTemplate, type NginxVariables } from './nginx-config.ts';

const variables: NginxVariables = {
  listen: '127.0.0.1:8080',
  gateway: '127.0.0.1:3000',
  files: '/srv/my files',
  temp: '/tmp/nginx',
  accessLog: 'off',
};

describe('nginx.conf.template', () => {
  it('has no variable of ours left when rendered, and keeps those of nginx', async () => {
    const rendered = renderTemplate(await readFile(NGINX_TEMPLATE, 'utf8'), variables);
    expect(rendered).not.toMatch(/MAGPIE_/);
    expect(rendered).toContain('alias "/srv/my files/";');
    expect(rendered).toContain('$request_id');
  });

  it('answers with codes, statuses and titles of the contracts', async () => {
    const template = await readFile(NGINX_TEMPLATE, 'utf8');
    const map = (name: string): Map<string, string> => {
      const block = new RegExp(`map \\$status \\$${name} \\{([^}]*)\\}`).exec(template)?.[1] ?? '';
      const lines = [...block.matchAll(/^\s*(\w+) "?([^";]*)"?;$/gm)];
      return new Map(lines.map((line) => [line[1] as string, line[2] as string]));
    };
    const codes = map('magpie_code');
    const titles = map('magpie_title');
    expect(codes.size).toBeGreaterThan(4);
    const known: Record<string, { status?: number; title: string }> = ERRORS;
    // HEAD of a resumable upload alone, whose clients take any other failure for an upload that is gone.
    expect(codes.get('423')).toBe(codes.get('502'));
    codes.delete('423');
    for (const [status, code] of codes) {
      expect(known[code]?.title).toBe(titles.get(status));
      expect(known[code]?.status).toBe(status === 'default' ? 500 : Number(status));
    }
  });

  it('refuses a value that could break out of its place', () => {
    const render = (files: string): string =>
      renderTemplate('alias "${MAGPIE_NGINX_FILES}/";', { ...variables, files });
    for (const bad of ['/a";', '/a\n', '/a$b', '/a{', '/a\\'])
      expect(() => render(bad)).toThrow(/cannot be given/);
    expect(() => renderTemplate('${MAGPIE_NGINX_NEW}', variables)).toThrow(/unknown variable/);
  });

  it('names temporary directories only for modules that this nginx has', () => {
    const about = { home: '/h', errorLog: '/l', without: new Set(['http_scgi_module']) };
    const config = mainConfig('# fragment', about);
    expect(config).toContain('fastcgi_temp_path "/h/temp/fastcgi";');
    expect(config).not.toContain('scgi_temp_path "/h/temp/scgi"');
  });
});
