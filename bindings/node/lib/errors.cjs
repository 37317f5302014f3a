'use strict';
// Failures: the library's result by its C name in `code`, its number in `errno`, its sentence in `message`.

const util = require('node:util');
const constants = require('./constants.cjs');

const NAMES = new Map(
  Object.entries(constants)
    .filter(([name]) => name === 'P2P_OK' || name.startsWith('P2P_ERR_'))
    .map(([name, number]) => [number, name]),
);

let words = (errno) => `result ${errno}`;

/** The C name of a result. */
function nameOf(errno) {
  return NAMES.get(errno) ?? `P2P_ERR_${-errno}`;
}

class P2PError extends Error {
  constructor(errno, message, osError = 0, options = undefined) {
    super(message || words(errno), options);
    this.code = nameOf(errno);
    this.errno = errno;
    if (osError) {
      this.osError = osError;
      try {
        this.osCode = util.getSystemErrorName(-osError);
      } catch {
        // A number that Node has no name for.
      }
    }
  }
}
Object.defineProperty(P2PError.prototype, 'name', { value: 'P2PError', writable: true, configurable: true });

/** A request that the program gave up by an AbortSignal. */
class P2PAbortError extends P2PError {
  constructor(cause) {
    super(constants.P2P_ERR_CANCELED, 'The operation was aborted', 0, { cause });
    this.code = 'ABORT_ERR';
  }
}
Object.defineProperty(P2PAbortError.prototype, 'name', { value: 'AbortError', writable: true, configurable: true });

module.exports = {
  P2PError,
  P2PAbortError,
  nameOf,
  fromResult: (errno, osError, message) => new P2PError(errno, message, osError),
  /** An error of this layer's own making. */
  failure: (name, message) => new P2PError(constants[name], message),
  setWords: (function_) => {
    words = function_;
  },
  words: (errno) => words(errno),
};
