'use strict';
// CommonJS and ES modules: the same classes; what the package says of itself.
const assert = require('node:assert/strict');
const { once } = require('node:events');
const { test } = require('node:test');
const p2pnet = require('p2pnet');

test('require() works', async () => {
  const common = { dialect: 'secure', nodeType: 'passive', netType: 'direct' };
  const a = await p2pnet.start({ ...common, passiveBind: '127.7.1.2' });
  const b = await p2pnet.start({ ...common, passiveBind: '127.7.1.3' });
  const conn = await a.connectUnl(b.unl());
  await conn.send('hello');
  const [line] = await once(b, 'line');
  assert.equal(line, 'hello');
  await Promise.all([a.close(), b.close()]);
});

test('import() gives the same classes', async () => {
  const module = await import('p2pnet');
  for (const [name, value] of Object.entries(p2pnet)) assert.equal(module[name], value, name);
  assert.equal(module.default, p2pnet);
  assert.deepEqual(Object.keys(module).sort(), [...Object.keys(p2pnet), 'default'].sort());
});

test('versions move together', () => {
  const { version } = require('p2pnet/package.json');
  assert.equal(p2pnet.versions.library, version);
  assert.equal(p2pnet.versions.header, version);
  assert.equal(p2pnet.capabilities.pcp, true);
});

test('constants and objects for people', async () => {
  const util = require('node:util');
  assert.equal(p2pnet.constants.P2P_ERR_WOULD_BLOCK, -10);
  assert.throws(() => {
    p2pnet.constants.P2P_OK = 1;
  }, TypeError);
  const net = new p2pnet.Net();
  assert.match(util.inspect(net), /^Net \{ state: 'new', connections: 0 \}$/);
  await net.close();
  const error = new p2pnet.P2PError(-20);
  assert.equal(error.code, 'P2P_ERR_TIMEOUT');
  assert.ok(error.message.length > 0);
  assert.match(util.inspect(error), /P2PError/);
  assert.equal(new p2pnet.P2PError(-9999).code, 'P2P_ERR_9999');
});

test('using, where this Node has it', { skip: !Symbol.asyncDispose && 'no Symbol.asyncDispose' }, async () => {
  const net = await p2pnet.start({ passiveBind: '127.7.1.4', nodeType: 'passive' });
  await net[Symbol.asyncDispose]();
  assert.equal(net.isOpen, false);
});
