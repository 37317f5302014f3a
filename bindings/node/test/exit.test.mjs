// The process: it ends when nothing is open, and not before; it may end at any moment; the event loop is never blocked.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { HUNG, SECURE, address, started } from './common.mjs';

/** Runs a module's text, with `options` in it; { code, signal, out }. */
async function run(t, text, ...flags) {
  const options = JSON.stringify({ ...SECURE, passiveBind: address() });
  const source = `import { Net, start } from 'p2pnet'; const options = ${options}; ${text}`;
  const child = spawn(process.execPath, [...flags, '--input-type=module', '-e', source], {
    cwd: import.meta.dirname ?? new URL('.', import.meta.url).pathname,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const watchdog = setTimeout(() => child.kill('SIGKILL'), HUNG);
  let out = '';
  child.stdout.on('data', (data) => (out += data));
  child.stderr.on('data', (data) => (out += data));
  const [code, signal] = await once(child, 'close');
  clearTimeout(watchdog);
  return { code, signal, out };
}

const ENDS = {
  'after importing it': '',
  'with a net that was never started': 'globalThis.net = new Net(options);',
  'after close()': 'const net = await start(options); await net.close();',
  'after close(), without waiting for it': 'const net = await start(options); net.close();',
  'with a net that is unref()d': 'const net = await start(options); net.unref(); globalThis.net = net;',
  'with a net that is unref()d before its start': 'const net = new Net(options).unref(); net.start(); globalThis.net = net;',
  'after close() of an unref()d net, which is waited for':
    "const net = await start(options); net.unref(); await net.close(); console.log('closed');",
  'by process.exit() with a net at work': 'const net = await start(options); process.exit(0);',
  'by process.exit() inside an event':
    "const net = await start(options); net.on('connection', () => process.exit(0)); " +
    "const other = await start({ ...options, passiveBind: '127.0.0.1' }); await other.connect(options.passiveBind + ':' + net.port);" +
    'setInterval(() => {}, 1000);',
};
for (const [name, text] of Object.entries(ENDS)) {
  test(`the process ends ${name}`, async (t) => {
    const { code, signal, out } = await run(t, text);
    assert.deepEqual({ code, signal, out: out.replace('closed\n', '') }, { code: 0, signal: null, out: '' });
  });
}

test('the process stays while a net is open', async (t) => {
  const { out, code } = await run(
    t,
    `const net = await start(options);
     net.unref().ref();
     process.on('SIGTERM', () => { console.log('still here'); net.close(); });
     setTimeout(() => process.kill(process.pid, 'SIGTERM'), 300).unref();`,
  );
  assert.deepEqual({ out, code }, { out: 'still here\n', code: 0 });
});

test('an exception ends the process as it should', async (t) => {
  const { out, code } = await run(t, "const net = await start(options); throw new Error('on purpose');");
  assert.equal(code, 1);
  assert.match(out, /on purpose/);
});

test('what a listener throws is an uncaught exception, and the events behind it still come', async (t) => {
  const { out, code } = await run(
    t,
    `process.on('uncaughtException', (error) => console.log(error.message));
     const net = await start(options);
     const other = await start({ ...options, passiveBind: '127.0.0.1' });
     net.on('line', (line) => { if (line === 'one') throw new Error('on purpose'); });
     net.on('line', (line) => { console.log(line); if (line === 'two') { net.close(); other.close(); } });
     const conn = await other.connect(options.passiveBind + ':' + net.port);
     conn.send('one'); conn.send('two');`,
  );
  assert.deepEqual({ out: out.split('\n').sort().join(' '), code }, { out: ' on purpose two', code: 0 });
});

test('what was sent before process.exit() arrives', async (t) => {
  const net = await started(t);
  const line = once(net, 'line');
  const { code } = await run(
    t,
    `const net = await start(options); const conn = await net.connect('${net.at}'); conn.send('farewell'); process.exit(3);`,
  );
  assert.equal(code, 3);
  assert.equal((await line)[0], 'farewell');
});

test('process.exit() at every moment', async (t) => {
  // Each exits a little later in its life than the one before.
  for (let turns = 0; turns < 12; turns += 1) {
    const { code, signal, out } = await run(
      t,
      `const net = new Net(options); const other = new Net({ ...options, passiveBind: '127.0.0.1' });
       let turns = ${turns}; const tick = () => (turns-- > 0 ? setImmediate(tick) : process.exit(0)); tick();
       net.on('line', (line, conn) => conn.send(line)); other.on('line', (line, conn) => conn.send(line));
       await Promise.all([net.start(), other.start()]);
       const conn = await other.connect(options.passiveBind + ':' + net.port);
       for (let i = 0; i < 100; i += 1) conn.send('x');`,
    );
    assert.deepEqual({ code, signal, out }, { code: 0, signal: null, out: '' });
  }
});

test('the event loop turns while close() waits for a peer that does not read', async (t) => {
  const peer = await started(t);
  const net = await started(t, { closeTimeoutMs: HUNG, sendBuffer: 64 << 20 });
  const conn = await net.connect(peer.at);
  // More than the system and the peer take between them: close() waits until the peer has gone.
  for (let i = 0; i < 600; i += 1) conn.send('x'.repeat(100_000));
  let closed = false;
  const closing = net.close().then(() => (closed = true));
  // Hangs if it is the loop that waits.
  for (let turns = 0; turns < 100; turns += 1) {
    await new Promise((resolve) => setImmediate(resolve));
    assert.ok(!closed, `closed after ${turns} turns of the loop`);
  }
  await peer.close();
  await closing;
});
