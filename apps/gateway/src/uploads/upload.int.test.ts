import { createHash, randomBytes } from 'node:crypto';
import type { Job } from '@magpie/contracts';
import { Sender } from '../testing/sender.ts';
import { MB, sha256, UploadWorld } from '../testing/upload-world.ts';

let world: UploadWorld;
beforeAll(async () => {
  world = await UploadWorld.make({ MAGPIE_UPLOAD_MAX_BYTES: String(16 * MB) });
});
afterAll(() => world.close());

describe('a file arrives', () => {
  it('as the body, of known length', async () => {
    const id = await world.newJob();
    const sender = world.send(id, {
      bytes: 5 * MB + 17,
      headers: {
        'content-length': String(5 * MB + 17),
        'content-type': 'Text/CSV; charset=utf-8',
        'content-disposition': `attachment; filename="../../etc/passwd"; filename*=UTF-8''..%2Fa%20b.csv`,
      },
    });
    const job = await world.isWhole(id, sender);
    expect(job.transfer?.file).toMatchObject({ name: 'a b.csv', type: 'text/csv' });
    expect(job.transfer?.rows).toBe(0);
    const keep = Date.parse(job.transfer?.expiresAt ?? '') - Date.parse(job.endedAt ?? '');
    expect(Math.abs(keep - 7 * 86_400_000)).toBeLessThan(60_000);
  });

  it('as the body, of unknown length, its lines counted', async () => {
    const id = await world.newJob({ filename: 'names.txt' });
    const line = 'a line of thirty-two characters\n';
    const sender = world.send(id, { bytes: 3 * MB, chunk: Buffer.from(line.repeat(2048)) });
    const job = await world.isWhole(id, sender);
    expect(job.transfer?.rows).toBe((3 * MB) / line.length);
    expect(job.transfer?.file).toMatchObject({ name: 'names.txt', type: 'application/octet-stream' });
  });

  it('as a part of a form, with fields around it', async () => {
    const id = await world.newJob();
    const sender = world.send(id, {
      bytes: 5 * MB + 1,
      headers: { 'content-type': 'multipart/form-data; boundary=XX' },
      head: `--XX\r\nContent-Disposition: form-data; name="note"\r\n\r\nhello\r\n--XX\r\nContent-Disposition: form-data; name="file"; filename="C:\\tmp\\Räder.bin"\r\nContent-Type: application/zip\r\n\r\n`,
      tail: '\r\n--XX\r\nContent-Disposition: form-data; name="after"\r\n\r\nbye\r\n--XX--\r\nepilogue',
    });
    const job = await world.isWhole(id, sender);
    expect(job.transfer?.file).toMatchObject({ name: 'Räder.bin', type: 'application/zip' });
  });

  it('empty', async () => {
    const id = await world.newJob();
    await world.isWhole(id, world.send(id, { bytes: 0 }));
  });

  it('with the checksum that was announced', async () => {
    const chunk = randomBytes(1000);
    const id = await world.newJob({ sha256: createHash('sha256').update(chunk).digest('hex') });
    await world.isWhole(id, world.send(id, { bytes: 1000, chunk }));
  });
});

describe('a Content-Digest', () => {
  const chunk = randomBytes(1000);
  const form = {
    head: '--XX\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n',
    tail: '\r\n--XX--\r\nepilogue',
  };
  const digest = (...bytes: (Buffer | string)[]): string => {
    const hash = createHash('sha256');
    for (const part of bytes) hash.update(part);
    return `sha-512=:AAAA:, sha-256=:${hash.digest('base64')}:`;
  };
  const type = { 'content-type': 'multipart/form-data; boundary=XX' };

  it.each([
    ['a body', {}, {}, digest(chunk)],
    ['a form', type, form, digest(form.head, chunk, form.tail)],
  ])('of %s is compared', async (_name, headers, around, right) => {
    const id = await world.newJob();
    const wrong = { ...headers, 'content-digest': digest('other') };
    await world.failedWith(
      id,
      world.send(id, { bytes: 1000, chunk, headers: wrong, ...around }),
      422,
      'checksum_mismatch',
    );
    const whole = { ...headers, 'content-digest': right };
    await world.isWhole(id, world.send(id, { bytes: 1000, chunk, headers: whole, ...around }));
  });

  it('that is none is refused before anything is taken; other algorithms are not compared', async () => {
    const id = await world.newJob();
    for (const value of ['sha-256', 'sha-256=abc', 'sha-256=:abc:', `sha-256=:${'A'.repeat(44)}:`]) {
      const { status: code, body } = await world.send(id, { bytes: 10, headers: { 'content-digest': value } })
        .answer;
      expect([code, body.code, (await world.status(id)).state]).toEqual([400, 'invalid_request', 'queued']);
    }
    const headers = { 'content-digest': 'sha-512=:AAAA:' };
    await world.isWhole(id, world.send(id, { bytes: 10, headers }));
  });
});

