// bob.mjs - the other of two programs that find each other: bob finds alice and says "test" to her; read alice.mjs first.
//
//   node bob.mjs [--bind ADDR] [--port N] [--server HOST:PORT] [--lines N]
//
// It ends when N answers have come, or at Ctrl-C.
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Net } from 'p2pnet';

const { values: options } = parseArgs({
  options: {
    bind: { type: 'string', default: '127.0.0.3' },
    port: { type: 'string', default: '44445' },
    server: { type: 'string', default: '127.0.0.1:8000' },
    lines: { type: 'string', default: 'Infinity' },
    classic: { type: 'boolean', default: false },
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

let answers = 0;
net.on('connection', (conn) => console.log(`connected: ${conn.peer}`)); // the net connects to whom the server named
net.on('disconnect', (conn, { message }) => console.log(`gone: ${conn.peer} (${message})`));
net.on('line', (line) => {
  console.log(`< ${line.replace(/[\x00-\x1f\x7f-\x9f]/g, '?')}`);
  answers += 1;
  if (answers >= Number(options.lines)) net.close();
});

try {
  await net.start();
  console.log(`listening on ${options.bind}:${net.port}`);
  const known = await net.bootstrap();
  // While it has too few connections the net asks again by itself, first after 5 s.
  if (known > 0) console.log(`${known} other nodes known at ${options.server}`);
  else console.log(`nobody is listed at ${options.server} yet; asking again soon`);
  await net.advertise();
  console.log(`listed at ${options.server}`);
} catch (error) {
  if (error.code !== 'P2P_ERR_CANCELED') {
    console.error(`bob: ${error.message}\nbob: is p2p-rendezvous running at ${options.server}?`);
    process.exitCode = 1;
    await net.close();
  }
}

// The guide's loop over all connections, twice a second.
while (net.isOpen) {
  if (net.broadcast('test').sent > 0) console.log('> test');
  await pause(500);
}
console.log(`done: ${answers} answers received`);
