'use strict';
// What has come and is not used yet, and the iterators that use it.
//
// Memory is bounded: while a connection's queues hold more than their limit it is not read from (Pressure), and TCP slows
// its peer. Nothing is ever thrown away, and other connections do not notice.

/** Counts the queues of a connection that are over their limit, and tells when one is, and when none is any more. */
class Pressure {
  #over = 0;
  #tell;

  constructor(tell) {
    this.#tell = tell;
  }

  change(by) {
    const before = this.#over;
    this.#over += by;
    if ((before === 0) !== (this.#over === 0)) this.#tell(this.#over > 0);
  }
}

/** First in, first out, with a size for each element. */
class Queue {
  #items = [];
  #head = 0;
  #bytes = 0;
  #over = false;
  #limit;
  #pressure;

  constructor(limit, pressure) {
    this.#limit = limit;
    this.#pressure = pressure;
  }

  get length() {
    return (this.#items.length - this.#head) / 2;
  }

  get isOver() {
    return this.#over;
  }

  #weigh(by) {
    this.#bytes += by;
    const over = this.#over ? this.#bytes > this.#limit / 2 : this.#bytes > this.#limit;
    if (over !== this.#over) {
      this.#over = over;
      this.#pressure.change(over ? 1 : -1);
    }
  }

  push(item, size) {
    this.#items.push(item, size);
    this.#weigh(size);
  }

  shift() {
    const item = this.#items[this.#head];
    const size = this.#items[this.#head + 1];
    this.#items[this.#head] = undefined;
    this.#head += 2;
    if (this.#head === this.#items.length) {
      this.#items = [];
      this.#head = 0;
    } else if (this.#head > 1024 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    this.#weigh(-size);
    return item;
  }

  /** Puts all of this in front of what another queue holds. */
  moveBefore(other) {
    const mine = this.#items.slice(this.#head);
    other.#items = mine.concat(other.#items.slice(other.#head));
    other.#head = 0;
    const bytes = this.#bytes;
    this.clear();
    other.#weigh(bytes);
  }

  clear() {
    this.#items = [];
    this.#head = 0;
    this.#weigh(-this.#bytes);
  }
}

/** An async iterator over a queue of its own. */
class Feed {
  #queue;
  #waiting = [];
  #end = null;
  #onReturn;
  #wants;

  /** `wants(item)`: what is not for this iterator is passed over. `onReturn(queue)`: the program wants no more. */
  constructor(queue, wants, onReturn) {
    this.#queue = queue;
    this.#wants = wants;
    this.#onReturn = onReturn;
  }

  push(item, size) {
    if (this.#end || !this.#wants(item)) return;
    const waiter = this.#waiting.shift();
    if (waiter) waiter.resolve({ value: item.value, done: false });
    else this.#queue.push(item, size);
  }

  /** Nothing more comes; `error` tells why, if it should not have ended. */
  end(error = null) {
    if (this.#end) return;
    this.#end = { error };
    for (const waiter of this.#waiting.splice(0)) {
      if (this.#end.error) waiter.reject(this.#takeError());
      else waiter.resolve({ value: undefined, done: true });
    }
  }

  #takeError() {
    const { error } = this.#end;
    this.#end.error = null;
    return error;
  }

  next() {
    if (this.#queue.length > 0) return Promise.resolve({ value: this.#queue.shift().value, done: false });
    if (this.#end?.error) return Promise.reject(this.#takeError());
    if (this.#end) return Promise.resolve({ value: undefined, done: true });
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  return(value) {
    this.end();
    this.#end.error = null;
    this.#onReturn(this.#queue);
    this.#queue.clear();
    return Promise.resolve({ value, done: true });
  }

  [Symbol.asyncIterator]() {
    return this;
  }
}

module.exports = { Pressure, Queue, Feed };
