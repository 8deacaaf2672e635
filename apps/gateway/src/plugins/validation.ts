import fp from 'fastify-plugin';
import type { FastifySchemaCompiler } from 'fastify';
import type { TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import { Value } from 'typebox/value';
import { fieldErrors } from '../field-errors.ts';
import { HttpProblem } from '../problems.ts';

/**
 * Validates what a request brings with the schemas of contracts. Texts of addresses and headers are read as the
 * numbers and booleans that are meant; a body is taken as it is. Defaults are filled in.
 */
const compile: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
  const validator = Compile(schema);
  return (value) => {
    const read = httpPart === 'body' ? value : Value.Convert(schema, value);
    const full: unknown = Value.Default(schema, read);
    if (validator.Check(full)) return { value: full };
    return {
      error: new HttpProblem(
        httpPart === 'params' ? 'not_found' : 'invalid_request',
        undefined,
        httpPart === 'params' ? {} : { errors: fieldErrors(validator.Errors(full), schema) },
      ),
    };
  };
};

export default fp(
  async (app) => {
    app.setValidatorCompiler(compile);
    app.setSerializerCompiler(() => (value) => JSON.stringify(value));
  },
  { name: 'validation', fastify: '5.x' },
);
