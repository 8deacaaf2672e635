/** The thread that extracts: one page after the other, each answered by its number. */
import { parentPort } from 'node:worker_threads';
import { describeText, extractText, type ExtractedText } from './extract.ts';

export interface ExtractionTask {
  id: number;
  page: string;
  url: string;
  /** Plain text, of which only the language and the words are asked. */
  isPlain: boolean;
}

/** The first message of a thread is `ready`: its modules are loaded. */
export type ExtractionAnswer =
  'ready' | { id: number; text: ExtractedText } | { id: number; failure: string };

const port = parentPort;
if (port === null) throw new Error('worker.ts runs as a worker thread');

port.on('message', ({ id, page, url, isPlain }: ExtractionTask) => {
  let answer: ExtractionAnswer;
  try {
    answer = { id, text: isPlain ? describeText(page) : extractText(page, url) };
  } catch (error) {
    answer = { id, failure: error instanceof Error ? error.message : String(error) };
  }
  port.postMessage(answer);
});
port.postMessage('ready' satisfies ExtractionAnswer);
