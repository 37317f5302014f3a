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
/** What the library is given of many lines in one call: so many, and no further one behind so many bytes. */
const AT_ONCE = 256;
const PIECE = 64 << 10;

const { P2P_OK, P2P_ERR_WOULD_BLOCK, P2P_ERR_NOT_FOUND, P2P_ERR_CLOSED } = constants;
const WHY = {
  [constants.P2P_ERR_INVALID]: 'a line has one byte at least, and no CR LF inside',
  [constants.P2P_ERR_TOO_LARGE]: 'the options maxLine and maxMessage say how long one may be',
  [constants.P2P_ERR_UNSUPPORTED]:
    "messages need the secure dialect (dialect: 'secure') or raw framing (framing: 'raw'), lines the framing 'lines'",
};

const sizeOf = (data) => (typeof data === 'string' ? data.length : data.byteLength);
/** Data in memory of its own: the program may use its again. */
const copyOf = (data) =>
  typeof data === 'string' ? data : Buffer.from(Buffer.from(data.buffer, data.byteOffset, data.byteLength));

/** Data as the addon takes it. */
function checked(data, where = '') {
  if (typeof data === 'string' || ArrayBuffer.isView(data)) return data;
  if (data instanceof ArrayBuffer || data instanceof SharedArrayBuffer) return new Uint8Array(data);
  const got = data === null ? 'null' : typeof data;
  throw failure('P2P_ERR_INVALID', `${where}expected a string or bytes to send, got ${got}`);
}

/** Which line of many an error is about. */
function at(index, error) {
  error.index = index;
  return error;
}

/** Many lines, and how far they have been sent. `wrong`: what stands in the program's list behind them is none. */
function many(given) {
  if (typeof given?.[Symbol.iterator] !== 'function' || typeof given === 'string' || ArrayBuffer.isView(given)) {
    throw failure('P2P_ERR_INVALID', 'expected an iterable of lines, each a string or bytes: sendLines([line])');
  }
  const batch = { kind: 'lines', lines: [], next: 0, size: 0, wrong: null };
  const all = Array.isArray(given) ? given : Array.from(given);
  for (let i = 0; i < all.length && !batch.wrong; i += 1) {
    try {
      batch.lines.push(checked(all[i], `lines[${i}]: `));
      batch.size += sizeOf(batch.lines[i]);
    } catch (error) {
      batch.wrong = at(i, error);
    }
  }
  return batch;
}

class Outflow {
  #handle;
  #id;
  #peer;
  #raw;
  #tellRoom;
  #pending = [];
  #bytes = 0;
  #burst = 0;
  #turning = false;
  #closing = false;
  #end = null;
  #drained = [];

  /** `tellRoom()`: what has waited is sent, and there still is room. */
  constructor(handle, id, peer, raw, tellRoom) {
    this.#handle = handle;
    this.#id = id;
    this.#peer = peer;
    this.#raw = raw;
    this.#tellRoom = tellRoom;
  }

  #write(kind, data) {
    const asLine = kind === 'line' || (kind === 'any' && typeof data === 'string' && !this.#raw);
    return asLine ? native.sendLine(this.#handle, this.#id, data) : native.send(this.#handle, this.#id, data);
  }

  /** Sends lines while there is room. P2P_ERR_WOULD_BLOCK: the others follow when there is, or the event loop has turned. */
  #writeLines(batch) {
    const { lines } = batch;
    while (batch.next < lines.length) {
      if (this.#burst >= BURST) {
        this.#turn();
        return P2P_ERR_WOULD_BLOCK;
      }
      const most = Math.min(batch.next + AT_ONCE, lines.length);
      let end = batch.next;
      for (let size = 0; end < most && size < PIECE; end += 1) size += sizeOf(lines[end]);
      const [result, taken] = native.sendLines(this.#handle, this.#id, lines, batch.next, end);
      for (let i = 0; i < taken; i += 1, batch.next += 1) {
        const size = sizeOf(lines[batch.next]);
        this.#burst += size + COST;
        batch.size -= size;
      }
      if (result !== P2P_OK) return result;
    }
    return P2P_OK;
  }

  /** What has waited goes on when the event loop has turned. */
  #turn() {
    if (this.#turning) return;
    this.#turning = true;
    setImmediate(() => {
      this.#turning = false;
      this.#burst = 0;
      if (this.#pending.length > 0) this.writable();
    });
  }

  #failed(result, where = '') {
    if (result === P2P_ERR_NOT_FOUND || result === P2P_ERR_CLOSED) return this.#isClosed();
    return new P2PError(result, `${where}${words(result)}${WHY[result] ? `: ${WHY[result]}` : ''}`);
  }

  /** Why no more of these lines were sent than were; null if all of them were. */
  #failedLines(batch, result) {
    if (result === P2P_OK) return batch.wrong;
    return at(batch.next, this.#failed(result, `lines[${batch.next}]: `));
  }

  /** What became of something that has waited. */
  #settle(what, result) {
    const { lines, resolve, reject, promise } = what;
    if (!lines && result === P2P_OK) return resolve();
    const error = lines ? this.#failedLines(what, result) : this.#failed(result);
    if (!error) return resolve();
    reject(error);
    return error.errno === P2P_ERR_CLOSED && quiet(promise);
  }

