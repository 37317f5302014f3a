// direct.mjs - Alice connects to Bob by his locator, and says "Sup Bob.": the guide's direct connect.
//
// A locator (UNL, "universal node locator") is one string that says who a node is and how it can be reached. connectUnl()
// takes it and does whatever it takes to get there: connects, asks Bob to connect, or has both connect at the same moment
// through the NATs between them. Here both nets are in one program on one machine, so that it can be seen at a glance; in
// life Bob's locator travels by chat, e-mail or a lobby server.
//
//   node direct.mjs [--classic] [--explain]
//
// --classic speaks PyP2P's protocol and its locators; without it, links are encrypted and both ends prove who they are.
// --explain prints what was tried, as JSON.
import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { start } from 'p2pnet';

const { values: options } = parseArgs({
  options: { classic: { type: 'boolean', default: false }, explain: { type: 'boolean', default: false } },
});
const dialect = options.classic ? 'classic' : 'secure';
const common = { netType: 'direct', nodeType: 'passive', dialect };

const alice = await start({ ...common, passiveBind: '127.0.0.4' });
const bob = await start({ ...common, passiveBind: '127.0.0.5' });
bob.on('line', (line, conn) => {
  console.log(`Bob hears: ${line}`);
  conn.send('Not much, Alice.');
});

const locator = bob.unl();
console.log(`Bob's locator: ${locator}`);
try {
  const conn = await alice.connectUnl(locator, { signal: AbortSignal.timeout(60_000) });
  console.log(`Alice has connected to Bob at ${conn.peer}.`);
  await conn.send('Sup Bob.');
  const [answer] = await once(conn, 'line');
  console.log(`Alice hears: ${answer}`);
  if (options.explain) console.log(JSON.stringify(alice.explain(conn.request), null, 2));
  console.log('done');
} catch (error) {
  console.error(`direct: Alice has not reached Bob: ${error.message}`); // the reason, in words
  process.exitCode = 1;
}
await Promise.all([alice.close(), bob.close()]);
