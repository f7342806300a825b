// What the peer sends and writes; see records.py.
import fs from 'node:fs';

export const CHUNK = 500;
export const connection = {
  path: process.env.BENCH_URL.replace('redis+socket://', '').split('?')[0],
  maxRetriesPerRequest: null,
};
export const PUT =
  `INSERT INTO bench_records AS t (key, version, document) VALUES ($1, $2, $3)
   ON CONFLICT (key) DO UPDATE SET version = excluded.version, document = excluded.document ` +
  (process.env.BENCH_GUARDED === '1' ? 'WHERE t.version < excluded.version' : '');

const file = `${process.env.BENCH_FOLDER}/documents.jsonl`;
const documents = fs.readFileSync(file, 'utf8').trim().split('\n').map((line) => JSON.parse(line));

export function operation(number) {
  const document = { ...documents[number % documents.length], n: number };
  return { key: String(number).padStart(8, '0'), version: number + 1, document };
}
