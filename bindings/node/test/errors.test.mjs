// Failures: each is a P2PError with the library's own sentence, none a crash.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { Net, P2PError, checkUnl, constants, readUnl } from 'p2pnet';
import { CLASSIC, SECURE, address, pair, started, take } from './common.mjs';

/** What fails with a P2PError of this code and a message like that. */
function is(code, message = /./) {
  return (error) => {
    assert.ok(error instanceof P2PError && error instanceof Error, `${error?.stack}`);
    assert.equal(error.code, code, error.message);
    assert.ok(error.code === 'ABORT_ERR' || error.errno === constants[code]);
    assert.match(error.message, message);
    return true;
  };
}

test('options that are wrong', () => {
  const wrong = (options, code, message) => assert.throws(() => new Net(options), is(code, message));
  wrong({ passivePort: 99999 }, 'P2P_ERR_RANGE', /99999/);
  wrong({ passivePort: 1.5 }, 'P2P_ERR_INVALID', /passivePort/);
  wrong({ passivePort: 'eighty' }, 'P2P_ERR_INVALID', /passivePort/);
  wrong({ passivePort: true }, 'P2P_ERR_INVALID', /passivePort/);
  wrong({ passivePort: 1n << 70n }, 'P2P_ERR_INVALID', /passivePort/);
  wrong({ seed: -1n }, 'P2P_ERR_RANGE', /seed/);
  wrong({ passiveBind: 'nonsense' }, 'P2P_ERR_INVALID', /nonsense/);
  wrong({ passiveBind: '127.0.0.1\0x' }, 'P2P_ERR_INVALID', /NUL/);
  wrong({ passiveBind: 7 }, 'P2P_ERR_INVALID', /passiveBind/);
  wrong({ nodeType: 'sleepy' }, 'P2P_ERR_INVALID', /"passive"/);
  wrong({ forwarding: ['upnp', 'magic'] }, 'P2P_ERR_INVALID', /magic/);
  wrong({ pasivePort: 1 }, 'P2P_ERR_UNSUPPORTED', /pasivePort/);
  wrong({ servers: 'no port' }, 'P2P_ERR_INVALID', /host:port/);
  wrong({ servers: { bakery: 'a:1' } }, 'P2P_ERR_INVALID', /bakery/);
  wrong({ servers: 5 }, 'P2P_ERR_INVALID', /servers/);
  wrong({ allow: 'nobody' }, 'P2P_ERR_INVALID');
  wrong({ ownDht: { nodeId: 'short' } }, 'P2P_ERR_INVALID');
  wrong({ encoding: 'ebcdic' }, 'P2P_ERR_INVALID', /encoding/);
  wrong({ highWaterMark: 0 }, 'P2P_ERR_INVALID', /highWaterMark/);
  wrong(null, 'P2P_ERR_INVALID');
  wrong('options', 'P2P_ERR_INVALID');
});

test('options in every form', async () => {
  const net = new Net({
    nodeType: constants.P2P_NODE_PASSIVE,
    netType: 'direct',
    dialect: 'SECURE',
    forwarding: ['pcp', 'natpmp'],
    bootstrap: false,
    seed: 9223372036854775807n,
    duplicateIp: true,
    logLevel: 'off',
    key: undefined,
    servers: { rendezvous: ['127.0.0.1:1', '[::1]:2'], ntp: '127.0.0.1' },
    allow: [],
    ownDht: false,
  });
  assert.equal(net.info().passivePort, 0);
  await net.close();
});

test('a port that is in use is named, and start() may be called again', async (t) => {
  const bind = address();
  const other = createServer().listen(0, bind);
  await once(other, 'listening');
  const { port } = other.address();
  const net = new Net({ ...SECURE, passiveBind: bind, passivePort: port });
  t.after(() => net.close());
  for (let i = 0; i < 2; i += 1) {
    await assert.rejects(net.start(), (error) => {
      is('P2P_ERR_IO', new RegExp(`${bind}:${port}`))(error);
      assert.equal(error.osCode, 'EADDRINUSE');
      return true;
    });
  }
  other.close();
  await once(other, 'close');
  await net.start();
  assert.equal(net.port, port);
  await assert.rejects(net.start(), is('P2P_ERR_STATE'));
});

test('what needs a started net', async () => {
  const net = new Net(SECURE);
  await assert.rejects(net.connect('127.0.0.1:1'), is('P2P_ERR_STATE', /not started/));
  assert.throws(() => net.networkChanged(), is('P2P_ERR_STATE'));
  await net.close();
});

