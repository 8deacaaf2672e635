import type { ConsumeMessage } from 'amqplib';
import { Type } from 'typebox';
import { InvalidMessage, Poison } from './errors.ts';
import { again, decode, describe as describeMessage, encode, type Envelope } from './message.ts';
import { EXCHANGES } from './topology.ts';

const NOTE = {
  name: 'test.note',
  version: 2,
  description: '',
  schema: Type.Object({ text: Type.String({ maxLength: 5 }) }, { additionalProperties: false }),
};
const note = { exchange: EXCHANGES.results, routingKey: 'k', type: NOTE, body: { text: 'hi' } };
const defaults = { mandatory: true, persistent: true };

const received = ({ content, options }: Envelope, changes: object = {}): ConsumeMessage =>
  ({
    content,
    fields: {
      deliveryTag: 1,
      redelivered: false,
      exchange: 'p.magpie.results',
      routingKey: 'k',
      consumerTag: '',
    },
    properties: { ...options, headers: { ...options.headers, ...changes } },
  }) as unknown as ConsumeMessage;

describe('encode and decode', () => {
  it('give the handler what was published', () => {
    const raw = received(
      encode({ ...note, headers: { jobId: 'j1', n: 3 }, correlationId: 'c1' }, defaults, 1000),
    );
    const about = describeMessage(raw, 'p.');
    expect(decode(raw, about, [NOTE], 1000)).toMatchObject({
      body: { text: 'hi' },
      type: 'test.note',
      version: 2,
      headers: { jobId: 'j1', n: 3 },
      correlationId: 'c1',
      attempt: 1,
      redelivered: false,
      deliveryCount: undefined,
      exchange: 'magpie.results',
      routingKey: 'k',
    });
    expect(about.messageId).not.toBe('');
  });

  it('refuse to send what breaks its schema, its size, or uses a reserved header', () => {
    const bad = { ...note, body: { text: 'too long' } };
    expect(() => encode(bad, defaults, 1000)).toThrow(InvalidMessage);
    expect(() => encode(bad, defaults, 1000)).toThrow(/test.note@2: \/text/);
    expect(() => encode(note, defaults, 5)).toThrow(/bytes, at most 5/);
    expect(() => encode({ ...note, headers: { 'x-death': 1 } }, defaults, 1000)).toThrow(/reserved/);
    expect(() => encode({ ...note, headers: { CC: 'q' } }, defaults, 1000)).toThrow(/reserved/);
  });

  it.each([
    ['not JSON', { content: Buffer.from('{') }, /not JSON/],
    ['a wrong body', { content: Buffer.from('{"text":5}') }, /test.note@2: \/text/],
    ['an unknown key', { content: Buffer.from('{"text":"a","b":1}') }, /test.note@2/],
    ['a body that is too large', { content: Buffer.alloc(2000, 32) }, /2000 bytes/],
  ])('refuse %s as malformed', (_, part, text) => {
    const raw = { ...received(encode(note, defaults, 1000)), ...part };
    const attempt = () => decode(raw, describeMessage(raw, ''), [NOTE], 1000);
    expect(attempt).toThrow(Poison);
    expect(attempt).toThrow(text);
    expect(attempt).toThrow(expect.objectContaining({ reason: 'malformed' }));
  });

  it('refuse another version of a known type', () => {
    const raw = received(encode(note, defaults, 1000), { 'x-magpie-version': 3 });
    expect(() => decode(raw, describeMessage(raw, ''), [NOTE], 1000)).toThrow(/test.note@3/);
  });

  it('send a message on its way again with its origin and without the marks of brokers', () => {
    const first = received(encode({ ...note, headers: { jobId: 'j' }, messageId: 'm1' }, defaults, 1000), {
      'x-death': [{ count: 1 }],
      'x-first-death-queue': 'q',
      'x-delivery-count': 4,
      'magpie-retry-level': '1000',
    });
    const about = describeMessage(first, 'p.');
    expect(about.deliveryCount).toBe(4);
    const envelope = again(first, about, { attempt: 2, retryLevelMs: 5000 });
    expect(envelope.options).toMatchObject({ messageId: 'm1', type: 'test.note', mandatory: true });
    expect(envelope.options.headers).toEqual({
      jobId: 'j',
      'x-magpie-version': 2,
      'x-magpie-attempt': 2,
      'x-magpie-exchange': 'magpie.results',
      'x-magpie-routing-key': 'k',
      'magpie-retry-level': '5000',
    });
    const second = { ...received(envelope), fields: { ...first.fields, exchange: '', routingKey: 'p.q' } };
    expect(describeMessage(second, 'p.')).toMatchObject({
      exchange: 'magpie.results',
      routingKey: 'k',
      attempt: 2,
      headers: { jobId: 'j' },
    });
  });
});
