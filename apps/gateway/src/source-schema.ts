/**
 * The parameter schema of a source, compiled. It comes from the database, announced by a collector, so its size is
 * bounded, and what it does not name is refused whether or not it says so.
 */
import { checkUrlLiteral, parseHttpUrl, UrlError, type Cidr } from '@magpie/domain';
import type { TSchema } from 'typebox';
import { Compile, type Validator } from 'typebox/compile';
import { fieldErrors } from './field-errors.ts';
import { HttpProblem, type FieldError } from './problems.ts';

/** The JSON Schema keywords that are looked at here; all others are the validator's. */
interface Keywords {
  type?: string;
  default?: unknown;
  format?: string;
  properties?: Record<string, Keywords>;
  items?: Keywords;
  anyOf?: Keywords[];
  oneOf?: Keywords[];
  allOf?: Keywords[];
  additionalProperties?: unknown;
}

/** Largest schema that is compiled, in characters of JSON; deepest nesting; most URLs that are reported. */
const MAX_SCHEMA = 131_072;
const MAX_DEPTH = 32;
const MAX_REPORTED = 20;

export interface ParamSchema {
  /**
   * The parameters as the job gets them: defaults filled in, every URL checked. With `form`, texts are read as what
   * the schema wants.
   * @param prefix put before the names of fields in errors
   * @throws HttpProblem `invalid_request`, or the code of the first URL that is refused
   */
  parse(
    params: unknown,
    options: { allow: readonly Cidr[]; prefix?: string; form?: boolean },
  ): Record<string, unknown>;
}

/** @throws Error when the schema is too large, too deep or no schema of an object */
export function compileParams(schema: Record<string, unknown>): ParamSchema {
  if (JSON.stringify(schema).length > MAX_SCHEMA) throw new Error('the parameter schema is too large');
  const depth = (value: unknown): number =>
    typeof value === 'object' && value !== null ? 1 + Math.max(0, ...Object.values(value).map(depth)) : 0;
  if (depth(schema) > MAX_DEPTH) throw new Error('the parameter schema is too deep');
  if (schema['type'] !== 'object') throw new Error('the parameter schema is not one of an object');
  const closed = { additionalProperties: false, ...schema } as Keywords;
  const validator = Compile(withoutUrlRules(closed) as TSchema) as Validator;

  return {
    parse(params, { allow, prefix = '', form = false }) {
      const read = fill(closed, form ? fromForm(closed, params) : structuredClone(params));
      if (!validator.Check(read)) {
        const errors = fieldErrors(validator.Errors(read), closed, prefix);
        throw new HttpProblem('invalid_request', undefined, { errors });
      }
      checkUrls(closed, read, allow, prefix);
      return read as Record<string, unknown>;
    },
  };
}

/** URLs are judged by `checkUrls`, which knows a code for each fault; the validator leaves them alone. */
function withoutUrlRules(schema: Keywords): unknown {
  if (Array.isArray(schema)) return schema.map(withoutUrlRules);
  if (typeof schema !== 'object' || schema === null) return schema;
  if (schema.format === 'http-url') return { type: 'string' };
  return Object.fromEntries(
    Object.entries(schema).map(([key, value]) => [key, withoutUrlRules(value as Keywords)]),
  );
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const NEVER = /^(__proto__|constructor|prototype)$/;

function fill(schema: Keywords, value: unknown): unknown {
  if (value === undefined) return schema.default === undefined ? undefined : structuredClone(schema.default);
  if (Array.isArray(value) && schema.items) return value.map((item) => fill(schema.items as Keywords, item));
  if (!isRecord(value) || schema.properties === undefined) return value;
  const filled = { ...value };
  for (const [name, property] of Object.entries(schema.properties)) {
    const next = fill(property, Object.hasOwn(value, name) ? value[name] : undefined);
    if (next !== undefined && !NEVER.test(name)) filled[name] = next;
  }
  return filled;
}

/** What the text of a form means under this schema; what can't be read is left for the validator to refuse. */
function fromForm(schema: Keywords, value: unknown): unknown {
  if (isRecord(value))
    return Object.fromEntries(
      Object.entries(value).map(([name, part]) => [
        name,
        schema.properties && Object.hasOwn(schema.properties, name)
          ? fromForm(schema.properties[name] as Keywords, part)
          : part,
      ]),
    );
  if (schema.anyOf) return fromFormAnyOf(schema.anyOf, value);
  if (schema.type === 'array') {
    const parts = Array.isArray(value) ? value : [value];
    return schema.items ? parts.map((part) => fromForm(schema.items as Keywords, part)) : parts;
  }
  if (typeof value !== 'string') return value;
  if ((schema.type === 'integer' || schema.type === 'number') && /^-?\d{1,15}(\.\d{1,15})?$/.test(value))
    return Number(value);
  if (schema.type === 'boolean') {
    if (/^(true|on|yes|1)$/i.test(value)) return true;
    if (/^(false|off|no|0)$/i.test(value)) return false;
  }
  return value;
}

/** Of several alternatives, the first that the text can be read as; a list takes what no other one can be. */
function fromFormAnyOf(alternatives: readonly Keywords[], value: unknown): unknown {
  const lists = alternatives.filter(({ type }) => type === 'array');
  for (const other of alternatives) {
    const read = fromForm(other, value);
    if (read !== value && !lists.includes(other)) return read;
  }
  return lists[0] === undefined || alternatives.some(({ type }) => type === 'string' && !Array.isArray(value))
    ? value
    : fromForm(lists[0], value);
}

function checkUrls(schema: Keywords, value: unknown, allow: readonly Cidr[], prefix: string): void {
  const errors: (FieldError & { code: UrlError['code'] })[] = [];
  const visit = (part: Keywords, at: unknown, name: string): void => {
    if (errors.length >= MAX_REPORTED) return;
    if (part.format === 'http-url' && typeof at === 'string') {
      try {
        checkUrlLiteral(parseHttpUrl(at), allow);
      } catch (error) {
        if (!(error instanceof UrlError)) throw error;
        errors.push({ field: name, message: error.message, code: error.code });
      }
    }
    if (Array.isArray(at) && part.items)
      at.forEach((item, i) => visit(part.items as Keywords, item, join(name, String(i))));
    if (isRecord(at) && part.properties)
      for (const [key, property] of Object.entries(part.properties))
        if (Object.hasOwn(at, key)) visit(property, at[key], join(name, key));
    for (const other of [...(part.anyOf ?? []), ...(part.oneOf ?? []), ...(part.allOf ?? [])])
      visit(other, at, name);
  };
  visit(schema, value, prefix);
  const [first] = errors;
  if (first !== undefined) throw new HttpProblem(first.code, first.message, { errors });
}

const join = (name: string, part: string): string => (name === '' ? part : `${name}.${part}`);
