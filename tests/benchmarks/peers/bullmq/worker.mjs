// BullMQ: a job for each record; pg writes it before the job is complete.
import { Worker } from 'bullmq';
import pg from 'pg';
import { connection, PUT } from './records.mjs';

const CONCURRENCY = 50;
const address = new URL(process.env.BENCH_DSN);
const pool = new pg.Pool({
  host: address.searchParams.get('host'),
  port: Number(address.searchParams.get('port')),
  user: address.username,
  database: address.pathname.slice(1),
  max: 8,
});
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
