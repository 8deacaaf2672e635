/** What MongoDB's `explain` says of a query, for tests. */

export type Stage = Record<string, unknown> & { stage?: string };

/** Every stage of the winning plan, wherever it is nested. */
export function stagesOf(plan: unknown): Stage[] {
  if (Array.isArray(plan)) return plan.flatMap(stagesOf);
  if (typeof plan !== 'object' || plan === null) return [];
  const { rejectedPlans: _, ...rest } = plan as Stage & { rejectedPlans?: unknown };
  return [...('stage' in rest ? [rest as Stage] : []), ...Object.values(rest).flatMap(stagesOf)];
}