test('connecting to nobody', async (t) => {
  const net = await started(t);
  const refused = net.connect('127.0.0.1:1');
  await assert.rejects(refused, (error) => is('P2P_ERR_REFUSED', /127\.0\.0\.1:1/)(error) && error.request > 0);
  await assert.rejects(net.connect('nonsense'), is('P2P_ERR_INVALID', /host:port/));
  await assert.rejects(net.connect('127.0.0.1:1\0'), is('P2P_ERR_INVALID', /NUL/));
  await assert.rejects(net.connect(17), is('P2P_ERR_INVALID', /address/));
  await assert.rejects(net.connect(), is('P2P_ERR_INVALID'));
  await assert.rejects(net.connect('127.0.0.1:1', { signal: 'now' }), is('P2P_ERR_INVALID', /AbortSignal/));
  await assert.rejects(net.connectUnl('nonsense'), is('P2P_ERR_INVALID'));
  await assert.rejects(net.bootstrap(), is('P2P_ERR_UNSUPPORTED'));
  assert.throws(() => net.explain(12345), is('P2P_ERR_NOT_FOUND'));
});

test('without a server', async (t) => {
  const net = await started(t, CLASSIC);
  await assert.rejects(net.bootstrap(), is('P2P_ERR_NO_SERVER'));
  const asks = await started(t, { ...CLASSIC, servers: '127.0.0.1:1' });
  await assert.rejects(asks.bootstrap(), is('P2P_ERR_NO_SERVER', /127\.0\.0\.1:1/));
});

test('sending what cannot be sent', async (t) => {
  const { atA, atB } = await pair(t, { maxLine: 1000, maxMessage: 1000 });
  await assert.rejects(atA.send(''), is('P2P_ERR_INVALID', /one byte/));
  await assert.rejects(atA.send('a\r\nb'), is('P2P_ERR_INVALID', /CR LF/));
  await assert.rejects(atA.send('x'.repeat(1001)), is('P2P_ERR_TOO_LARGE', /maxLine/));
  await assert.rejects(atA.send(Buffer.alloc(1001)), is('P2P_ERR_TOO_LARGE'));
  for (const nothing of [undefined, null, 5, {}, ['x']]) {
    await assert.rejects(atA.send(nothing), is('P2P_ERR_INVALID', /string or bytes/));
    assert.throws(() => atA.trySend(nothing), is('P2P_ERR_INVALID', /string or bytes/));
  }
  assert.throws(() => atA.trySend(''), is('P2P_ERR_INVALID'));
  assert.throws(() => atA.net.broadcast('a\r\nb'), is('P2P_ERR_INVALID'));
  assert.throws(() => atA.net.broadcast(null), is('P2P_ERR_INVALID'));
  assert.throws(() => atA.net.broadcast('x', { except: 3 }), is('P2P_ERR_INVALID'));
  await atA.send('still fine');
  assert.deepEqual(await once(atB, 'line'), ['still fine']);
  const classic = await pair(t, CLASSIC);
  await assert.rejects(classic.atA.send(Buffer.of(1)), is('P2P_ERR_UNSUPPORTED', /secure/));
});

test('many lines of which one cannot be sent: those before it are, and it is named', async (t) => {
  const { atA, atB } = await pair(t, { maxLine: 1000 });
  const got = take(atB, 768 + 6);
  const before = Array.from({ length: 768 }, (_, i) => `line ${i}`); // three times what is given to the library at once
  const wrong = async (lines, index, code, message) => {
    await assert.rejects(atA.sendLines(lines), (error) => is(code, message)(error) && error.index === index);
  };
  await wrong([...before, '', 'never'], 768, 'P2P_ERR_INVALID', /^lines\[768\]: .*one byte/);
  await wrong(['one', 'a\r\nb', 'never'], 1, 'P2P_ERR_INVALID', /^lines\[1\]: .*CR LF/);
  await wrong(['two', 'x'.repeat(1001), 'never'], 1, 'P2P_ERR_TOO_LARGE', /^lines\[1\]: .*maxLine/);
  await wrong(['three', Buffer.alloc(0), 'never'], 1, 'P2P_ERR_INVALID', /^lines\[1\]/);
  await wrong(['four', 5, 'never'], 1, 'P2P_ERR_INVALID', /^lines\[1\]: .*string or bytes.*number/);
  await wrong(['', 'never'], 0, 'P2P_ERR_INVALID', /^lines\[0\]: .*one byte/);
  await wrong([null, 'never'], 0, 'P2P_ERR_INVALID', /^lines\[0\]: .*string or bytes.*null/);
  await wrong([, 'never'], 0, 'P2P_ERR_INVALID', /undefined/); // eslint-disable-line no-sparse-arrays
  for (const nothing of [undefined, null, 5, {}, 'a line', Buffer.from('bytes')]) {
    await assert.rejects(atA.sendLines(nothing), is('P2P_ERR_INVALID', /iterable of lines/));
  }
  const thrown = new Error('of the program');
  function* breaks() {
    yield 'never';
    throw thrown;
  }
  await assert.rejects(atA.sendLines(breaks()), (error) => error === thrown);
  await atA.sendLines(['five', 'six']);
  assert.deepEqual(await got, [...before, 'one', 'two', 'three', 'four', 'five', 'six']);
  const raw = await pair(t, { ...CLASSIC, framing: 'raw' });
  await assert.rejects(raw.atA.sendLines(['x']), is('P2P_ERR_UNSUPPORTED', /framing/));
});

