// alice.mjs - one of two programs that find each other: alice waits to be found, and answers. bob.mjs finds her.
//
// This is the first example of PyP2P's guide: a net, bootstrap, advertise, and a loop that prints what comes. Two nodes on
// one machine need an address each; on Linux all of 127.x.x.x is this machine.
//
//   p2p-rendezvous --store memory &
//   node alice.mjs [--bind ADDR] [--port N] [--server HOST:PORT] [--lines N]
//
// It ends when N lines have come, or at Ctrl-C.
import { parseArgs } from 'node:util';
import { Net } from 'p2pnet';

const { values: options } = parseArgs({
  options: {
    bind: { type: 'string', default: '127.0.0.2' },
    port: { type: 'string', default: '44444' },
    server: { type: 'string', default: '127.0.0.1:8000' },
    lines: { type: 'string', default: 'Infinity' },
    classic: { type: 'boolean', default: false }, // PyP2P's protocol, for meeting its nodes
  },
});

const net = new Net({
  nodeType: 'passive',
  dialect: options.classic ? 'classic' : 'secure',
  passiveBind: options.bind,
  passivePort: Number(options.port),
  servers: options.server,
});
process.once('SIGINT', () => net.close());

let received = 0;
net.on('connection', (conn) => console.log(`connected: ${conn.peer}`));
net.on('disconnect', (conn, { message }) => console.log(`gone: ${conn.peer} (${message})`));
net.on('line', async (line, conn) => {
  console.log(`< ${printable(line)}`);
  received += 1;
  const last = received >= Number(options.lines);
  await conn.send('got it').catch(() => {}); // whoever has left needs no answer
  console.log('> got it');
  if (last) await net.close(); // sends what is queued, and takes us off the server's list
});

try {
  await net.start();
  console.log(`listening on ${options.bind}:${net.port}`);
  console.log(`${await net.bootstrap()} other nodes known at ${options.server}`);
  await net.advertise();
  console.log(`listed at ${options.server}`);
} catch (error) {
  // What failed, on what, why, what to do. The net tries again by itself, and a program that stays would let it.
  if (error.code !== 'P2P_ERR_CANCELED') {
    console.error(`alice: ${error.message}\nalice: is p2p-rendezvous running at ${options.server}?`);
    process.exitCode = 1;
    await net.close();
  }
}

net.once('close', () => console.log(`done: ${received} lines received`));

// What a stranger sends does not get at the terminal.
function printable(text) {
  return text.replace(/[\x00-\x1f\x7f-\x9f]/g, '?');
}
