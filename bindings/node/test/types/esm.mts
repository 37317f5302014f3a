// Compiled, never run: what TypeScript thinks of the package.
import p2pnet, { Connection, Net, P2PError, checkUnl, constants, readUnl, start, versions } from 'p2pnet';
import type { ConnectionEnd, NetOptions, NodeType, ResultCode } from 'p2pnet';

const options: NetOptions = {
  nodeType: 'passive',
  netType: 'direct',
  dialect: 'secure',
  passivePort: 0,
  seed: 1n,
  dedup: true,
  forwarding: ['upnp', 'pcp'],
  servers: { rendezvous: ['a:1', 'b:2'], ntp: 'c' },
  keyFile: undefined,
  encoding: 'utf8',
};

// @ts-expect-error no such name
const wrongName: NetOptions = { nodeType: 'sleepy' };
// @ts-expect-error no such option
const wrongOption: NetOptions = { pasivePort: 1 };
// @ts-expect-error a port is a number
const wrongType: NetOptions = { passivePort: '80' };
// @ts-expect-error a number, not a switch
const wrongSwitch: NetOptions = { maxInbound: true };
void [wrongName, wrongOption, wrongType, wrongSwitch];

const net: Net = await start(options);
const other = new p2pnet.Net();
const nodeType: NodeType = net.info().nodeType;
const conn: Connection = await net.connect('a:1', { signal: AbortSignal.timeout(1000) });
const sent: Promise<void> = conn.send('line');
await conn.send(new Uint8Array(3));
const room: boolean = conn.trySend(Buffer.of(1));
// @ts-expect-error neither a line nor bytes
await conn.send(7);
await conn.sendLines(['a', Buffer.of(1)]);
await conn.sendLines(new Set(['a']));
// @ts-expect-error one line is not many
await conn.sendLines(Buffer.of(1));

net.on('line', (line, from) => from.send(line.toUpperCase()));
net.on('disconnect', (which, end) => void [which.id satisfies number, end.code satisfies ResultCode]);
conn.on('message', (message) => message.readUInt8(0));
conn.once('close', (end: ConnectionEnd) => end.error?.osCode);
// @ts-expect-error no such event
net.on('lines', () => {});

for await (const line of conn.lines()) line.trim();
for await (const message of conn.messages()) message.byteLength;
for await (const either of conn) typeof either === 'string' ? either.trim() : either.byteLength;
for await (const each of net) each.peer;

try {
  checkUnl('x');
} catch (error) {
  if (error instanceof P2PError && error.code === 'P2P_ERR_INVALID') error.errno satisfies number;
  if (error instanceof P2PError && error.index !== undefined) error.index satisfies number;
}
const expires: Date | null = readUnl(net.unl({ candidate: ['mapped 203.0.113.7:1'] })).expires;
const wouldBlock: -10 = constants.P2P_ERR_WOULD_BLOCK;
const { sent: reached, complete } = net.broadcast('x', { except: conn });
// @ts-expect-error connections are made by the library
new Connection();
await net.close();
void [other, nodeType, sent, room, expires, wouldBlock, reached, complete, versions.library];
