// The same for CommonJS.
import p2pnet = require('p2pnet');

async function main(): Promise<void> {
  const net = await p2pnet.start({ nodeType: 'passive' });
  net.on('connection', (conn: p2pnet.Connection) => conn.discard().send('hello'));
  await net.close();
}
void main;