describe('refused', () => {
  it('a second upload to the same job, at once', async () => {
    const id = await world.newJob();
    const first = world.send(id, { bytesPerSecond: 200_000 });
    await world.comes(id);
    const second = await world.send(id, { bytes: 50 * MB }).answer;
    expect([second.status, second.body.code, second.headers.connection]).toEqual([
      409,
      'upload_in_progress',
      'close',
    ]);
    first.finish();
    await world.isWhole(id, first);
    const third = await world.send(id, { bytes: 50 * MB }).answer;
    expect([third.status, third.body.code, third.body.state]).toEqual([
      409,
      'invalid_transition',
      'completed',
    ]);
  });

  it('of two at the same instant, one is taken', async () => {
    const id = await world.newJob();
    const both = [
      world.send(id, { bytes: MB, bytesPerSecond: 2 * MB }),
      world.send(id, { bytes: MB, bytesPerSecond: 2 * MB }),
    ];
    const codes = await Promise.all(both.map(async (one) => (await one.answer).status));
    expect(codes.sort()).toEqual([201, 409]);
    const winner = both[(await both[0]?.answer)?.status === 201 ? 0 : 1] as Sender;
    expect(await sha256(world.file(id))).toBe(winner.sha256);
  });

  it('more than there may be at a time', async () => {
    const senders = await Promise.all(
      [1, 2, 3].map(async () => {
        const id = await world.newJob();
        return { id, sender: world.send(id, { bytesPerSecond: 200_000 }) };
      }),
    );
    for (const { id } of senders) await world.comes(id);
    const id = await world.newJob();
    const { status: code, body, headers } = await world.send(id, { bytes: 20 * MB }).answer;
    expect([code, body.code, headers['retry-after']]).toEqual([503, 'too_many_uploads', '10']);
    expect((await world.status(id)).state).toBe('queued');
    for (const { sender } of senders) sender.finish();
    for (const one of senders) await world.isWhole(one.id, one.sender);
    await world.isWhole(id, world.send(id, { bytes: 10 }));
  });

  it('too large, known beforehand or not, as a body or in a form', async () => {
    for (const options of [
      // More than the buffers of two sockets take beside what may be uploaded.
      { bytes: 100 * MB, headers: { 'content-length': String(100 * MB) } },
      { bytes: 100 * MB },
      {
        bytes: 100 * MB,
        headers: { 'content-type': 'multipart/form-data; boundary=XX' },
        head: '--XX\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n',
      },
    ]) {
      const id = await world.newJob();
      const sender = world.send(id, options);
      await world.failedWith(id, sender, 413, 'upload_too_large');
      expect(sender.sent).toBeLessThan(options.bytes);
    }
  });

  it('with another checksum than announced', async () => {
    const id = await world.newJob({ sha256: '0'.repeat(64) });
    await world.failedWith(id, world.send(id, { bytes: 100 }), 422, 'checksum_mismatch');
  });

  it('what is no form, though it says so', async () => {
    const part = (name: string): string =>
      `--XX\r\nContent-Disposition: form-data; name="f"; filename="${name}"\r\n\r\nabc\r\n`;
    const type = 'multipart/form-data; boundary=XX';
    for (const [content, body] of [
      ['multipart/form-data', 'abc'],
      [type, 'abc'],
      [type, ''],
      [type, part('a')],
      [type, `${part('a').slice(0, -2)}`],
      [type, `${part('a')}${part('b')}--XX--\r\n`],
      [type, '--XX\r\nContent-Disposition: form-data; name="f"\r\n\r\nabc\r\n--XX--\r\n'],
      [type, `${'--XX\r\nContent-Disposition: form-data; name="f"\r\n\r\nabc\r\n'.repeat(40)}--XX--\r\n`],
      [type, `--XX\r\n${'x: y\r\n'.repeat(20_000)}\r\nabc\r\n--XX--`],
      [type, `preamble${'.'.repeat(3 * MB)}`],
      [
        type,
        `--XX\r\nContent-Disposition: form-data; name="f"\r\n\r\n${'.'.repeat(3 * MB)}\r\n${part('a')}--XX--`,
      ],
    ] as const) {
      const id = await world.newJob();
      const sender = world.send(id, { bytes: 0, headers: { 'content-type': content }, head: body });
      await world.failedWith(id, sender, 400, 'invalid_multipart');
    }
  });

  it('a form whose end never comes, or has no end', async () => {
    const id = await world.newJob();
    const sender = world.send(id, {
      headers: { 'content-type': 'multipart/form-data; boundary=XX' },
      head: '--XX\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\nabc\r\n--XX\r\nContent-Disposition: form-data; name="g"\r\n\r\n',
    });
    await world.failedWith(id, sender, 400, 'invalid_multipart');
  });

  it('an id that is none, a job that is no upload, a method that is none', async () => {
    const post = async (query: string): Promise<[number, string | undefined]> => {
      const { status: code, body } = await new Sender(`${world.base}/api/v1/upload/${query}`, {
        bytes: 30 * MB,
      }).answer;
      return [code, body.code];
    };
    expect(await post('')).toEqual([400, 'invalid_request']);
    expect(await post('?job_id=../../etc')).toEqual([400, 'invalid_request']);
    expect(await post('?job_id=nosuchjob12345')).toEqual([404, 'not_found']);
    const made = await world.gateway.app.inject({
      method: 'POST',
      url: '/api/v1/jobs',
      payload: { source: 'web-images', params: { urls: ['https://example.org/'] } },
    });
    expect(await post(`?job_id=${made.json<Job>().id}`)).toEqual([409, 'not_an_upload']);
    expect((await world.gateway.app.inject('/api/v1/upload/?job_id=nosuchjob12345')).statusCode).toBe(405);
  });
});

it('an upload lasts longer than other requests may, and headers do not', () => {
  expect(world.gateway.app.server.requestTimeout).toBe(0);
  expect(world.gateway.app.server.headersTimeout).toBe(60_000);
});
