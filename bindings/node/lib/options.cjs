'use strict';
// Options of a net: P2P_OPT_CONNECT_TIMEOUT_MS is connectTimeoutMs. What a value has to be is the library's to say, and
// its sentence comes out; here is only what JavaScript adds: names for enumerations, true and false for switches.

const constants = require('./constants.cjs');
const { failure } = require('./errors.cjs');
const { valuesOf } = require('./names.cjs');

// What an entry of the addon's is; src/config.c has the same numbers.
const INT = 0;
const TEXT = 1;
const SERVER = 2;
const ALLOW = 3;
const DHT = 4;

/** Options that are one of an enumeration. */
const ENUMS = {
  nodeType: 'P2P_NODE_',
  netType: 'P2P_NET_',
  natType: 'P2P_NAT_',
  framing: 'P2P_FRAMING_',
  logLevel: 'P2P_LOG_',
  dialect: 'P2P_DIALECT_',
};
/** Options that are several of one, as bits. */
const BITS = { forwarding: 'P2P_FWD_', mainline: 'P2P_MAINLINE_' };
/** Options that are on or off. */
const SWITCHES = new Set([
  'bootstrap',
  'dedup',
  'advertise',
  'simultaneous',
  'duplicateIp',
  'networkMonitor',
  'localPeers',
  'relay',
]);
const SERVERS = valuesOf('P2P_SERVER_');

/** P2P_OPT_WAN_IP -> wanIp */
function optionName(constant) {
  return constant
    .slice('P2P_OPT_'.length)
    .toLowerCase()
    .replace(/_(.)/g, (_, letter) => letter.toUpperCase());
}

const KEYS = new Map(
  Object.entries(constants)
    .filter(([name]) => name.startsWith('P2P_OPT_'))
    .map(([name, key]) => [optionName(name), key]),
);

const shown = (value) => (typeof value === 'string' ? JSON.stringify(value) : String(value));

function wrong(name, expected, value) {
  return failure('P2P_ERR_INVALID', `option ${name}: expected ${expected}, got ${shown(value)}`);
}

/** A text as C takes it: without NULs inside, which would cut it. */
function text(what, value) {
  if (typeof value !== 'string') throw wrong(what, 'a string', value);
  if (value.includes('\0')) throw wrong(what, 'a string without NUL characters', value);
  return value;
}

function oneOf(name, values, value) {
  const number = values.get(String(value).toLowerCase());
  if (number === undefined) throw wrong(name, [...values.keys()].map(shown).join(', '), value);
  return number;
}

function number(name, value) {
  if (typeof value === 'boolean' && SWITCHES.has(name)) return value ? 1 : 0;
  if (typeof value === 'string' && ENUMS[name]) return oneOf(name, valuesOf(ENUMS[name]), value);
  if (Array.isArray(value) && BITS[name]) {
    const values = valuesOf(BITS[name]);
    return value.reduce((bits, each) => bits | oneOf(name, values, each), 0);
  }
  if (typeof value === 'bigint' && BigInt.asIntN(64, value) === value) return value;
  if (Number.isSafeInteger(value)) return value;
  const also = ENUMS[name] || BITS[name] ? ' or names' : SWITCHES.has(name) ? ', true or false' : '';
  throw wrong(name, `a whole number${also}`, value);
}

const several = (value) => (Array.isArray(value) ? value : [value]);

function servers(value) {
  if (typeof value === 'string' || Array.isArray(value)) return servers({ rendezvous: value });
  if (value === null || typeof value !== 'object') throw wrong('servers', '"host:port", an array or an object', value);
  return Object.entries(value).flatMap(([kind, addresses]) => {
    if (addresses === undefined) return [];
    const key = oneOf('servers', SERVERS, kind);
    return several(addresses).map((address) => [SERVER, key, text(`servers.${kind}`, address)]);
  });
}

function ownDht(value) {
  if (value === false) return [];
  if (value === true) return [[DHT, 0, null]];
  if (value === null || typeof value !== 'object') throw wrong('ownDht', 'true or { nodeId }', value);
  return [[DHT, 0, value.nodeId === undefined ? null : text('ownDht.nodeId', value.nodeId)]];
}

function entries(name, value) {
  if (name === 'servers') return servers(value);
  if (name === 'allow') return several(value).map((who) => [ALLOW, 0, text('allow', who)]);
  if (name === 'ownDht') return ownDht(value);
  const key = KEYS.get(name);
  if (key === undefined) throw failure('P2P_ERR_UNSUPPORTED', `there is no option ${shown(name)}`);
  return [key < 1000 ? [INT, key, number(name, value)] : [TEXT, key, text(name, value)]];
}

/** What is this layer's own, and what is the library's, laid out for the addon. */
function readOptions(options) {
  if (options === null || typeof options !== 'object') throw wrong('s of a net', 'an object', options);
  const { encoding = 'utf8', highWaterMark = 1 << 20, ...rest } = options;
  if (encoding !== 'utf8' && encoding !== 'buffer') throw wrong('encoding', '"utf8" or "buffer"', encoding);
  if (!Number.isSafeInteger(highWaterMark) || highWaterMark < 1) {
    throw wrong('highWaterMark', 'a number of bytes from 1', highWaterMark);
  }
  const list = Object.entries(rest).flatMap(([name, value]) => (value === undefined ? [] : entries(name, value)));
  const raw = list.some(
    ([what, key, value]) => what === INT && key === constants.P2P_OPT_FRAMING && value === constants.P2P_FRAMING_RAW,
  );
  const closeTimeoutMs = Number(options.closeTimeoutMs ?? 1000);
  return { entries: list, buffers: encoding === 'buffer', highWaterMark, raw, closeTimeoutMs };
}

module.exports = { readOptions, optionName, text, ENUMS, BITS, SWITCHES, KEYS };
