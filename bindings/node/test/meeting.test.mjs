// Nodes that find each other: by a rendezvous server of the project's, by locators, by a DHT of the program's own.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { CLASSIC, SECURE, started, take, until } from './common.mjs';

const program = process.env.P2P_RENDEZVOUS;
const skip = program ? false : 'P2P_RENDEZVOUS does not name a p2p-rendezvous';

async function server(t) {
  const args = ['--listen', '127.0.0.1:0', '--nat-listen', 'off', '--http', '127.0.0.1:0', '--store', 'memory', '--print-addrs'];
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(async () => {
    child.kill();
    await once(child, 'exit');
  });
  const [line] = await once(createInterface({ input: child.stdout }), 'line');
  const { rendezvous, http } = JSON.parse(line);
  return { rendezvous: rendezvous[0], http: [http].flat()[0] };
}

for (const [name, dialect] of [
  ['secure', 'secure'],
  ['classic', 'classic'],
]) {
  test(`two nodes find each other through a server (${name})`, { skip }, async (t) => {
    const { rendezvous } = await server(t);
    const options = { ...CLASSIC, dialect, servers: rendezvous };
    const alice = await started(t, options);
    assert.equal(await alice.bootstrap(), 0);
    await alice.advertise();
    const bob = await started(t, options);
    const met = once(bob, 'connection');
    assert.equal(await bob.bootstrap(), 1);
    const [conn] = await met;
    await conn.send('hello alice');
    const [line] = await once(alice, 'line');
    assert.equal(line, 'hello alice');
  });
}

test('by locator, and the story of it', async (t) => {
  const alice = await started(t);
  const bob = await started(t);
  const conn = await alice.connectUnl(bob.unl());
  assert.equal(conn.peer, bob.at);
  assert.equal(conn.peerId.length, 43);
  assert.equal(alice.explain(conn.request).state, 'connected');
  assert.equal(await alice.connectUnl(bob.unl()), conn, 'two nodes of the secure dialect have one connection');
  await bob.close();
  await conn.closed;
  await assert.rejects(alice.connectUnl('p2p3nonsense'), { code: 'P2P_ERR_INVALID' });
});

test('by locator in the classic dialect, with a nonce', async (t) => {
  const options = { ...CLASSIC, netType: 'direct' };
  const alice = await started(t, options);
  const bob = await started(t, options);
  const opened = once(bob, 'connection');
  const conn = await alice.connectUnl(bob.unl(), { nonce: 'ab'.repeat(32) });
  const [atB] = await opened;
  assert.equal(conn.info().conId, atB.info().conId);
  assert.equal(conn.info().conId.length, 64);
  await assert.rejects(alice.connectUnl(bob.unl(), { nonce: 'short' }), { code: 'P2P_ERR_INVALID' });
});

test('only those who are allowed come in', async (t) => {
  const friend = await started(t, { key: '11'.repeat(32) });
  const stranger = await started(t);
  const { readUnl } = await import('p2pnet');
  const host = await started(t, { allow: [readUnl(friend.unl()).id] });
  const conn = await friend.connect(host.at);
  assert.ok(conn.isOpen);
  // Turned away, at the latest when the host has seen who it is.
  const turnedAway = async () => {
    const { error } = await (await stranger.connect(host.at)).closed;
    throw error;
  };
  await assert.rejects(turnedAway(), { name: 'P2PError' });
  assert.deepEqual(
    host.connections.map(({ peerId }) => peerId),
    [readUnl(friend.unl()).id],
  );
});

test('messages over a mailbox of the server', { skip }, async (t) => {
  const { rendezvous, http } = await server(t);
  const options = { ...SECURE, servers: { rendezvous, dht: http } };
  const alice = await started(t, options);
  const bob = await started(t, options);
  const got = once(bob, 'dhtMessage');
  await alice.dhtPut(bob.dhtId, 'psst 🦀');
  assert.equal((await got)[0], 'psst 🦀');
  await assert.rejects(alice.dhtPut('nobody', 'x'), { code: 'P2P_ERR_INVALID' });
});

test("messages over the program's own DHT", async (t) => {
  const nets = new Map();
  for (const id of ['aa'.repeat(20), 'bb'.repeat(20)]) {
    const net = await started(t, { ...SECURE, ownDht: { nodeId: id } });
    assert.equal(net.dhtId, id);
    net.on('dhtSend', ({ to, message }) => nets.get(to).dhtDeliver(id, message));
    nets.set(id, net);
  }
  const [a, b] = nets.values();
  const got = once(b, 'dhtMessage');
  await a.dhtPut(b.dhtId, 'over my own');
  assert.deepEqual(await got, ['over my own', a.dhtId]);
});

test('connections as an iterator', async (t) => {
  const host = await started(t);
  const guests = [await started(t), await started(t)];
  for (const guest of guests) await guest.connect(host.at);
  await until(() => host.connections.length === 2);
  const more = await started(t);
  const coming = take(host, 1);
  await more.connect(host.at);
  const [conn] = await coming;
  assert.equal(conn.inbound, true);
  assert.equal(host.connections.length, 3);
});
