// Ends with 0 if the service in this container answers on /healthz. The gateway serves it on its own port.
const port = process.env.MAGPIE_GATEWAY_PORT || process.env.HEALTH_PORT;
const answer = await fetch(`http://127.0.0.1:${port}/healthz`, { signal: AbortSignal.timeout(4000) });
process.exit(answer.ok ? 0 : 1);
