import fp from 'fastify-plugin';
import { Uploads } from '../uploads/uploads.ts';

declare module 'fastify' {
  interface FastifyInstance {
    /** What uploads this gateway receives. */
    uploads: Uploads;
  }
}

/** Uploads under way; they are ended before the connections are, so that each job says what became of it. */
export default fp(
  async (app) => {
    const { config, store, log } = app;
    const uploads = new Uploads({
      store,
      announce: (job) => {
        log.info({ jobId: job._id, correlationId: job.correlationId, state: job.state }, 'job changed');
        app.announce(job);
      },
      onError: (err, jobId) =>
        log.error(
          { err, jobId },
          jobId === undefined
            ? 'expired uploads stay; tried again'
            : 'an upload is not looked after; tried again',
        ),
      data: config.MAGPIE_DATA,
      reserve: config.MAGPIE_DISK_RESERVE,
      atOnce: config.MAGPIE_UPLOADS,
      keepMs: config.MAGPIE_TRANSFER_KEEP,
      silenceMs: config.MAGPIE_UPLOAD_SILENCE,
    });
    app.decorate('uploads', uploads);
    const gauge = app.metrics.gauge('magpie_uploads', 'Uploads whose senders are connected, paused ones too');
    gauge.set({}, 0);
    uploads.onSize = (size) => gauge.set({}, size);
    app.addHook('preClose', () => uploads.close());
  },
  { name: 'uploads', dependencies: ['job-intake'], fastify: '5.x' },
);
