// Lines and messages both ways, in every manner of taking them.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { CLASSIC, HUNG, pair, started, take, until } from './common.mjs';

for (const [name, options] of Object.entries({ secure: {}, classic: CLASSIC })) {
  test(`lines go both ways (${name})`, async (t) => {
    const { atA, atB } = await pair(t, options);
    await atA.send('hello');
    assert.deepEqual(await once(atB, 'line'), ['hello']);
    await atB.send('grüße 🦀');
    assert.deepEqual(await once(atA, 'line'), ['grüße 🦀']);
    assert.equal(atA.inbound, false);
    assert.equal(atB.inbound, true);
    assert.match(atA.info().via, /^(direct|lan)$/);
    assert.match(atB.info().via, /^(accept|lan)$/);
  });
}

test('messages are bytes, come whole, may be empty, and keep their place among lines', async (t) => {
  const { atA, atB } = await pair(t);
  const binary = Buffer.from(Array.from({ length: 1000 }, (_, i) => (i * 7) % 256));
  atA.send('one');
  atA.send(binary);
  atA.send(new Uint16Array([0x0102, 0x0304]));
  atA.send(new DataView(new ArrayBuffer(3)));
  atA.send(new ArrayBuffer(0));
  await atA.send('two');
  const got = await take(atB, 6);
  assert.deepEqual(got.map((x) => (typeof x === 'string' ? x : [...x])), [
    'one',
    [...binary],
    [...Buffer.from(new Uint16Array([0x0102, 0x0304]).buffer)],
    [0, 0, 0],
    [],
    'two',
  ]);
  assert.ok(Buffer.isBuffer(got[1]));
});

for (const [name, options] of Object.entries({ secure: {}, classic: CLASSIC })) {
  test(`many lines in one call, in order with what is sent around them (${name})`, async (t) => {
    const { atA, atB } = await pair(t, options);
    const count = 30_000; // more than fit into the library's buffer
    function* some(from, to) {
      for (let i = from; i < to; i += 1) yield i % 3 === 0 ? Buffer.from(`${i} 🦀`) : `${i} ${'é'.repeat(i % 40)}`;
    }
    const expected = [...some(1, count + 1)].map(String);
    const all = take(atB, count + 3);
    atA.send('first');
    atA.sendLines(some(1, 20_000));
    atA.sendLine('between');
    atA.sendLines([...some(20_000, 20_001), new Uint8Array(Buffer.from(expected[20_000])).buffer]);
    atA.sendLines([]);
    atA.sendLines(new Set(some(20_002, count + 1)));
    await atA.send('last');
    assert.deepEqual(await all, ['first', ...expected.slice(0, 19_999), 'between', ...expected.slice(19_999), 'last']);
  });
}

test('many lines of every size', async (t) => {
  const { atA, atB } = await pair(t, { encoding: 'buffer' });
  const long = (i) => 'ü'.repeat(i % 7 === 0 ? 70_000 : i % 5 === 0 ? 1365 : i);
  const lines = Array.from({ length: 300 }, (_, i) => (i % 2 ? long(i) : Buffer.from(long(i) || 'none')));
  lines.push('\ud800', Buffer.from([0xff, 0x00, 0xfe]), 'x'.repeat(1 << 20));
  const all = take(atB, lines.length);
  await atA.sendLines(lines);
  assert.deepEqual(await all, lines.map((line) => Buffer.from(line)));
});

test('who sends many lines lets the event loop turn', async (t) => {
  const { atA, atB } = await pair(t, { sendBuffer: 1 << 22 }); // room enough for all of them
  atB.discard();
  let turned = 0;
  setImmediate(() => (turned += 1));
  const sent = atA.sendLines(Array.from({ length: 5000 }, () => 'x'));
  assert.equal(atA.trySend('there is room, but it is not its turn'), false);
  await Promise.all([sent, once(atA, 'drain')]);
  assert.equal(turned, 1, 'not in one call');
  assert.equal(atA.trySend('now it is'), true);
  setImmediate(() => (turned += 1));
  for (let i = 0; i < 500; i += 1) await atA.sendLines(['x', 'y', 'z', 'a', 'b', 'c']);
  assert.equal(turned, 2, 'not in a loop of calls');
});

test('a string can be sent as a message, and bytes as a line', async (t) => {
  const { atA, atB } = await pair(t);
  await atA.sendMessage('text');
  await atA.sendLine(Buffer.from('line'));
  assert.deepEqual(await take(atB, 2), [Buffer.from('text'), 'line']);
});

