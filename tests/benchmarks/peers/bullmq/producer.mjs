// The producer; it takes the same orders as producer.py.
import readline from 'node:readline';
import { Queue } from 'bullmq';
import { CHUNK, connection, operation } from './records.mjs';

const queue = new Queue('bench', {
  connection,
  defaultJobOptions: { removeOnComplete: true, removeOnFail: true },
});
const say = (value) => process.stdout.write(JSON.stringify(value) + '\n');
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
let stopped = false;

async function send(start, stop) {
  for (let first = start; first < stop; first += CHUNK) {
    const jobs = [];
    for (let number = first; number < Math.min(first + CHUNK, stop); number += 1) {
      jobs.push({ name: 'record', data: operation(number) });
    }
    await queue.addBulk(jobs);
  }
  return stop;
}

async function stream(start, ahead) {
  let next = start;
  while (!stopped) {
    if ((await queue.getWaitingCount()) >= ahead) await pause(10);
    else next = await send(next, next + CHUNK);
  }
  return next;
}

await queue.waitUntilReady();
say('ready');
readline.createInterface({ input: process.stdin })
  .on('line', async (line) => {
    const order = JSON.parse(line);
    if (order.do === 'send') say(await send(order.start, order.stop));
    else if (order.do === 'stream') say(await stream(order.start, order.ahead));
    else stopped = true;
  })
  .on('close', () => process.exit(0));
