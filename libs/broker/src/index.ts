// The only importer of amqplib. Messages in, messages out, and what becomes of those that fail.
export { createBroker, type Broker } from './broker.ts';
export type { BrokerCounts, BrokerOptions, BrokerStatus } from './options.ts';
export type { Consumer, ConsumeBatchOptions, ConsumeOptions } from './consumer.ts';
export * from './errors.ts';
export type { Log } from './log.ts';
export { isOfType, type BodyOf, type Delivery, type HeaderValue, type OutgoingMessage } from './message.ts';
export type { SubscribeOptions, Subscription } from './subscription.ts';
export {
  assertTopology,
  coreTopology,
  DEAD_QUEUE,
  deleteTopology,
  EXCHANGES,
  RESULTS_QUEUE,
  RETRY_DELAYS_MS,
  retryQueue,
  SOURCES_QUEUE,
  STEPS_TTL_MS,
  stepsAloneQueue,
  stepsQueue,
  suspectsQueue,
  type Binding,
  type ExchangeSpec,
  type QueueSpec,
  type Topology,
} from './topology.ts';
