import formbody from '@fastify/formbody';
import fp from 'fastify-plugin';

/**
 * What bodies are read: JSON and forms. Clients that say of every request that it is JSON are taken at their word only
 * where a body is wanted: pausing a job needs none.
 */
export default fp(
  async (app) => {
    await app.register(formbody, { bodyLimit: app.config.MAGPIE_MAX_BODY });
    app.removeContentTypeParser(['application/json', 'text/plain']);
    const parse = app.getDefaultJsonParser('error', 'error');
    app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body: string, done) => {
      if (body === '' && request.routeOptions.schema?.body === undefined) done(null);
      else void parse(request, body, done);
    });
  },
  { name: 'bodies', dependencies: ['errors'], fastify: '5.x' },
);
