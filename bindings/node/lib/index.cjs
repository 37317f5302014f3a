'use strict';
// The package. index.mjs is the same for import: both have the same classes.

const native = require('./native.cjs');
const constants = require('./constants.cjs');
const { Connection } = require('./connection.cjs');
const { P2PError } = require('./errors.cjs');
const { Net } = require('./net.cjs');
const { text } = require('./options.cjs');
const views = require('./views.cjs');

const [libraryVersion, headerVersion, features] = native.library();
const dotted = (n) => `${n >> 16}.${(n >> 8) & 0xff}.${n & 0xff}`;

/** Versions of the library inside, and of the header that the addon was built with. */
const versions = Object.freeze({ library: dotted(libraryVersion), header: dotted(headerVersion) });

/** What the library inside can do. */
const capabilities = Object.freeze({
  upnp: (features & constants.P2P_FWD_UPNP) !== 0,
  natpmp: (features & constants.P2P_FWD_NATPMP) !== 0,
  pcp: (features & constants.P2P_FWD_PCP) !== 0,
  http: (features & (1 << 16)) !== 0,
  mainline: (features & (1 << 17)) !== 0,
});

/** Throws what is wrong with a locator; returns if it can be used. */
function checkUnl(locator) {
  native.unlCheck(text('locator', locator));
}

/** What a locator says, expired or not. */
function readUnl(locator) {
  return views.unlInfo(native.unlInfo(text('locator', locator)));
}

/** A net that has been started. */
async function start(options) {
  const net = new Net(options);
  await net.start();
  return net;
}

module.exports = { Net, Connection, P2PError, start, checkUnl, readUnl, constants, versions, capabilities };
