import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import fp from 'fastify-plugin';
import { openapiFrame, withComponents } from '../openapi-document.ts';
import { publicUrl } from '../public-url.ts';

/** A page that runs its own scripts and talks to this API, and nothing else. */
const PAGE_POLICY = {
  'default-src': ["'self'"],
  'img-src': ["'self'", 'data:'],
  'style-src': ["'self'", "'unsafe-inline'"],
  'script-src': ["'self'"],
  'object-src': ["'none'"],
  'base-uri': ["'self'"],
  'frame-ancestors': ["'self'"],
};

/** The OpenAPI document, made of the schemas of the routes, and the page that shows it. */
export default fp(
  async (app) => {
    await app.register(swagger, {
      openapi: openapiFrame(publicUrl(app.config)),
      transformObject: ((given: { openapiObject: Record<string, unknown> }) =>
        withComponents(given.openapiObject)) as never,
    });
    await app.register(swaggerUi, {
      routePrefix: '/docs',
      staticCSP: PAGE_POLICY,
      theme: { title: 'Magpie API' },
      uiConfig: { docExpansion: 'list', deepLinking: true, validatorUrl: null },
    });
  },
  { name: 'docs', dependencies: ['limits'], fastify: '5.x' },
);
