'use strict';
// What was asked and is not answered yet: a promise for each request of a net.

const native = require('./native.cjs');
const constants = require('./constants.cjs');
const { P2PError, P2PAbortError, failure } = require('./errors.cjs');

function deferred() {
  const it = {};
  it.promise = new Promise((resolve, reject) => Object.assign(it, { resolve, reject }));
  return it;
}

class Requests {
  #handle;
  #open = new Map();

  constructor(handle) {
    this.#handle = handle;
  }

  /** `begin()` gives the request's number, or throws. `answer(code, conn)` makes the promise's value of a success. */
  async make(begin, answer, options = {}) {
    const { signal } = options;
    if (signal !== undefined && typeof signal?.addEventListener !== 'function') {
      throw failure('P2P_ERR_INVALID', `signal: expected an AbortSignal, got ${signal === null ? 'null' : typeof signal}`);
    }
    if (signal?.aborted) throw new P2PAbortError(signal.reason);
    const request = begin();
    const open = { ...deferred(), answer, signal };
    if (signal) {
      // The answer is waited for: the connection may be there already, and it is then the program's.
      open.abort = () => native.cancel(this.#handle, request);
      signal.addEventListener('abort', open.abort, { once: true });
    }
    this.#open.set(request, open);
    return open.promise;
  }

  done(request, result, osError, code, message, conn) {
    const open = this.#open.get(request);
    if (!open) return;
    this.#open.delete(request);
    open.signal?.removeEventListener('abort', open.abort);
    if (result === constants.P2P_OK) {
      try {
        open.resolve(open.answer(code, conn));
        return;
      } catch (error) {
        open.reject(error);
        return;
      }
    }
    const canceled = result === constants.P2P_ERR_CANCELED;
    const aborted = canceled && open.signal?.aborted;
    const error = aborted ? new P2PAbortError(open.signal.reason) : new P2PError(result, message, osError);
    error.request = request;
    open.reject(error);
  }

  /** The net has ended; the library has answered everything by then, but who knows. */
  end() {
    for (const request of [...this.#open.keys()]) {
      this.done(request, constants.P2P_ERR_CANCELED, 0, 0, 'the net was closed', 0);
    }
  }
}

module.exports = { Requests, deferred };
