// chat.mjs - a chat that floods: what one says reaches everybody, also over others.
//
// Nodes that know each other form a mesh, found through a rendezvous server or named with --connect. Each passes on what it
// hears; the option dedup drops what comes back, so nothing goes round in circles.
//
// Three in a row; what cem says reaches ann, too, over ben:
//   node chat.mjs --name ann --port 5000
//   node chat.mjs --name ben --bind 127.0.0.2 --port 5000 --connect 127.0.0.1:5000
//   node chat.mjs --name cem --bind 127.0.0.3 --connect 127.0.0.2:5000 --say hello --exit-after 1
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { Net } from 'p2pnet';

const { values: options } = parseArgs({
  options: {
    name: { type: 'string', default: 'me' },
    bind: { type: 'string', default: '127.0.0.1' },
    port: { type: 'string', default: '0' },
    server: { type: 'string' },
    connect: { type: 'string' },
    say: { type: 'string' },
    'exit-after': { type: 'string', default: 'Infinity' },
  },
});

const net = new Net({
  nodeType: 'passive',
  dialect: 'secure',
  passiveBind: options.bind,
  passivePort: Number(options.port),
  dedup: true,
  servers: options.server ?? [],
});

let said = 0;
// The number makes the line one of its kind: without it, a second "hello" would count as seen before.
function say(text) {
  const { complete } = net.broadcast(`${options.name} ${(said += 1)}: ${text}`);
  if (!complete) console.error("chat: not sent to everybody: somebody's buffer is full");
}

let heard = 0;
net.on('line', (line, from) => {
  console.log(line.replace(/[\x00-\x1f\x7f-\x9f]/g, '?'));
  net.broadcast(line, { except: from }); // to all but whom it came from
  heard += 1;
  if (heard >= Number(options['exit-after'])) leave();
});
net.on('connection', (conn) => {
  console.log(`* ${conn.peer} is connected`);
  if (options.say) say(options.say);
});
net.on('disconnect', (conn, end) => console.log(`* ${conn.peer} is gone: ${end.message}`));

const keyboard = createInterface({ input: process.stdin });
keyboard.on('line', (text) => text && say(text));
keyboard.on('close', () => {}); // its end is no reason to leave
function leave() {
  keyboard.close();
  process.stdin.unref?.();
  return net.close();
}
process.once('SIGINT', leave);

try {
  await net.start();
  console.log(`listening on ${options.bind}:${net.port}`);
  if (options.connect) await net.connect(options.connect);
  if (options.server) await Promise.all([net.bootstrap(), net.advertise()]);
} catch (error) {
  if (error.code !== 'P2P_ERR_CANCELED') {
    console.error(`chat: ${error.message}`); // what failed, on what, why, what to do
    process.exitCode = 1;
    await leave();
  }
}
