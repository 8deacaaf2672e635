/** What sources of Meta's Graph API share. */
export { callGraph, type GraphCall } from './call-graph.ts';
export { graphErrorOf, graphFault, graphMessage, type GraphError } from './graph-error.ts';
export { graphUsage, type GraphUsage } from './graph-usage.ts';