test('with encoding "buffer" lines are Buffers, byte for byte', async (t) => {
  const { atA, atB } = await pair(t, { encoding: 'buffer' });
  await atA.sendLine(Buffer.from([0xff, 0x00, 0xfe]));
  assert.deepEqual(await once(atB, 'line'), [Buffer.from([0xff, 0x00, 0xfe])]);
});

test('raw framing: bytes as they come', async (t) => {
  const { atA, atB } = await pair(t, { ...CLASSIC, framing: 'raw' });
  atA.send('ab\r\nc');
  await atA.send(Buffer.from([1, 2]));
  const got = [];
  for await (const chunk of atB) {
    got.push(chunk);
    if (Buffer.concat(got).length === 7) break;
  }
  assert.deepEqual(Buffer.concat(got), Buffer.from('ab\r\nc\x01\x02'));
});

test('a line of a megabyte', async (t) => {
  const { atA, atB } = await pair(t);
  const long = 'é'.repeat(500_000);
  await atA.send(long);
  assert.equal((await once(atB, 'line'))[0], long);
});

test('nothing is missed between connect() and the first listener', async (t) => {
  const a = await started(t);
  const b = await started(t, { closeTimeoutMs: HUNG });
  b.on('connection', (conn) => {
    for (let i = 0; i < 100; i += 1) conn.send(`line ${i}`);
    conn.close();
  });
  const conn = await a.connect(b.at);
  await conn.closed; // all of it has come, and nobody has listened
  for (let i = 0; i < 50; i += 1) assert.deepEqual(await once(conn, 'line'), [`line ${i}`]);
  assert.equal((await take(conn.lines(), 49))[48], 'line 98'); // the rest of what an iterator has is not lost
  const lines = [];
  conn.on('line', (line) => lines.push(line));
  const [end] = await once(conn, 'close');
  assert.deepEqual(lines, ['line 99']);
  assert.equal(end.code, 'P2P_ERR_CLOSED');
  assert.equal(end.error, null);
});

test('listeners on the net, iterators over it, and two consumers of one connection', async (t) => {
  const a = await started(t);
  const b = await started(t);
  const heard = [];
  b.on('line', (line, conn) => heard.push([line, conn.peer]));
  const connections = b[Symbol.asyncIterator]();
  const conn = await a.connect(b.at);
  const { value: atB } = await connections.next();
  const [all, lines] = [atB[Symbol.asyncIterator](), atB.lines()];
  conn.send(Buffer.of(1));
  conn.send('x');
  assert.deepEqual(await take(all, 2), [Buffer.of(1), 'x']);
  assert.deepEqual(await take(lines, 1), ['x']);
  assert.deepEqual(heard, [['x', atB.peer]]);
  assert.deepEqual(b.connections, [atB]);
});

test('iterators end with the connection', async (t) => {
  const { atA, atB } = await pair(t, { closeTimeoutMs: HUNG });
  atA.send('last');
  atA.close();
  const got = [];
  for await (const line of atB) got.push(line);
  assert.deepEqual(got, ['last']);
  for await (const line of atB) assert.fail(`${line} after the end`);
});

test('broadcast reaches all but one', async (t) => {
  const hub = await started(t);
  const others = [await started(t), await started(t), await started(t)];
  const conns = [];
  for (const other of others) conns.push(await hub.connect(other.at));
  await until(() => others.every((o) => o.connections.length === 1));
  assert.deepEqual(hub.broadcast('to two', { except: conns[0] }), { sent: 2, complete: true });
  assert.deepEqual(hub.broadcast(Buffer.from('to all')), { sent: 3, complete: true });
  assert.deepEqual(await take(others[0].connections[0], 1), ['to all']);
  assert.deepEqual(await take(others[1].connections[0], 2), ['to two', 'to all']);
  assert.deepEqual(await take(others[2].connections[0], 2), ['to two', 'to all']);
});

test('a hundred thousand lines arrive in order', async (t) => {
  const { atA, atB } = await pair(t);
  const count = 100_000;
  const sending = (async () => {
    for (let i = 0; i < count; i += 1) await atA.send(`line ${i}`);
  })();
  let next = 0;
  for await (const line of atB) {
    assert.equal(line, `line ${next}`);
    next += 1;
    if (next === count) break;
  }
  await sending;
});
