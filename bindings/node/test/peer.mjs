// A peer that is going to be killed: prints where it is, greets whoever comes.
import { start } from 'p2pnet';

const [options, passiveBind] = process.argv.slice(2);
const net = await start({ ...JSON.parse(options), passiveBind });
net.on('connection', (conn) => conn.send('here I am'));
console.log(`${passiveBind}:${net.port}`);
