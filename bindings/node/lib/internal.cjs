'use strict';
// What the classes share and programs do not see.

/** Runs listeners. What one of them throws goes the way of every exception, but later: the events behind it still come. */
function emit(emitter, ...args) {
  try {
    return emitter.emit(...args);
  } catch (thrown) {
    process.nextTick(() => {
      throw thrown;
    });
    return true;
  }
}

/** Says that a rejection of this promise that nobody looks at is no reason to end the program. */
function quiet(promise) {
  promise.catch(() => {});
  return promise;
}

/** The methods by which a net speaks to its connections. */
const inside = {
  content: Symbol('content'),
  writable: Symbol('writable'),
  path: Symbol('path'),
  closed: Symbol('closed'),
  listening: Symbol('listening'),
  drained: Symbol('drained'),
};

module.exports = { emit, quiet, inside };
