import type { FieldError } from './problems.ts';

/** What a validator of typebox says of one fault. */
interface Fault {
  keyword: string;
  instancePath: string;
  params: object;
  message: string;
}

const MAX_FIELDS = 20;
const MAX_NAME = 100;

const nameOf = (pointer: string, prefix: string): string =>
  [
    prefix,
    ...pointer
      .split('/')
      .slice(1)
      .map((part) => part.replace(/~1/g, '/').replace(/~0/g, '~')),
  ]
    .filter((part) => part !== '')
    .join('.')
    .slice(0, MAX_NAME);

const listOf = (params: object, name: string): string[] => {
  const value = (params as Record<string, unknown>)[name];
  return Array.isArray(value) ? value.map(String) : [];
};

/**
 * One line a field: its name with dots (`params.urls.0`) and what is wrong with it. A field of several
 * alternatives has one line, of the first. At most 20.
 */
export function fieldErrors(faults: readonly Fault[], prefix = ''): FieldError[] {
  const fields = new Map<string, string>();
  const add = (field: string, message: string) => {
    if (!fields.has(field) && fields.size < MAX_FIELDS) fields.set(field, message);
  };
  for (const { keyword, instancePath, params, message } of faults) {
    if (keyword === 'required')
      for (const name of listOf(params, 'requiredProperties'))
        add(nameOf(`${instancePath}/${name}`, prefix), 'is required');
    else if (keyword === 'additionalProperties')
      for (const name of listOf(params, 'additionalProperties'))
        add(nameOf(`${instancePath}/${name}`, prefix), 'is not known');
    else if (keyword === 'enum')
      add(nameOf(instancePath, prefix), `must be one of ${listOf(params, 'allowedValues').join(', ')}`);
    else if (keyword !== 'boolean') add(nameOf(instancePath, prefix), message);
  }
  return [...fields].map(([field, message]) => ({ field, message }));
}