  #isClosed() {
    const why = this.#end && !this.#closing ? ` (${this.#end.message})` : '';
    return failure('P2P_ERR_CLOSED', `the connection with ${this.#peer} is closed${why}`);
  }

  /** A promise of its having been taken by the library. */
  send(kind, given) {
    let data;
    try {
      data = checked(given);
    } catch (error) {
      return Promise.reject(error);
    }
    if (this.#closing || this.#end) return this.#rejected(this.#isClosed());
    if (this.#pending.length > 0) return this.#later({ kind, data, size: sizeOf(data) });
    const result = this.#write(kind, data);
    if (result === P2P_ERR_WOULD_BLOCK) return this.#later({ kind, data, size: sizeOf(data) });
    if (result !== P2P_OK) return this.#rejected(this.#failed(result));
    this.#burst += sizeOf(data) + COST;
    return this.#sent();
  }

  /** The same for many lines, in their order and with nothing between them. */
  sendLines(given) {
    let batch;
    try {
      batch = many(given);
    } catch (error) {
      return Promise.reject(error);
    }
    if (this.#closing || this.#end) return this.#rejected(at(0, this.#isClosed()));
    if (this.#pending.length > 0 && batch.lines.length > 0) return this.#later(batch);
    const result = this.#writeLines(batch);
    if (result === P2P_ERR_WOULD_BLOCK) return this.#later(batch);
    const error = this.#failedLines(batch, result);
    return error ? this.#rejected(error) : this.#sent();
  }

  #sent() {
    if (this.#burst < BURST) return DONE;
    this.#burst = 0;
    return new Promise((resolve) => setImmediate(resolve));
  }

  /** That a peer has left is told by 'close', so nobody has to look at each send for that. */
  #rejected(error) {
    const promise = Promise.reject(error);
    return error.errno === P2P_ERR_CLOSED ? quiet(promise) : promise;
  }

  #later(what) {
    if (this.#pending.length > 0 && this.#bytes + what.size > MOST) {
      const message = `${this.#bytes} bytes wait to be sent to ${this.#peer}, which does not read: await what send() gives`;
      const error = failure('P2P_ERR_WOULD_BLOCK', message);
      return Promise.reject(what.lines ? at(0, error) : error);
    }
    if (what.lines) what.lines = what.lines.map((line, i) => (i < what.next ? '' : copyOf(line)));
    else what.data = copyOf(what.data);
    this.#bytes += what.size;
    what.promise = new Promise((resolve, reject) => {
      Object.assign(what, { resolve, reject });
    });
    this.#pending.push(what);
    return what.promise;
  }

  /** Whether it was taken. False: nothing was, and 'drain' follows. */
  trySend(given) {
    const data = checked(given);
    if (this.#closing || this.#end) throw this.#isClosed();
    if (this.#pending.length > 0) return false;
    const result = this.#write('any', data);
    if (result === P2P_OK) return true;
    if (result === P2P_ERR_WOULD_BLOCK) return false;
    throw this.#failed(result);
  }

  /** There is room again, for what waits. */
  writable() {
    while (this.#pending.length > 0) {
      const first = this.#pending[0];
      const before = first.size;
      const result = first.lines ? this.#writeLines(first) : this.#write(first.kind, first.data);
      if (result === P2P_ERR_WOULD_BLOCK) {
        this.#bytes -= before - first.size;
        return;
      }
      this.#pending.shift();
      this.#bytes -= before;
      this.#settle(first, result);
    }
    this.#tellDrained();
    this.#tellRoom();
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
    for (const what of this.#pending.splice(0)) this.#settle(what, P2P_ERR_CLOSED);
    this.#bytes = 0;
    this.#tellDrained();
  }
}

module.exports = { Outflow };
