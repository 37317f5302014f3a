'use strict';
// What comes in on one connection, on its way to whoever listens or iterates, on the connection or on its net.
//
// While nobody does, it is kept, in order, and given to the first who comes: `const conn = await net.connect(...)` and
// then `conn.on('line', ...)` misses nothing, nor does one once() after the other. What is kept is bounded (queue.cjs).

const { Pressure, Queue, Feed } = require('./queue.cjs');
const { emit } = require('./internal.cjs');

const CONTENT = ['line', 'message', 'data'];

class Inflow {
  #conn;
  #net;
  #held;
  #newQueue;
  #feeds = new Set();
  #flushing = false;
  #end = null;
  #told = false;

  /** `pause(on, nobody)`: the connection is not to be read from; `nobody`: because nobody takes what comes. */
  constructor(conn, net, highWaterMark, pause) {
    this.#conn = conn;
    this.#net = net;
    const pressure = new Pressure((on) => pause(on, this.#held.isOver && !this.#hasConsumer()));
    this.#newQueue = () => new Queue(highWaterMark, pressure);
    this.#held = this.#newQueue();
  }

  push(kind, value, size) {
    if (this.#held.length > 0 || !this.#give(kind, value, size)) this.#held.push({ kind, value, size }, size);
  }

  /** Whether somebody took it, or at least takes what is of another kind. */
  #give(kind, value, size) {
    let taken = emit(this.#net, kind, value, this.#conn);
    if (emit(this.#conn, kind, value)) taken = true;
    for (const feed of this.#feeds) {
      feed.push({ kind, value, size }, size);
      taken = true;
    }
    return taken || this.#hasConsumer();
  }

  #hasConsumer() {
    const listens = (emitter) => CONTENT.some((kind) => emitter.listenerCount(kind) > 0);
    return this.#feeds.size > 0 || listens(this.#conn) || listens(this.#net);
  }

  /** Somebody has begun to listen. Later in this turn, so that all who do so now get everything. */
  listening(name) {
    const waits = CONTENT.includes(name) ? this.#held.length > 0 : name === 'close' && this.#end && !this.#told;
    if (waits) this.#flushSoon();
  }

  #flushSoon() {
    if (this.#flushing) return;
    this.#flushing = true;
    process.nextTick(() => {
      this.#flushing = false;
      while (this.#held.length > 0 && this.#hasConsumer()) {
        const { kind, value, size } = this.#held.shift();
        this.#give(kind, value, size);
      }
      this.#tellEnd();
    });
  }

  end(end) {
    this.#end = end;
    if (!this.#flushing) this.#tellEnd();
  }

  /** 'close' comes once: now, or when somebody begins to listen for it. Iterators end behind what they have to show. */
  #tellEnd() {
    if (!this.#end) return;
    for (const feed of this.#feeds) feed.end(this.#end.error);
    this.#feeds.clear();
    if (!this.#told && this.#conn.listenerCount('close') > 0) {
      this.#told = true;
      emit(this.#conn, 'close', this.#end);
    }
  }

  /** An iterator over what `wants(item)` says. */
  feed(wants) {
    const feed = new Feed(this.#newQueue(), wants, (queue) => {
      this.#feeds.delete(feed);
      // What the program has not seen is for whoever comes next.
      if (!this.#hasConsumer()) queue.moveBefore(this.#held);
    });
    this.#feeds.add(feed);
    this.#flushSoon();
    return feed;
  }

  /** Throws away what is kept, and what comes from now on. */
  discard() {
    this.#feeds.add({ push() {}, end() {} });
    this.#flushSoon();
  }
}

module.exports = { Inflow };
