// Backpressure, both ways: nothing is lost, memory is bounded, and one slow connection does not hold up another.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { CLASSIC, HUNG, pair, started, take, until } from './common.mjs';

const LINE = 'x'.repeat(10_000);
const SMALL = { sendBuffer: 65536, highWaterMark: 65536, recvBuffer: 65536, resendWindow: 1 << 19 };

for (const [name, dialect] of Object.entries({ secure: {}, classic: CLASSIC })) {
  test(`trySend() says when there is no room, and 'drain' when there is (${name})`, async (t) => {
    const { atA, atB } = await pair(t, { ...dialect, ...SMALL });
    let sent = 0;
    while (atA.trySend(LINE)) sent += 1; // nobody reads at the other end
    const drained = once(atA, 'drain');
    let received = 0;
    atB.on('line', (line) => {
      assert.equal(line.length, LINE.length);
      received += 1;
    });
    await drained;
    assert.equal(atA.trySend('more'.padEnd(LINE.length)), true);
    await until(() => received === sent + 1);
  });

  test(`who nobody reads is held back, others are not (${name})`, async (t) => {
    const count = name === 'classic' ? 3000 : 1000; // more than kernels and libraries hold
    const { b, atA, atB } = await pair(t, { ...dialect, ...SMALL });
    const warnings = [];
    const warned = (warning) => warnings.push(warning.message);
    process.on('warning', warned);
    t.after(() => process.off('warning', warned));
    let taken = 0;
    const flood = (async () => {
      for (let i = 0; i < count; i += 1) {
        await atA.send(`${i} ${LINE}`);
        taken += 1;
      }
    })();
    await until(() => warnings.length > 0);
    assert.match(warnings[0], /nobody reads them/);
    // It stops: what was taken does not grow any more, though the loop turns.
    for (let same = 0, before = -1; same < 200; before = taken) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      same = taken === before ? same + 1 : 0;
    }
    assert.ok(taken < count, 'the sender was never held back');
    const c = await started(t, dialect);
    const other = await c.connect(b.at); // the same net goes on with others
    await other.send('still there?');
    await until(() => b.connections.length === 2);
    const atB2 = b.connections.find((conn) => conn !== atB);
    assert.deepEqual(await take(atB2, 1), ['still there?']);
    const all = await take(atB, count);
    await flood;
    all.forEach((line, i) => assert.equal(line, `${i} ${LINE}`));
  });
}

test('a loop that waits for another connection of the same net goes on', async (t) => {
  // One line in, one question elsewhere, its answer back: with one queue for the net this would stand still.
  const { a, atA, atB, b } = await pair(t, SMALL);
  const c = await started(t, SMALL);
  c.on('line', (line, conn) => conn.send(`re ${line.slice(0, 9)}`));
  const asked = await b.connect(c.at);
  const count = 300;
  (async () => {
    for (let i = 0; i < count; i += 1) await atA.send(`${i} ${LINE}`);
  })();
  let done = 0;
  for await (const line of atB.lines()) {
    asked.send(line);
    await once(asked, 'line');
    done += 1;
    if (done === count) break;
  }
  assert.equal(a.isOpen, true);
});

test('send() without await is bounded', async (t) => {
  const { atA } = await pair(t, SMALL);
  const results = [];
  const piece = 'y'.repeat(1_000_000);
  for (let i = 0; i < 60; i += 1) results.push(atA.send(piece).catch((error) => error.code));
  const refused = await Promise.race(results.slice(-10));
  assert.equal(refused, 'P2P_ERR_WOULD_BLOCK');
});

for (const [name, dialect] of Object.entries({ secure: {}, classic: CLASSIC })) {
  test(`many lines wait for room in turn, and say how far they came (${name})`, async (t) => {
    const { atA, atB } = await pair(t, { ...dialect, ...SMALL });
    const count = 1500; // more than kernels and libraries hold
    const lines = Array.from({ length: count }, (_, i) => (i % 2 ? Buffer.from(`${i} ${LINE}`) : `${i} ${LINE}`));
    const expected = lines.map(String);
    const sent = atA.sendLines(lines);
    lines.forEach((line) => Buffer.isBuffer(line) && line.fill('?')); // the memory may be used again
    lines.fill('');
    const wrong = atA.sendLines(['wrong', 'a\r\nb', 'never']);
    wrong.catch(() => {}); // it is looked at below
    const beside = atA.send('beside');
    assert.equal(atA.trySend('out of turn'), false);
    const drained = once(atA, 'drain');
    assert.deepEqual(await take(atB, count + 2), [...expected, 'wrong', 'beside']);
    await drained;
    await sent;
    await beside;
    await assert.rejects(wrong, (error) => error.code === 'P2P_ERR_INVALID' && error.index === 1);
    assert.equal(atA.trySend('in turn'), true);
    assert.deepEqual(await take(atB, 1), ['in turn']);
  });
}

test('those that wait when the connection ends say how many were sent; nobody has to look', async (t) => {
  const { atA, atB } = await pair(t, SMALL);
  const count = 1500; // more than kernels and libraries hold
  const cut = atA.sendLines(Array.from({ length: count }, () => LINE));
  atA.sendLines(['nobody looks at this promise']);
  atA.send('nor at this');
  await take(atB, 100);
  atB.net.close();
  await assert.rejects(cut, ({ code, index }) => code === 'P2P_ERR_CLOSED' && index >= 100 && index < count);
  await assert.rejects(atA.sendLines(['x']), ({ code, index }) => code === 'P2P_ERR_CLOSED' && index === 0);
});

test('sendLines() without await is bounded', async (t) => {
  const { atA } = await pair(t, SMALL);
  const piece = Array.from({ length: 1000 }, () => 'y'.repeat(1000));
  const results = [];
  for (let i = 0; i < 30; i += 1) results.push(atA.sendLines(piece).catch((error) => `${error.code} ${error.index}`));
  assert.equal(await Promise.race(results.slice(-10)), 'P2P_ERR_WOULD_BLOCK 0');
});

test('what waits to be sent goes out before close()', async (t) => {
  const { atA, atB } = await pair(t, { sendBuffer: 65536, closeTimeoutMs: HUNG });
  for (let i = 0; i < 100; i += 1) atA.send(`${i} ${LINE}`);
  const closing = atA.close();
  let next = 0;
  for await (const line of atB) {
    assert.equal(line, `${next} ${LINE}`);
    next += 1;
  }
  assert.equal(next, 100);
  assert.equal((await closing).code, 'P2P_OK');
});

test('memory that was given to send() may be used again at once', async (t) => {
  const { atA, atB } = await pair(t, { sendBuffer: 65536 });
  const data = Buffer.alloc(50_000);
  for (let i = 0; i < 50; i += 1) {
    data.fill(i);
    atA.send(data);
  }
  data.fill(255);
  const got = await take(atB.messages(), 50);
  got.forEach((message, i) => assert.deepEqual(message, Buffer.alloc(50_000, i)));
});

test('discard() throws away what comes', async (t) => {
  const { atA, atB } = await pair(t, SMALL);
  atB.discard();
  for (let i = 0; i < 500; i += 1) await atA.send(LINE);
  await atB.send('and you?');
  assert.deepEqual(await once(atA, 'line'), ['and you?']);
});
