'use strict';
// The addon: the one that was built here (npm run build), or the one that came with the package.

const path = require('node:path');

function load() {
  const root = path.join(__dirname, '..');
  const kind = `${process.platform}-${process.arch}`;
  const tried = [];
  for (const folder of ['build', `prebuilds/${kind}`, `prebuilds/${kind}-musl`]) {
    try {
      return require(path.join(root, folder, 'p2pnet.node'));
    } catch (why) {
      if (why.code !== 'MODULE_NOT_FOUND') tried.push(`${folder}: ${why.message}`);
    }
  }
  const message =
    `p2pnet: this package holds no addon that works here (${kind}, Node ${process.version}). ` +
    'With a C compiler and libp2pnet.a (make install of p2pnet, or the Debian package libp2pnet-dev) it can be compiled: ' +
    'npx p2pnet-build. See "Building it yourself" in the README.' +
    tried.map((line) => `\n  ${line}`).join('');
  throw Object.assign(new Error(message), { code: 'P2P_ERR_UNSUPPORTED' });
}

const native = load();
const errors = require('./errors.cjs');
native.setError(errors.fromResult);
errors.setWords(native.strerror);

// Ctrl-C handlers and the like end a process by process.exit(). Nets then still send what is queued and are taken off
// servers and routers, at most closeTimeoutMs long. Where an environment ends otherwise the addon does it by itself.
process.on('exit', native.endAll);

module.exports = native;
