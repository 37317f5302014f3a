// What the tests share. Everything happens on 127.0.0.0/8; a net gets an address of its own.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Net } from 'p2pnet';

setFlagsFromString('--expose-gc');
export const collect = runInNewContext('gc');

/** Milliseconds that decide nothing but that something hangs. */
export const HUNG = 60_000;

let last = 10;
/** 127.7.x.y, another one each time. */
export function address() {
  last += 1;
  return `127.7.${process.pid % 250}.${last}`;
}

export const SECURE = { dialect: 'secure', nodeType: 'passive', netType: 'direct' };
export const CLASSIC = { dialect: 'classic', nodeType: 'passive', netType: 'p2p' };

/** A net that has been started, and is closed when the test ends. A server that does not get the CPU is waited for. */
export async function started(t, options = {}) {
  const bind = address();
  const net = new Net({ ...SECURE, passiveBind: bind, serverTimeoutMs: HUNG, ...options });
  t.after(() => net.close());
  await net.start();
  net.at = `${bind}:${net.port}`;
  return net;
}

/** Two nets with a connection: { a, b, atA, atB }. */
export async function pair(t, options = {}) {
  const a = await started(t, options);
  const b = await started(t, options);
  const opened = once(b, 'connection');
  const atA = await a.connect(b.at);
  const [atB] = await opened;
  return { a, b, atA, atB };
}

/** So many items of an iterator. */
export async function take(iterable, count) {
  const items = [];
  for await (const item of iterable) {
    items.push(item);
    if (items.length === count) break;
  }
  return items;
}

/** Resolved when the condition holds; looks at it on each turn of the loop. */
export async function until(condition) {
  const end = performance.now() + HUNG;
  while (!condition()) {
    assert.ok(performance.now() < end, `hung: ${condition}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Resident memory in bytes after everything that can be collected has been. */
export async function settledMemory() {
  for (let i = 0; i < 5; i += 1) {
    collect();
    await new Promise((resolve) => setImmediate(resolve));
  }
  return process.memoryUsage.rss();
}
