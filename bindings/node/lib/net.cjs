'use strict';
// One node. Events come from the addon in batches, on this thread, and are passed on in their order.

const EventEmitter = require('node:events');
const native = require('./native.cjs');
const constants = require('./constants.cjs');
const { Connection } = require('./connection.cjs');
const { P2PError, failure } = require('./errors.cjs');
const { emit, inside, quiet } = require('./internal.cjs');
const { namesOf } = require('./names.cjs');
const { readOptions, text } = require('./options.cjs');
const { Pressure, Queue, Feed } = require('./queue.cjs');
const { Requests, deferred } = require('./requests.cjs');
const views = require('./views.cjs');

const logName = namesOf('P2P_LOG_');

// What a connection or a line costs while it waits, beside its bytes.
const OVERHEAD = 64;

class Net extends EventEmitter {
  #handle;
  #options;
  #requests;
  #state = 'new';
  #connections = new Map();
  #feeds = new Set();
  #warned = false;
  #ready = deferred();
  #ended = deferred();

  constructor(options = {}) {
    super();
    this.#options = readOptions(options);
    this.#handle = native.create(this.#options.entries, this.#options.buffers);
    this.#requests = new Requests(this.#handle);
    quiet(this.#ended.promise);
  }

  // ---- its life ----

  /** Resolved at READY. The net works before that. */
  async start() {
    if (this.#state !== 'new') {
      throw failure(this.#state === 'running' ? 'P2P_ERR_STATE' : 'P2P_ERR_CLOSED', `the net is ${this.#state} already`);
    }
    native.start(this.#handle, (batch) => this.#take(batch));
    this.#state = 'running';
    return this.#ready.promise;
  }

  close() {
    if (this.#state === 'new') this.#free(null);
    else if (this.#state === 'running') this.#stop();
    return this.#ended.promise;
  }

  async #stop() {
    this.#state = 'closing';
    native.holdLoop(this.#handle, true); // who waits for the end is to see it
    const { closeTimeoutMs } = this.#options;
    await Promise.all([...this.#connections.values()].map((conn) => conn[inside.drained](closeTimeoutMs)));
    native.stop(this.#handle);
  }

  #free(error) {
    this.#state = 'closed';
    for (const feed of this.#feeds) feed.end(error);
    this.#feeds.clear();
    this.#requests.end();
    const unready = failure('P2P_ERR_CANCELED', 'the net was closed before it was ready');
    quiet(this.#ready.promise);
    this.#ready.reject(unready);
    native.free(this.#handle).then(() => {
      this.#ended.resolve();
      if (error) emit(this, 'error', error);
      emit(this, 'close');
    });
  }

  get isOpen() {
    return this.#state === 'running';
  }

  ref() {
    native.holdLoop(this.#handle, true);
    return this;
  }

  unref() {
    native.holdLoop(this.#handle, false);
    return this;
  }

  /** A connection is no longer read from, because nobody takes what it brings. Said once. */
  #unread(conn) {
    if (this.#warned) return;
    this.#warned = true;
    process.emitWarning(
      `p2pnet: ${this.#options.highWaterMark} bytes from ${conn.peer} wait, and nobody reads them: its peer has to wait as ` +
        "well. Listen to 'line' (or 'message', 'data'), iterate over the connection, or discard() what it brings.",
    );
  }

  // ---- events ----

  on(name, listener) {
    super.on(name, listener);
    for (const conn of this.#connections.values()) conn[inside.listening](name);
    return this;
  }

  addListener(name, listener) {
    return this.on(name, listener);
  }

  prependListener(name, listener) {
    super.prependListener(name, listener);
    for (const conn of this.#connections.values()) conn[inside.listening](name);
    return this;
  }

  #take(batch) {
    for (let i = 0; i < batch.length; i += 3) {
      const kind = batch[i];
      const what = batch[i + 2];
      const conn = this.#connections.get(batch[i + 1]);
      if (kind === constants.P2P_EVENT_LINE) conn?.[inside.content]('line', what, what.length + OVERHEAD);
      else if (kind === constants.P2P_EVENT_MESSAGE) conn?.[inside.content]('message', what, what.length + OVERHEAD);
      else if (kind === constants.P2P_EVENT_DATA) conn?.[inside.content]('data', what, what.length + OVERHEAD);
      else this.#notice(kind, batch[i + 1], conn, what);
    }
  }

  #notice(kind, id, conn, [request, result, osError, code, message, peer]) {
    switch (kind) {
      case constants.P2P_EVENT_READY:
        this.#ready.resolve(this);
        emit(this, 'ready');
        break;
      case constants.P2P_EVENT_INFO:
        if (this.listenerCount('info') > 0) emit(this, 'info', this.info());
        break;
      case constants.P2P_EVENT_OPENED:
        this.#opened(id, peer, request);
        break;
      case constants.P2P_EVENT_CLOSED:
        this.#connections.delete(id);
        if (conn) emit(this, 'disconnect', conn, conn[inside.closed](result, osError, code, message));
        break;
      case constants.P2P_EVENT_WRITABLE:
        conn?.[inside.writable]();
        break;
      case constants.P2P_EVENT_PATH:
        conn?.[inside.path](code, message, peer);
        break;
      case constants.P2P_EVENT_DONE:
        this.#requests.done(request, result, osError, code, message, id);
        break;
      case constants.P2P_EVENT_LOG:
        emit(this, 'log', { level: logName(code), message });
        break;
      case constants.P2P_EVENT_DHT_SEND:
        emit(this, 'dhtSend', { to: peer, message, request });
        break;
      case constants.P2P_EVENT_DHT_MESSAGE:
        emit(this, 'dhtMessage', message, peer);
        break;
      case constants.P2P_EVENT_STOPPED:
        this.#free(result === constants.P2P_OK ? null : new P2PError(result, message, osError));
        break;
      default: // kinds of later versions
    }
  }

  #opened(id, peer, request) {
    const { raw, highWaterMark, closeTimeoutMs } = this.#options;
    const unread = (it) => this.#unread(it);
    const seam = { handle: this.#handle, raw, highWaterMark, closeTimeoutMs, unread };
    const conn = new Connection(this, seam, id, peer, request || undefined);
    this.#connections.set(id, conn);
    for (const feed of this.#feeds) feed.push({ kind: 'connection', value: conn }, OVERHEAD);
    emit(this, 'connection', conn);
  }

  /** Connections as they are opened, until the net is closed. */
  [Symbol.asyncIterator]() {
    const queue = new Queue(Infinity, new Pressure(() => {}));
    const feed = new Feed(
      queue,
      () => true,
      () => this.#feeds.delete(feed),
    );
    if (this.#state === 'closed') feed.end();
    else this.#feeds.add(feed);
    return feed;
  }

  // ---- requests ----

  #connected(id) {
    const conn = this.#connections.get(id);
    if (!conn) throw failure('P2P_ERR_CLOSED', 'the connection was closed at once');
    return conn;
  }

  bootstrap(options) {
    return this.#requests.make(() => native.bootstrap(this.#handle), (code) => code, options);
  }

  advertise(options) {
    return this.#requests.make(() => native.advertise(this.#handle), () => undefined, options);
  }

  connect(address, options) {
    const begin = () => native.connect(this.#handle, text('address', address));
    return this.#requests.make(begin, (_, id) => this.#connected(id), options);
  }

  connectUnl(locator, options = {}) {
    const begin = () => {
      const unl = text('locator', locator);
      if (options.nonce === undefined && !options.notMaster && !options.noHairpin) {
        return native.unlConnect(this.#handle, unl);
      }
      const nonce = options.nonce === undefined ? null : text('nonce', options.nonce);
      const flags =
        (options.notMaster ? constants.P2P_CLASSIC_NOT_MASTER : 0) |
        (options.noHairpin ? constants.P2P_CLASSIC_NO_HAIRPIN : 0);
      return native.unlConnectClassic(this.#handle, unl, nonce, flags);
    };
    return this.#requests.make(begin, (_, id) => this.#connected(id), options);
  }

  dhtPut(to, message, options) {
    const begin = () => native.dhtPut(this.#handle, text('to', to), text('message', message));
    return this.#requests.make(begin, () => undefined, options);
  }

  /** False: too many wait; try again later. */
  dhtDeliver(from, message) {
    const name = from === null || from === undefined ? null : text('from', from);
    const result = native.dhtDeliver(this.#handle, name, text('message', message));
    if (result === constants.P2P_ERR_WOULD_BLOCK) return false;
    if (result !== constants.P2P_OK) throw new P2PError(result);
    return true;
  }

  networkChanged() {
    native.networkChanged(this.#handle);
  }

  broadcast(line, { except } = {}) {
    if (typeof line !== 'string' && !ArrayBuffer.isView(line)) {
      throw failure('P2P_ERR_INVALID', `expected a string or bytes to send, got ${line === null ? 'null' : typeof line}`);
    }
    if (except !== undefined && !(except instanceof Connection)) {
      throw failure('P2P_ERR_INVALID', 'except: expected a connection');
    }
    const [result, sent] = native.broadcast(this.#handle, except?.id ?? 0, line);
    const complete = result === constants.P2P_OK;
    if (!complete && result !== constants.P2P_ERR_WOULD_BLOCK) throw new P2PError(result);
    return { sent, complete };
  }

  // ---- what it looks like ----

  get connections() {
    return [...this.#connections.values()];
  }

  get port() {
    return native.info(this.#handle).passivePort;
  }

  info() {
    return views.netInfo(native.info(this.#handle));
  }

  stats() {
    return native.stats(this.#handle);
  }

  report() {
    return JSON.parse(native.report(this.#handle));
  }

  explain(request) {
    return JSON.parse(native.explain(this.#handle, request));
  }

  unl(changes = {}) {
    return native.unl(this.#handle, views.changeTexts(changes));
  }

  get dhtId() {
    return native.dhtId(this.#handle);
  }

  [Symbol.for('nodejs.util.inspect.custom')](depth, options, inspect) {
    const connections = this.#connections.size;
    return `Net ${inspect({ state: this.#state, connections }, options)}`;
  }
}

if (Symbol.asyncDispose) {
  Net.prototype[Symbol.asyncDispose] = function dispose() {
    return this.close();
  };
}

module.exports = { Net };
