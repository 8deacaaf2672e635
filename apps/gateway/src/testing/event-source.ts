/** A reader of server-sent events over a real connection, as far as the tests need one. */
export interface ServerEvent {
  event: string;
  id: string;
  data: Record<string, unknown>;
}

export interface EventReader {
  status: number;
  headers: Headers;
  events: ServerEvent[];
  comments: string[];
  /** Resolves when the server ends the stream. */
  ended: Promise<void>;
  /** Waits until this is so of the events read. */
  until(condition: (events: ServerEvent[]) => boolean, timeoutMs?: number): Promise<void>;
  close(): void;
}

export async function readEvents(url: string, headers: Record<string, string> = {}): Promise<EventReader> {
  const abort = new AbortController();
  const response = await fetch(url, { headers, signal: abort.signal });
  const events: ServerEvent[] = [];
  const comments: string[] = [];
  let told = (): void => {};
  const read = async (): Promise<void> => {
    let text = '';
    const decoder = new TextDecoder();
    for await (const chunk of response.body ?? []) {
      text += decoder.decode(chunk as Uint8Array, { stream: true });
      const blocks = text.split('\n\n');
      text = blocks.pop() ?? '';
      for (const block of blocks) {
        const fields = Object.fromEntries(
          block
            .split('\n')
            .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
        );
        if (fields['data'] !== undefined)
          events.push({
            event: fields['event'] ?? '',
            id: fields['id'] ?? '',
            data: JSON.parse(fields['data']) as Record<string, unknown>,
          });
        else comments.push(block);
      }
      told();
    }
  };
  const ended = read().then(
    () => told(),
    () => told(),
  );
  return {
    status: response.status,
    headers: response.headers,
    events,
    comments,
    ended,
    async until(condition, timeoutMs = 30_000) {
      const deadline = Date.now() + timeoutMs;
      while (!condition(events)) {
        if (Date.now() > deadline) throw new Error(`not so after ${timeoutMs} ms: ${JSON.stringify(events)}`);
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, 100);
          told = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
    },
    close: () => abort.abort(),
  };
}