test('a closed connection', async (t) => {
  const { atA, atB } = await pair(t);
  const [end] = await Promise.all([atA.close(), once(atB, 'close')]);
  assert.equal(end.code, 'P2P_OK');
  assert.equal(atA.isOpen, false);
  await assert.rejects(atA.send('x'), is('P2P_ERR_CLOSED', /closed/));
  await assert.rejects(atB.send('x'), is('P2P_ERR_CLOSED', /closed/));
  await assert.rejects(atA.sendLines(['x', 'y']), (error) => is('P2P_ERR_CLOSED', /closed/)(error) && error.index === 0);
  assert.throws(() => atA.trySend('x'), is('P2P_ERR_CLOSED'));
  assert.throws(() => atA.info(), is('P2P_ERR_CLOSED'));
  assert.equal((await atA.close()).code, 'P2P_OK');
  assert.equal((await atB.close()).code, 'P2P_ERR_CLOSED');
  atB.send('nobody looks at this promise, and that is fine');
  atB.sendLines(['nor', 'at', 'this']);
  assert.equal(atA.peer.length > 0, true);
  assert.deepEqual(await atA.lines().next(), { value: undefined, done: true });
});

test('a closed net', async (t) => {
  const { a, atA } = await pair(t);
  await Promise.all([a.close(), a.close()]);
  await a.close();
  assert.equal(a.isOpen, false);
  assert.deepEqual(a.connections, []);
  await assert.rejects(a.start(), is('P2P_ERR_CLOSED'));
  await assert.rejects(a.connect('127.0.0.1:1'), is('P2P_ERR_CLOSED'));
  await assert.rejects(a.connectUnl('x'), is('P2P_ERR_CLOSED'));
  await assert.rejects(a.bootstrap(), is('P2P_ERR_CLOSED'));
  await assert.rejects(a.advertise(), is('P2P_ERR_CLOSED'));
  await assert.rejects(a.dhtPut('00'.repeat(20), 'x'), is('P2P_ERR_CLOSED'));
  for (const look of ['info', 'stats', 'report', 'unl', 'networkChanged']) {
    assert.throws(() => a[look](), is('P2P_ERR_CLOSED'), look);
  }
  assert.throws(() => a.explain(1), is('P2P_ERR_CLOSED'));
  assert.throws(() => a.dhtId, is('P2P_ERR_CLOSED'));
  assert.throws(() => a.port, is('P2P_ERR_CLOSED'));
  assert.throws(() => a.broadcast('x'), is('P2P_ERR_CLOSED'));
  assert.throws(() => a.dhtDeliver(null, 'x'), is('P2P_ERR_CLOSED'));
  await assert.rejects(atA.send('x'), is('P2P_ERR_CLOSED'));
  await assert.rejects(atA.sendLines(['x']), is('P2P_ERR_CLOSED'));
  a.ref().unref();
  assert.deepEqual(await a[Symbol.asyncIterator]().next(), { value: undefined, done: true });
});

test('locators', async (t) => {
  assert.throws(() => checkUnl('nonsense'), is('P2P_ERR_INVALID'));
  assert.throws(() => readUnl(''), is('P2P_ERR_INVALID'));
  assert.throws(() => readUnl(), is('P2P_ERR_INVALID', /locator/));
  const net = await started(t);
  const locator = net.unl();
  checkUnl(locator);
  const said = readUnl(locator);
  assert.equal(said.version, 3);
  assert.equal(said.nodeType, 'passive');
  assert.equal(said.id.length, 43);
  assert.ok(said.expires > new Date());
  assert.ok(said.candidates.some(({ address: at }) => at === net.at), JSON.stringify(said));
  const spoilt = locator.slice(0, -3) + (locator.at(-3) === 'A' ? 'B' : 'A') + locator.slice(-2);
  assert.throws(() => checkUnl(spoilt), is('P2P_ERR_INVALID'));
  const changed = readUnl(net.unl({ candidate: ['mapped 203.0.113.7:6881'] }));
  assert.deepEqual(changed.candidates, [{ kind: 'mapped', address: '203.0.113.7:6881' }]);
  assert.throws(() => net.unl({ shoeSize: 43 }), is('P2P_ERR_INVALID', /shoe_size/));
});

test('what others do wrong in the middle of a line', async (t) => {
  const { createConnection } = await import('node:net');
  const net = await started(t, { ...CLASSIC, maxLine: 100 });
  const [host, port] = net.at.split(':');
  const raw = createConnection(Number(port), host);
  raw.on('error', () => {});
  const [conn] = await once(net, 'connection');
  raw.write(`${'z'.repeat(1000)}\r\n`);
  const end = await conn.closed;
  assert.equal(end.code, 'P2P_ERR_PROTOCOL', end.message);
  assert.ok(is('P2P_ERR_PROTOCOL')(end.error));
  await assert.rejects(conn.lines().next(), is('P2P_ERR_PROTOCOL'));
});
