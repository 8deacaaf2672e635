import { EXCHANGES } from '@magpie/broker';
import { MESSAGES } from '@magpie/contracts';
import { format } from 'prettier';

/** Where each message is published; a message without a line here does not compile. */
const PUBLISHED = {
  steps: { exchange: EXCHANGES.steps.name, key: '<source>.<priority>' },
  results: { exchange: EXCHANGES.results.name, key: '<source>' },
  control: { exchange: EXCHANGES.control.name, key: '' },
  jobEvent: { exchange: EXCHANGES.events.name, key: 'job.<id>.<event>' },
  sourceAnnounced: { exchange: EXCHANGES.events.name, key: 'source.<id>.announced' },
  deadLetter: { exchange: EXCHANGES.dead.name, key: '' },
} as const satisfies Record<keyof typeof MESSAGES, { exchange: string; key: string }>;

interface Schema {
  type?: string;
  description?: string;
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  anyOf?: Schema[];
  enum?: unknown[];
  const?: unknown;
  pattern?: string;
  patternProperties?: Record<string, Schema>;
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  minItems?: number;
  maxItems?: number;
  format?: string;
}

type Row = [field: string, type: string, needed: string, description: string];

/** The schema in a few words. */
function typeOf(schema: Schema): string {
  if (schema.const !== undefined) return `\`${JSON.stringify(schema.const)}\``;
  if (schema.enum) return schema.enum.map((value) => `\`${JSON.stringify(value)}\``).join(', ');
  if (schema.anyOf) return schema.properties ? 'object' : [...new Set(schema.anyOf.map(typeOf))].join(' or ');
  if (schema.type === 'array')
    return `list of ${schema.items ? typeOf(schema.items) : 'anything'}${bounds(schema.minItems, schema.maxItems)}`;
  if (schema.type === 'object') return schema.properties ? 'object' : 'object with any keys';
  if (schema.type === 'string')
    return `string${schema.format ? ` (${schema.format})` : ''}${bounds(schema.minLength, schema.maxLength)}`;
  if (schema.type === undefined) return 'anything';
  return `${schema.type}${bounds(schema.minimum, schema.maximum)}`;
}

function bounds(least: number | undefined, most: number | undefined): string {
  if (least !== undefined && most !== undefined) return `, ${least} to ${most}`;
  if (least !== undefined) return `, at least ${least}`;
  return most === undefined ? '' : `, at most ${most}`;
}

/** One row a field, nested ones with their path. */
function rows(schema: Schema, prefix = ''): Row[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, field]) => {
    const path = `${prefix}${name}`;
    const needed = schema.required?.includes(name) ? 'yes' : '';
    const below = field.type === 'array' && field.items ? field.items : field;
    const nested = below === field ? `${path}.` : `${path}[].`;
    const inside = below.anyOf ? [] : rows(below, nested);
    return [[path, typeOf(field), needed, field.description ?? ''] as Row, ...inside];
  });
}

/** Lists of alternatives within a schema, with their path. */
function alternatives(schema: Schema, prefix = ''): [string, Schema[]][] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, field]) => {
    const path = `${prefix}${name}`;
    const below = field.type === 'array' && field.items ? field.items : field;
    const place = below === field ? path : `${path}[]`;
    const own = below.anyOf?.some(({ properties }) => properties)
      ? [[place, below.anyOf] as [string, Schema[]]]
      : [];
    return [...own, ...alternatives(below, `${place}.`)];
  });
}

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');

const table = (fields: Row[]): string =>
  [
    '| field | type | needed | what |',
    '| --- | --- | --- | --- |',
    ...fields.map(
      ([field, type, needed, what]) => `| \`${field}\` | ${cell(type)} | ${needed} | ${cell(what)} |`,
    ),
  ].join('\n');

/** What tells an alternative from the others: its constant field. */
function nameOf(schema: Schema): string {
  const constant = Object.entries(schema.properties ?? {}).find(([, field]) => field.const !== undefined);
  return constant ? `${constant[0]}: ${String(constant[1].const)}` : 'otherwise';
}

const variants = (list: Schema[], prefix: string): string[] =>
  list.flatMap((schema) => [
    `#### ${nameOf(schema)}`,
    schema.description === undefined ? '' : `${schema.description}.`,
    table(rows(schema, prefix)),
  ]);

function section(key: keyof typeof MESSAGES): string[] {
  const { name, version, description, schema } = MESSAGES[key];
  const { exchange, key: routingKey } = PUBLISHED[key];
  const plain = JSON.parse(JSON.stringify(schema)) as Schema;
  const nested = alternatives(plain);
  return [
    `## ${name}`,
    `${description}.`,
    `Version ${version} · exchange \`${exchange}\`${routingKey === '' ? '' : ` · routing key \`${routingKey}\``}`,
    plain.anyOf ? 'One of:' : table(rows(plain)),
    ...(plain.anyOf ? variants(plain.anyOf, '') : []),
    ...nested.flatMap(([place, list]) => [`### \`${place}\` is one of`, ...variants(list, `${place}.`)]),
  ];
}

const HEAD = `# Messages

Every message on the wire, made from the schemas in \`libs/contracts\` by \`npm run docs\`.

A message is JSON with the AMQP properties \`type\` (its name), \`message_id\`, \`timestamp\` and, where something is followed through every service, \`correlation_id\`; the header \`x-magpie-version\` has its version, \`x-magpie-attempt\` counts the attempts to handle it, from 1. Both ends validate it; what breaks its schema becomes a dead letter, once, with the reason.
`;

/** The reference of every message: name, version, exchange, fields. */
export default async function messages(): Promise<{ path: string; content: string }[]> {
  const keys = Object.keys(MESSAGES) as (keyof typeof MESSAGES)[];
  const list = [
    '| message | version | exchange | what |',
    '| --- | --- | --- | --- |',
    ...keys.map((key) => {
      const { name, version, description } = MESSAGES[key];
      return `| [${name}](#${name.replaceAll('.', '')}) | ${version} | \`${PUBLISHED[key].exchange}\` | ${cell(description)} |`;
    }),
  ].join('\n');
  const text = [HEAD, list, ...keys.flatMap(section)].filter((part) => part !== '').join('\n\n');
  return [{ path: 'docs/messages.md', content: await format(text, { parser: 'markdown', printWidth: 110 }) }];
}
