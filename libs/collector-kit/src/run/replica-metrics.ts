import type { Metrics } from '@magpie/service-kit';

/** What is counted in a collector replica. */
export interface ReplicaMetrics {
  ended(kind: string, outcome: string, ms: number): void;
  load(running: number, waiting: number): void;
  readonly late: { inc(): void };
  readonly files: { inc(by: number): void };
}

export function createReplicaMetrics(metrics: Metrics): ReplicaMetrics {
  const steps = metrics.counter('magpie_steps_total', 'Steps by what became of them', ['kind', 'outcome']);
  const seconds = metrics.histogram('magpie_step_seconds', 'Time from the begin of a step to its end', [
    'kind',
  ]);
  const running = metrics.gauge('magpie_steps_running', 'Steps that run');
  const waiting = metrics.gauge('magpie_steps_waiting', 'Steps taken that are not begun or not confirmed');
  return {
    ended(kind, outcome, ms) {
      steps.inc({ kind, outcome });
      seconds.observe({ kind }, ms / 1000);
    },
    load(now, later) {
      running.set(now);
      waiting.set(later);
    },
    late: metrics.counter('magpie_steps_late_total', 'Steps that came after they were to be begun'),
    files: metrics.counter('magpie_kept_bytes_total', 'Bytes of files that were kept and are new'),
  };
}
