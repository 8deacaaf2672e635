/** What tests of resumable uploads do: requests of a tus client as they are on the wire, and a look at what came of them. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { request as httpRequest, type ClientRequest, type IncomingHttpHeaders } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Job } from '@magpie/contracts';
import { startGateway, type TestGateway } from './gateway.ts';
import { until } from './until.ts';

export const MIB = 1024 * 1024;
export const BYTES = 'application/offset+octet-stream';

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
}

type Headers = Record<string, string | number>;

export const codeOf = ({ body }: Answer): string => (JSON.parse(body) as { code: string }).code;

export class TusWorld {
  readonly gateway: TestGateway;
  readonly data: string;
  readonly base: string;

  static async make(env: Record<string, string> = {}): Promise<TusWorld> {
    const data = await mkdtemp(join(tmpdir(), 'magpie-tus-'));
    const gateway = await startGateway({
      env: {
        MAGPIE_DATA: data,
        MAGPIE_UPLOAD_MAX_BYTES: String(64 * MIB),
        MAGPIE_DISK_RESERVE: '0',
        ...env,
      },
    });
    return new TusWorld(gateway, data, await gateway.listen());
  }

  constructor(gateway: TestGateway, data: string, base: string) {
    this.gateway = gateway;
    this.data = data;
    this.base = base;
  }

  async close(): Promise<void> {
    await this.gateway.close();
    await rm(this.data, { recursive: true, force: true });
  }

  /** A request whose body may come piece by piece. */
  open(method: string, path: string, headers: Headers = {}): { out: ClientRequest; answer: Promise<Answer> } {
    const url = new URL(path, this.base);
    const out = httpRequest(url, { method, agent: false, headers: { 'tus-resumable': '1.0.0', ...headers } });
    const answer = new Promise<Answer>((resolve, reject) => {
      out.on('error', reject);
      out.on('response', (response) => {
        const chunks: Buffer[] = [];
        response.on('error', reject);
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () => {
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: Buffer.concat(chunks).toString(),
          });
        });
      });
    });
    answer.catch(() => undefined);
    return { out, answer };
  }

  ask(method: string, path: string, headers: Headers = {}, body?: Buffer): Promise<Answer> {
    const length = body === undefined ? {} : { 'content-length': body.length };
    const { out, answer } = this.open(method, path, { ...length, ...headers });
    out.end(body);
    return answer;
  }

  chunk(id: string, offset: number, body: Buffer, headers: Record<string, string> = {}): Promise<Answer> {
    const all = { 'content-type': BYTES, 'upload-offset': offset, ...headers };
    return this.ask('PATCH', `/api/v1/uploads/${id}`, all, body);
  }

  async create(length: number, headers: Record<string, string> = {}): Promise<string> {
    const answer = await this.ask('POST', '/api/v1/uploads', { 'upload-length': length, ...headers });
    expect(answer.status).toBe(201);
    const [, id = ''] =
      /^http:\/\/magpie\.test\/api\/v1\/uploads\/([0-9a-v]{22})$/.exec(answer.headers.location ?? '') ?? [];
    expect(id).not.toBe('');
    return id;
  }

  head(id: string): Promise<Answer> {
    return this.ask('HEAD', `/api/v1/uploads/${id}`);
  }

  async offsetOf(id: string): Promise<number> {
    return Number((await this.head(id)).headers['upload-offset']);
  }

  async jobOf(id: string): Promise<Job> {
    return (await this.gateway.app.inject(`/api/v1/jobs/${id}`)).json<Job>();
  }

  async control(id: string, action: string): Promise<void> {
    const answer = await this.gateway.app.inject({ method: 'POST', url: `/api/v1/jobs/${id}/${action}` });
    expect(answer.statusCode).toBe(202);
  }

  async leaseOf(id: string): Promise<unknown> {
    const job = await this.gateway.store.jobs.collection.findOne({ _id: id as never });
    return job?.['transfer'].lease;
  }

  /** Its time was over a moment ago. */
  async expire(...ids: string[]): Promise<void> {
    await this.gateway.store.jobs.collection.updateMany(
      { _id: { $in: ids as never[] } },
      { $set: { 'transfer.expiresAt': new Date(Date.now() - 1) } },
    );
  }

  fileOf(id: string): Buffer {
    return readFileSync(join(this.data, 'uploads', id));
  }

  partSize(id: string): number {
    const part = join(this.data, 'uploads', `${id}.part`);
    return existsSync(part) ? statSync(part).size : 0;
  }

  /** Sends some of an upload and keeps the request open; more comes by `out`. */
  async sending(
    id: string,
    offset: number,
    length: number,
    first: Buffer,
  ): Promise<{ out: ClientRequest; answer: Promise<Answer> }> {
    const sent = this.open('PATCH', `/api/v1/uploads/${id}`, {
      'content-type': BYTES,
      'upload-offset': offset,
      'content-length': length,
    });
    sent.out.write(first);
    await until(async () => this.partSize(id) >= offset + first.length, 'the first bytes are there');
    return sent;
  }
}
