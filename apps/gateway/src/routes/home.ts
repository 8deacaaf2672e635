import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { ERRORS } from '@magpie/contracts';

const escape = (text: string): string => text.replace(/[&<>"`]/g, (char) => `&#${char.charCodeAt(0)};`);

/** The page that the `type` of a problem document points to: a section a code. */
function errorsPage(): string {
  const entries = Object.entries(ERRORS) as [string, { status?: number; title: string; help: string }][];
  const sections = entries.map(
    ([code, { status, title, help }]) =>
      `<h2 id="${code}"><code>${code}</code>${status === undefined ? '' : ` <small>${status}</small>`}</h2>\n<p>${escape(title)}. ${escape(help)}</p>`,
  );
  return `<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>Magpie: error codes</title>\n<h1>Error codes</h1>\n${sections.join('\n')}\n</html>\n`;
}

const routes: FastifyPluginAsyncTypebox = async (app) => {
  const page = errorsPage();
  const hidden = { schema: { hide: true } } as const;
  app.get('/', hidden, async (_request, reply) => reply.redirect('/docs', 302));
  app.get('/api/v1/docs', hidden, async (_request, reply) => reply.redirect('/docs', 302));
  app.get('/api/v1/docs/*', hidden, async (_request, reply) => reply.redirect('/docs', 302));
  app.get('/docs/errors', hidden, async (_request, reply) =>
    reply.type('text/html; charset=utf-8').send(page),
  );
};

export default routes;
