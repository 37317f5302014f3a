// Worker threads: each has nets of its own, at the same time, and may be ended at any moment.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { SECURE, address, settledMemory, started, until } from './common.mjs';

const file = new URL('./worker.mjs', import.meta.url);

function worker(t, mode, more = {}) {
  const it = new Worker(file, { workerData: { mode, options: { ...SECURE, passiveBind: address() }, ...more } });
  it.on('error', (error) => assert.fail(error));
  return it;
}

test('a net in a worker talks with one here', async (t) => {
  const net = await started(t);
  const it = worker(t, 'echo');
  const [at] = await once(it, 'message');
  const conn = await net.connect(at);
  for (let i = 0; i < 100; i += 1) {
    conn.send(`line ${i}`);
    assert.deepEqual(await once(conn, 'line'), [`line ${i}`]);
  }
  it.postMessage('close');
  const [code] = await once(it, 'exit'); // by itself: nothing is open there
  assert.equal(code, 0);
  await conn.closed;
});

test('four workers at once, among themselves', async (t) => {
  const workers = [1, 2, 3, 4].map(() => worker(t, 'echo'));
  const at = await Promise.all(workers.map(async (it) => (await once(it, 'message'))[0]));
  workers.forEach((it, i) => it.postMessage({ connect: at[(i + 1) % 4], lines: 200 }));
  await Promise.all(
    workers.map(async (it) => {
      assert.deepEqual(await once(it, 'message'), ['answered 200']);
    }),
  );
  for (const it of workers) it.postMessage('close');
  for (const code of await Promise.all(workers.map(async (it) => (await once(it, 'exit'))[0]))) assert.equal(code, 0);
});

test('terminate() while busy', async (t) => {
  for (let round = 0; round < 10; round += 1) {
    const net = await started(t);
    net.on('line', (line, conn) => conn.send(line));
    const it = worker(t, 'flood', { to: net.at });
    await once(net, 'line');
    for (let turns = 0; turns < round; turns += 1) await new Promise((resolve) => setImmediate(resolve));
    await it.terminate();
    for (const conn of net.connections) await conn.closed;
    await net.close();
  }
});

test('process.exit() in a worker, inside an event', async (t) => {
  const net = await started(t);
  const it = worker(t, 'exit');
  const [at] = await once(it, 'message');
  const conn = await net.connect(at);
  conn.send('now');
  const [code] = await once(it, 'exit');
  assert.equal(code, 7);
  await conn.closed;
});

test('workers that come and go, with nets in every state, leave nothing behind', async (t) => {
  if (process.platform !== 'linux') return t.skip('needs /proc');
  const round = async (count) => {
    for (let i = 0; i < count; i += 4) {
      await Promise.all(
        [0, 1, 2, 3].map(async () => {
          const it = worker(t, 'every state');
          await once(it, 'message');
          await it.terminate();
        }),
      );
    }
  };
  await round(20);
  const files = readdirSync('/proc/self/fd').length;
  const tasks = readdirSync('/proc/self/task').length;
  const memory = await settledMemory();
  await round(100);
  // A thread that has ended is still listed for a moment.
  await until(() => readdirSync('/proc/self/fd').length <= files);
  await until(() => readdirSync('/proc/self/task').length <= tasks);
  if (process.env.P2P_SANITIZED) return; // a sanitizer keeps freed memory back
  // Each of them had four nets of more than 100 KiB.
  const grown = (await settledMemory()) - memory;
  t.diagnostic(`${Math.round(grown / 100 / 1024)} KiB a worker`);
  assert.ok(grown < 100 * 300 * 1024, `${grown} bytes more`);
});

test('the addon used by workers alone, and unloaded with the last of them', async () => {
  // The main thread of this program never imports p2pnet.
  const program = `
    import { once } from 'node:events';
    import { Worker } from 'node:worker_threads';
    for (let i = 0; i < 10; i += 1) {
      const options = { dialect: 'secure', nodeType: 'passive', netType: 'direct', passiveBind: '127.0.0.1' };
      const it = new Worker(new URL(${JSON.stringify(file.href)}), { execArgv: [], workerData: { mode: 'every state', options } });
      await once(it, 'message');
      await it.terminate();
    }
    console.log('ok');`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program]);
  assert.equal(stdout, 'ok\n');
});
