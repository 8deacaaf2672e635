import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

/** A service's own Prometheus registry. Names are `magpie_<noun>_<unit>`; counters end in `_total`. */
export interface Metrics {
  readonly registry: Registry;
  /** The `Content-Type` that goes with {@link Metrics.text}. */
  readonly contentType: string;
  /** Everything in Prometheus' text format. */
  text(): Promise<string>;
  counter<L extends string = never>(name: string, help: string, labels?: readonly L[]): Counter<L>;
  gauge<L extends string = never>(name: string, help: string, labels?: readonly L[]): Gauge<L>;
  /** Buckets in the unit of the name; default: seconds from 5 ms to 60 s. */
  histogram<L extends string = never>(
    name: string,
    help: string,
    labels?: readonly L[],
    buckets?: readonly number[],
  ): Histogram<L>;
}

const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** A fresh registry, labelled with the service's name, with the process' default metrics unless `defaults` is false. */
export function createMetrics({ name, defaults = true }: { name: string; defaults?: boolean }): Metrics {
  const registry = new Registry();
  registry.setDefaultLabels({ service: name });
  if (defaults) collectDefaultMetrics({ register: registry });
  return {
    registry,
    contentType: registry.contentType,
    text: () => registry.metrics(),
    counter: (metric, help, labels = []) =>
      new Counter({ name: metric, help, labelNames: labels, registers: [registry] }),
    gauge: (metric, help, labels = []) =>
      new Gauge({ name: metric, help, labelNames: labels, registers: [registry] }),
    histogram: (metric, help, labels = [], buckets = SECONDS) =>
      new Histogram({ name: metric, help, labelNames: labels, buckets: [...buckets], registers: [registry] }),
  };
}
