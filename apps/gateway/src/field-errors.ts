import type { FieldError } from './problems.ts';

/** What a validator of typebox says of one fault. */
interface Fault {
  keyword: string;
  schemaPath: string;
  instancePath: string;
  params: object;
  message: string;
}

const MAX_FIELDS = 20;
const MAX_NAME = 100;

/** How the message of a text begins that a pattern or format refuses; what is asked for follows. */
export const NOT_IN_FORM = 'is not in its form';

const partsOf = (pointer: string): string[] =>
  pointer
    .split('/')
    .slice(1)
    .map((part) => part.replace(/~1/g, '/').replace(/~0/g, '~'));

const nameOf = (pointer: string, prefix: string): string =>
  [prefix, ...partsOf(pointer)]
    .filter((part) => part !== '')
    .join('.')
    .slice(0, MAX_NAME);

const listOf = (params: object, name: string): string[] => {
  const value = (params as Record<string, unknown>)[name];
  return Array.isArray(value) ? value.map(String) : [];
};

/** A pattern is nothing to show to people: what the schema says in words, and its first example. */
function formOf(schema: unknown, schemaPath: string, message: string): string {
  let at = schema;
  for (const part of partsOf(schemaPath)) at = (at as Record<string, unknown> | undefined)?.[part];
  const { description, examples } = (at ?? {}) as { description?: string; examples?: unknown[] };
  if (description === undefined) return `${NOT_IN_FORM}: ${message}`;
  const [example] = examples ?? [];
  return `${NOT_IN_FORM}: ${description}${typeof example === 'string' ? `. For example ${example}` : ''}`;
}

/**
 * One line a field: its name with dots (`params.urls.0`) and what is wrong with it. A field of several
 * alternatives has one line, of the first. At most 20.
 * @param schema what was validated with
 * @param prefix put before the names of fields
 */
export function fieldErrors(faults: readonly Fault[], schema: unknown, prefix = ''): FieldError[] {
  const fields = new Map<string, string>();
  const add = (field: string, message: string) => {
    if (!fields.has(field) && fields.size < MAX_FIELDS) fields.set(field, message);
  };
  for (const { keyword, schemaPath, instancePath, params, message } of faults) {
    if (keyword === 'required')
      for (const name of listOf(params, 'requiredProperties'))
        add(nameOf(`${instancePath}/${name}`, prefix), 'is required');
    else if (keyword === 'additionalProperties')
      for (const name of listOf(params, 'additionalProperties'))
        add(nameOf(`${instancePath}/${name}`, prefix), 'is not known');
    else if (keyword === 'enum')
      add(nameOf(instancePath, prefix), `must be one of ${listOf(params, 'allowedValues').join(', ')}`);
    else if (keyword === 'pattern' || keyword === 'format')
      add(nameOf(instancePath, prefix), formOf(schema, schemaPath, message));
    else if (keyword !== 'boolean') add(nameOf(instancePath, prefix), message);
  }
  return [...fields].map(([field, message]) => ({ field, message }));
}
