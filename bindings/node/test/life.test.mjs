// Nets begin and end: by close(), by cancelling, by the peer's death, by being forgotten; and what they take with them.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Net, P2PError, start } from 'p2pnet';
import { CLASSIC, SECURE, address, collect, pair, settledMemory, started, until } from './common.mjs';

const openFiles = () => readdirSync('/proc/self/fd').length;
const threads = () => readdirSync('/proc/self/task').length;
const linux = process.platform === 'linux';

test('ready, info, close', async (t) => {
  const net = new Net({ ...SECURE, passiveBind: address() });
  const ready = once(net, 'ready');
  const closed = once(net, 'close');
  assert.equal(net.isOpen, false);
  assert.equal(await net.start(), net);
  await ready;
  assert.equal(net.isOpen, true);
  const info = net.info();
  assert.equal(info.nodeType, 'passive');
  assert.equal(info.passivePort, net.port);
  assert.ok(net.port > 0);
  assert.equal(info.clockOffsetUs, null);
  assert.equal(net.stats().opened, 0);
  assert.equal(typeof net.report(), 'object');
  await net.close();
  await closed;
  t.diagnostic(`${net.constructor.name} closed`);
});

test('start() in one call', async (t) => {
  const net = await start({ ...SECURE, passiveBind: address() });
  t.after(() => net.close());
  assert.ok(net.isOpen);
});

test('close() before start() is ready, and without start()', async () => {
  const net = new Net({ ...SECURE, passiveBind: address() });
  net.start(); // nobody looks at the promise
  await net.close();
  const never = new Net(SECURE);
  await never.close();
  await never.close();
});

test('connect() can be given up', async (t) => {
  const net = await started(t, { connectTimeoutMs: 600_000, handshakeTimeoutMs: 600_000 });
  // Somebody who accepts, and then says nothing: in the secure dialect that is no connection yet.
  const silent = createServer(() => {}).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  t.after(() => silent.close());
  const to = `127.0.0.1:${silent.address().port}`;
  const controller = new AbortController();
  const [accepted] = [once(silent, 'connection')];
  const connecting = net.connect(to, { signal: controller.signal });
  const [socket] = await accepted;
  t.after(() => socket.destroy());
  controller.abort(new Error('enough'));
  await assert.rejects(connecting, (error) => {
    assert.ok(error instanceof P2PError);
    assert.equal(error.name, 'AbortError');
    assert.equal(error.code, 'ABORT_ERR');
    assert.equal(error.cause.message, 'enough');
    return true;
  });
  await assert.rejects(net.connect(to, { signal: AbortSignal.abort() }), { name: 'AbortError' });
  await assert.rejects(net.connect(to, { signal: AbortSignal.timeout(20) }), { name: 'AbortError' });
  const late = new AbortController();
  const peer = await started(t);
  const conn = await net.connect(peer.at, { signal: late.signal });
  late.abort(); // too late: it is there
  assert.ok(conn.isOpen);
});

test('close() while a connect() is under way', async (t) => {
  const net = await started(t, { connectTimeoutMs: 600_000, handshakeTimeoutMs: 600_000 });
  const silent = createServer((socket) => t.after(() => socket.destroy())).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  t.after(() => silent.close());
  const connecting = net.connect(`127.0.0.1:${silent.address().port}`);
  await once(silent, 'connection');
  const [outcome] = await Promise.all([connecting.catch((error) => error), net.close()]);
  assert.equal(outcome.code, 'P2P_ERR_CANCELED');
});

