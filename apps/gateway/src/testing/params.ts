/** A parameter schema that has one of everything. */
export const PARAMS = {
  type: 'object',
  required: ['urls', 'depth', 'scope'],
  additionalProperties: false,
  properties: {
    urls: {
      type: 'array',
      minItems: 1,
      maxItems: 10_000,
      items: { type: 'string', format: 'http-url', minLength: 1, maxLength: 8192 },
    },
    depth: { type: 'integer', minimum: 0, maximum: 20, default: 0 },
    scope: { enum: ['host', 'site', 'prefix'], default: 'host' },
    include: { type: 'array', maxItems: 20, items: { type: 'string', maxLength: 200 } },
    sitemaps: { type: 'boolean' },
    either: {
      anyOf: [
        { type: 'boolean' },
        { type: 'array', minItems: 1, items: { type: 'string', format: 'http-url' } },
      ],
    },
    minBytes: { type: 'integer', minimum: 0 },
  },
};
