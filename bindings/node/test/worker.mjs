// What the workers of workers.test.mjs do.
import { once } from 'node:events';
import { parentPort, workerData } from 'node:worker_threads';
import { Net, start } from 'p2pnet';

const { mode, options, to } = workerData;
const net = await start(options);
const at = `${options.passiveBind}:${net.port}`;

if (mode === 'echo') {
  net.on('connection', (conn) => conn.inbound && conn.on('line', (line) => conn.send(line)));
  parentPort.on('message', async (message) => {
    if (message === 'close') {
      parentPort.close();
      await net.close();
      return;
    }
    const conn = await net.connect(message.connect);
    let answered = 0;
    for (let i = 0; i < message.lines; i += 1) {
      conn.send(`line ${i}`);
      const [line] = await once(conn, 'line');
      answered += line === `line ${i}` ? 1 : 0;
    }
    parentPort.postMessage(`answered ${answered}`);
  });
  parentPort.postMessage(at);
} else if (mode === 'flood') {
  const conn = await net.connect(to);
  conn.on('line', () => {});
  for (;;) await conn.send('x'.repeat(500));
} else if (mode === 'exit') {
  net.on('line', () => process.exit(7));
  parentPort.postMessage(at);
} else {
  const never = new Net(options);
  const closed = await start(options);
  await closed.close();
  const other = await start({ ...options, passiveBind: '127.0.0.3' });
  const conn = await other.connect(at).catch((error) => error);
  conn.send?.('held, and read by nobody');
  net.close(); // and its end is not waited for
  other.connect('127.0.0.1:1').catch(() => {});
  globalThis.kept = [never, other, conn];
  parentPort.postMessage('there');
}
