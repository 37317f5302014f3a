'use strict';
// What goes out on one connection: at once if there is room, else in turn when the library says that there is some.

const native = require('./native.cjs');
const constants = require('./constants.cjs');
const { P2PError, failure, words } = require('./errors.cjs');
const { quiet } = require('./internal.cjs');

/** Bytes that may wait here beside the library's sendBuffer. Who does not await send() finds out at this limit. */
const MOST = 16 << 20;
const DONE = Promise.resolve();
/** A loop of sends that all find room never lets the event loop turn; after so many bytes it has to wait for that. */
const BURST = 256 << 10;
const COST = 256;

const { P2P_OK, P2P_ERR_WOULD_BLOCK, P2P_ERR_NOT_FOUND, P2P_ERR_CLOSED } = constants;
const WHY = {
  [constants.P2P_ERR_INVALID]: 'a line has one byte at least, and no CR LF inside',
  [constants.P2P_ERR_TOO_LARGE]: 'the options maxLine and maxMessage say how long one may be',
  [constants.P2P_ERR_UNSUPPORTED]:
    "messages need the secure dialect (dialect: 'secure') or raw framing (framing: 'raw'), lines the framing 'lines'",
};

class Outflow {
  #handle;
  #id;
  #peer;
  #raw;
  #pending = [];
  #bytes = 0;
  #burst = 0;
  #closing = false;
  #end = null;
  #drained = [];

  constructor(handle, id, peer, raw) {
    this.#handle = handle;
    this.#id = id;
    this.#peer = peer;
    this.#raw = raw;
  }

  #write(kind, data) {
    const asLine = kind === 'line' || (kind === 'any' && typeof data === 'string' && !this.#raw);
    return asLine ? native.sendLine(this.#handle, this.#id, data) : native.send(this.#handle, this.#id, data);
  }

  #failed(result) {
    if (result === P2P_ERR_NOT_FOUND || result === P2P_ERR_CLOSED) return this.#isClosed();
    return new P2PError(result, WHY[result] ? `${words(result)}: ${WHY[result]}` : '');
  }

  #isClosed() {
    const why = this.#end && !this.#closing ? ` (${this.#end.message})` : '';
    return failure('P2P_ERR_CLOSED', `the connection with ${this.#peer} is closed${why}`);
  }

  /** Data as the addon takes it. */
  #checked(data) {
    if (typeof data === 'string' || ArrayBuffer.isView(data)) return data;
    if (data instanceof ArrayBuffer || data instanceof SharedArrayBuffer) return new Uint8Array(data);
    throw failure('P2P_ERR_INVALID', `expected a string or bytes to send, got ${data === null ? 'null' : typeof data}`);
  }

  /** A promise of its having been taken by the library. */
  send(kind, given) {
    let data;
    try {
      data = this.#checked(given);
    } catch (error) {
      return Promise.reject(error);
    }
    if (this.#closing || this.#end) return quiet(Promise.reject(this.#isClosed()));
    if (this.#pending.length > 0) return this.#later(kind, data);
    const result = this.#write(kind, data);
    if (result === P2P_OK) return this.#sent(data.length ?? data.byteLength);
    if (result === P2P_ERR_WOULD_BLOCK) return this.#later(kind, data);
    return this.#rejected(this.#failed(result));
  }

  #sent(size) {
    this.#burst += size + COST;
    if (this.#burst < BURST) return DONE;
    this.#burst = 0;
    return new Promise((resolve) => setImmediate(resolve));
  }

  /** That a peer has left is told by 'close', so nobody has to look at each send for that. */
  #rejected(error) {
    const promise = Promise.reject(error);
    return error.errno === P2P_ERR_CLOSED ? quiet(promise) : promise;
  }

  #later(kind, data) {
    const size = typeof data === 'string' ? data.length : data.byteLength;
    if (this.#pending.length > 0 && this.#bytes + size > MOST) {
      const message = `${this.#bytes} bytes wait to be sent to ${this.#peer}, which does not read: await what send() gives`;
      return Promise.reject(failure('P2P_ERR_WOULD_BLOCK', message));
    }
    // The program may use its memory again.
    const copy = typeof data === 'string' ? data : Buffer.from(Buffer.from(data.buffer, data.byteOffset, data.byteLength));
    this.#bytes += size;
    return new Promise((resolve, reject) => this.#pending.push({ kind, data: copy, size, resolve, reject }));
  }

  /** Whether it was taken. False: nothing was, and 'drain' follows. */
  trySend(given) {
    const data = this.#checked(given);
    if (this.#closing || this.#end) throw this.#isClosed();
    if (this.#pending.length > 0) return false;
    const result = this.#write('any', data);
    if (result === P2P_OK) return true;
    if (result === P2P_ERR_WOULD_BLOCK) return false;
    throw this.#failed(result);
  }

  /** There is room again. Whether there still is when everything that waited has been sent. */
  writable() {
    while (this.#pending.length > 0) {
      const { kind, data, size, resolve, reject } = this.#pending[0];
      const result = this.#write(kind, data);
      if (result === P2P_ERR_WOULD_BLOCK) return false;
      this.#pending.shift();
      this.#bytes -= size;
      if (result === P2P_OK) resolve();
      else reject(this.#failed(result));
    }
    this.#tellDrained();
    return true;
  }

  #tellDrained() {
    for (const tell of this.#drained.splice(0)) tell();
  }

  /** Resolved when nothing waits here, but after so many milliseconds at the latest. */
  drained(milliseconds) {
    if (this.#pending.length === 0) return DONE;
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.#drained.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  async close(milliseconds) {
    if (this.#closing || this.#end) return;
    this.#closing = true;
    await this.drained(milliseconds);
    if (!this.#end) native.connClose(this.#handle, this.#id);
  }

  /** It is gone, and with it what waits here. */
  closed(end) {
    this.#end = end;
    for (const { reject } of this.#pending.splice(0)) reject(this.#isClosed());
    this.#bytes = 0;
    this.#tellDrained();
  }
}

module.exports = { Outflow };