test('the death of a peer is seen', async (t) => {
  const program = fileURLToPath(new URL('./peer.mjs', import.meta.url));
  for (const options of [CLASSIC, { ...SECURE, resumeGraceMs: 0 }]) {
    const child = spawn(process.execPath, [program, JSON.stringify(options), address()], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    t.after(() => child.kill('SIGKILL'));
    const [at] = await once(createInterface({ input: child.stdout }), 'line');
    const net = await started(t, options);
    const conn = await net.connect(at);
    assert.deepEqual(await once(conn, 'line'), ['here I am']);
    const iterating = conn.lines().next();
    child.kill('SIGKILL');
    const end = await conn.closed;
    assert.notEqual(end.code, 'P2P_OK');
    if (end.error) await assert.rejects(iterating, P2PError);
    else assert.equal((await iterating).done, true);
    await assert.rejects(conn.send('x'), { code: 'P2P_ERR_CLOSED' });
  }
});

test('close() while busy: lines in both directions, connects under way', async (t) => {
  for (let round = 0; round < 10; round += 1) {
    const { a, b, atA, atB } = await pair(t);
    let heard = 0;
    a.on('line', () => (heard += 1));
    b.on('line', () => (heard += 1));
    const flood = async (conn) => {
      for (;;) await conn.send('x'.repeat(1000));
    };
    const floods = [flood(atA), flood(atB)].map((promise) => promise.catch((error) => error.code));
    const connects = [1, 2, 3].map(() => a.connect('127.0.0.1:1').catch((error) => error.code));
    await until(() => heard > 100 * round);
    await Promise.all([a.close(), b.close()]);
    for (const code of await Promise.all(floods)) assert.equal(code, 'P2P_ERR_CLOSED');
    for (const code of await Promise.all(connects)) assert.match(code, /^P2P_ERR_(CANCELED|REFUSED)$/);
  }
});

test('close() from inside a listener', async (t) => {
  const { a, b, atA } = await pair(t);
  let after = 0;
  b.on('line', () => {
    after += 1;
    b.close();
  });
  atA.send('one');
  atA.send('two');
  await once(b, 'close');
  assert.ok(after >= 1);
  assert.ok(a.isOpen);
});

test('a thousand nets made and closed leave nothing behind', { skip: !linux && 'needs /proc' }, async (t) => {
  const round = async (count) => {
    for (let i = 0; i < count; i += 10) {
      await Promise.all(
        Array.from({ length: 10 }, async () => {
          const net = new Net({ ...SECURE, passiveBind: '127.0.0.1' });
          await net.start();
          await net.close();
        }),
      );
    }
  };
  await round(200); // whatever is kept for the next one is there now
  const [files, tasks] = [openFiles(), threads()];
  // A leak shows in every round, what the allocators do in some.
  const grown = [];
  for (let i = 0; i < 3; i += 1) {
    const memory = await settledMemory();
    await round(500);
    grown.push((await settledMemory()) - memory);
  }
  t.diagnostic(`${grown.map((bytes) => (bytes / 500 / 1024).toFixed(2)).join(', ')} KiB a net`);
  // A thread that has ended is still listed for a moment.
  await until(() => openFiles() <= files);
  await until(() => threads() <= tasks);
  // A net that leaks costs more than 100 KiB: one of fifty would show.
  assert.ok(Math.min(...grown) < 500 * 2048, `${grown.join(', ')} bytes more`);
});

test('a thousand nets made and forgotten are collected', { skip: !linux && 'needs /proc' }, async () => {
  let freed = 0;
  const registry = new FinalizationRegistry(() => (freed += 1));
  for (let i = 0; i < 1000; i += 1) registry.register(new Net(SECURE), i);
  const before = openFiles();
  await until(() => {
    collect();
    return freed === 1000;
  });
  await until(() => openFiles() <= before);
});

test('closed nets and connections are collected, in any order', async () => {
  let freed = 0;
  const registry = new FinalizationRegistry(() => (freed += 1));
  const connections = [];
  await (async () => {
    for (let i = 0; i < 20; i += 1) {
      const a = await start({ ...SECURE, passiveBind: address() });
      const b = await start({ ...SECURE, passiveBind: address() });
      const conn = await a.connect(`${b.info().lanIp}:${b.port}`);
      for (const each of [a, b]) registry.register(each, '');
      if (i % 2) connections.push(conn); // outlives its net's end
      await Promise.all([a.close(), b.close()]);
    }
  })();
  await until(() => {
    collect();
    return freed >= 20; // of 40
  });
  for (const conn of connections) await assert.rejects(conn.send('x'), { code: 'P2P_ERR_CLOSED' });
});

test('a net at work is not collected, though nobody holds it', async (t) => {
  const a = await started(t);
  let answers = 0;
  let at;
  await (async () => {
    const bind = address();
    const hidden = new Net({ ...SECURE, passiveBind: bind });
    hidden.on('line', (line, conn) => conn.send(line === 'end' ? 'bye' : 'here'));
    hidden.on('line', (line) => line === 'end' && hidden.close());
    await hidden.start();
    at = `${bind}:${hidden.port}`;
  })();
  const conn = await a.connect(at);
  for (let i = 0; i < 10; i += 1) {
    collect();
    conn.send('there?');
    await once(conn, 'line');
    answers += 1;
  }
  assert.equal(answers, 10);
  conn.send('end');
  await conn.closed;
});

test('a thousand connections opened and closed leave nothing behind', { skip: !linux && 'needs /proc' }, async (t) => {
  const { a, b } = await pair(t, { ...CLASSIC, duplicateIp: true, maxInbound: 100, maxOutbound: 100 });
  b.on('line', (line, conn) => conn.send(line));
  const round = async (count) => {
    for (let i = 0; i < count; i += 1) {
      const conn = await a.connect(b.at);
      await conn.send('ping');
      await once(conn, 'line');
      await conn.close();
    }
  };
  await round(1000);
  await until(() => b.connections.length === 1);
  const files = openFiles();
  // A leak shows in every round, what the allocators do in some.
  const grown = [];
  for (let i = 0; i < 4; i += 1) {
    const memory = await settledMemory();
    await round(1000);
    await until(() => b.connections.length === 1);
    grown.push((await settledMemory()) - memory);
  }
  t.diagnostic(`${grown.map((bytes) => Math.round(bytes / 1000)).join(', ')} bytes a connection`);
  await until(() => openFiles() <= files);
  assert.ok(Math.min(...grown) < 1000 * 2048, `${grown.join(', ')} bytes more`);
});
