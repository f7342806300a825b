// BullMQ: a job for each record; pg writes it before the job is complete.
import { Worker } from 'bullmq';
import pg from 'pg';
import { connection, PUT } from './records.mjs';

const CONCURRENCY = 50;
// It finds the database as libpq does, by PGHOST and the like.
const pool = new pg.Pool({ max: 8 });
const worker = new Worker(
  'bench',
  async (job) => {
    const { key, version, document } = job.data;
    await pool.query({ name: 'put', text: PUT, values: [key, version, JSON.stringify(document)] });
  },
  { connection, concurrency: CONCURRENCY },
);
process.on('SIGTERM', async () => {
  await worker.close();
  await pool.end();
  process.exit(0);
});
