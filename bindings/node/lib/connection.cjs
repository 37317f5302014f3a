'use strict';
// One connection, as a program sees it. What comes in is inflow.cjs's, what goes out outflow.cjs's.

const EventEmitter = require('node:events');
const native = require('./native.cjs');
const constants = require('./constants.cjs');
const { P2PError, failure, nameOf, words } = require('./errors.cjs');
const { Inflow } = require('./inflow.cjs');
const { emit, inside } = require('./internal.cjs');
const { namesOf } = require('./names.cjs');
const { Outflow } = require('./outflow.cjs');

const viaName = namesOf('P2P_VIA_');
const pathName = namesOf('P2P_PATH_');

/** How a connection ended. That one side closed it is no error. */
function endOf(result, osError, code, message) {
  const failed = result !== constants.P2P_OK && result !== constants.P2P_ERR_CLOSED;
  return Object.freeze({
    code: nameOf(result),
    errno: result,
    message: message || words(result),
    unacknowledged: code,
    error: failed ? new P2PError(result, message, osError) : null,
  });
}

class Connection extends EventEmitter {
  #net;
  #handle;
  #in;
  #out;
  #closeTimeoutMs;
  #end = null;
  #closed = null;

  /** Made by Net only: programs get connections from connect(), 'connection' and `for await (const conn of net)`. */
  constructor(net, seam, id, peer, request) {
    super();
    const info = native.connInfo(seam.handle, id);
    this.#net = net;
    this.#handle = seam.handle;
    this.#closeTimeoutMs = seam.closeTimeoutMs;
    this.#in = new Inflow(this, net, seam.highWaterMark, (on, nobody) => {
      native.connPause(seam.handle, id, on);
      if (on && nobody) seam.unread(this);
    });
    this.#out = new Outflow(seam.handle, id, peer, seam.raw, () => emit(this, 'drain'));
    const fixed = { id, peer, peerId: info?.peerId ?? '', inbound: info?.inbound === 1, request };
    for (const [name, value] of Object.entries(fixed)) Object.defineProperty(this, name, { value, enumerable: true });
  }

  get net() {
    return this.#net;
  }

  get isOpen() {
    return this.#end === null;
  }

  // ---- in ----

  on(name, listener) {
    super.on(name, listener);
    this.#in.listening(name);
    return this;
  }

  addListener(name, listener) {
    return this.on(name, listener);
  }

  prependListener(name, listener) {
    super.prependListener(name, listener);
    this.#in.listening(name);
    return this;
  }

  [Symbol.asyncIterator]() {
    return this.#in.feed(() => true);
  }

  lines() {
    return this.#in.feed((item) => item.kind === 'line');
  }

  messages() {
    return this.#in.feed((item) => item.kind !== 'line');
  }

  discard() {
    this.#in.discard();
    return this;
  }

  // ---- out ----

  send(data) {
    return this.#out.send('any', data);
  }

  sendLine(line) {
    return this.#out.send('line', line);
  }

  sendLines(lines) {
    return this.#out.sendLines(lines);
  }

  sendMessage(data) {
    return this.#out.send('message', data);
  }

  trySend(data) {
    return this.#out.trySend(data);
  }

  // ---- its state ----

  info() {
    const raw = native.connInfo(this.#handle, this.id);
    if (!raw) throw failure('P2P_ERR_CLOSED', `the connection with ${this.peer} is closed`);
    return { ...raw, via: viaName(raw.via), path: pathName(raw.path), inbound: raw.inbound === 1 };
  }

  get closed() {
    if (!this.#closed) {
      this.#closed = {};
      this.#closed.promise = new Promise((resolve) => {
        this.#closed.resolve = resolve;
      });
      if (this.#end) this.#closed.resolve(this.#end);
    }
    return this.#closed.promise;
  }

  async close() {
    await this.#out.close(this.#closeTimeoutMs);
    return this.closed;
  }

  [Symbol.for('nodejs.util.inspect.custom')](depth, options, inspect) {
    const { id, peer, inbound, isOpen } = this;
    return `Connection ${inspect({ id, peer, inbound, isOpen }, options)}`;
  }

  // ---- what the net tells it ----

  [inside.content](kind, value, size) {
    this.#in.push(kind, value, size);
  }

  [inside.writable]() {
    this.#out.writable();
  }

  [inside.path](code, message, peer) {
    const change = { path: pathName(code), message, peer };
    emit(this, 'path', change);
    emit(this.#net, 'path', change, this);
  }

  [inside.closed](...what) {
    this.#end = endOf(...what);
    this.#out.closed(this.#end);
    this.#in.end(this.#end);
    this.#closed?.resolve(this.#end);
    return this.#end;
  }

  [inside.listening](name) {
    this.#in.listening(name);
  }

  [inside.drained](milliseconds) {
    return this.#out.drained(milliseconds);
  }
}

if (Symbol.asyncDispose) {
  Connection.prototype[Symbol.asyncDispose] = async function dispose() {
    await this.close();
  };
}

module.exports = { Connection };
