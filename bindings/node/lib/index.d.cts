/// <reference types="node" />
import { EventEmitter } from 'node:events';
import constants = require('./constants.cjs');
import {
  Allocation,
  CandidateKind,
  Forwarding,
  LibraryOptions,
  LogLevel,
  Mapping,
  NatType,
  NodeType,
  Path,
  ResultCode,
  ServerKind,
  Unsolicited,
  Via,
} from './types.cjs';

export * from './types.cjs';
export { constants };

/** Servers by kind: one address or several. */
export type Servers = Partial<Record<ServerKind, string | readonly string[]>>;

/** Options of a net: those of the library, and what is Node's own. */
export interface NetOptions extends LibraryOptions {
  /** "host:port" of a rendezvous server, several, or servers by kind. They are asked in this order. */
  servers?: string | readonly string[] | Servers | undefined;
  /** Keys or locators of the nodes that may connect, and be connected to (secure dialect). All others are turned away. */
  allow?: string | readonly string[] | undefined;
  /** The program carries messages between nodes itself: 'dhtSend' and dhtDeliver(). */
  ownDht?: boolean | { nodeId?: string | undefined } | undefined;
  /** "utf8": lines are strings, what is no UTF-8 in them is replaced. "buffer": they are Buffers, byte for byte. */
  encoding?: 'utf8' | 'buffer' | undefined;
  /** 1048576; bytes of one connection that may wait here for the program before it is no longer read from. */
  highWaterMark?: number | undefined;
}

export interface RequestOptions {
  /** Gives the request up; it is then rejected with an AbortError. */
  signal?: AbortSignal | undefined;
}

export interface ConnectUnlOptions extends RequestOptions {
  /** Classic dialect: 64 hexadecimal digits from which both ends make the connection's id. */
  nonce?: string | undefined;
  /** Classic dialect: both ends call at once, and want one connection (P2P_CLASSIC_NOT_MASTER). */
  notMaster?: boolean | undefined;
  /** Classic dialect: two nodes behind one address do not reach each other inside (P2P_CLASSIC_NO_HAIRPIN). */
  noHairpin?: boolean | undefined;
}

/** A failure, with the library's own sentence in `message`. */
export class P2PError extends Error {
  constructor(errno: number, message?: string, osError?: number, options?: { cause?: unknown });
  /** The result's C name. "ABORT_ERR" (name "AbortError") for what an AbortSignal has given up. */
  code: ResultCode | 'ABORT_ERR';
  /** Its number, negative. */
  errno: number;
  /** The operating system's error number, if one led to it. */
  osError?: number;
  /** Its name: "ECONNREFUSED". */
  osCode?: string;
  /** The request that failed; explain() tells its story. */
  request?: number;
  /** sendLines(): which line was not sent, counted from 0. Those before it were, none behind it was. */
  index?: number;
}

/** How a connection ended. */
export interface ConnectionEnd {
  /** "P2P_OK": this side closed it. "P2P_ERR_CLOSED": the peer did. */
  readonly code: ResultCode;
  readonly errno: number;
  readonly message: string;
  /** Secure dialect: how many lines and messages sent were not acknowledged. */
  readonly unacknowledged: number;
  /** null if one of the two sides closed it. */
  readonly error: P2PError | null;
}

export interface PathChange {
  path: Path;
  message: string;
  peer: string;
}

export interface ConnectionInfo {
  via: Via;
  inbound: boolean;
  queuedBytes: number;
  unreadBytes: number;
  bytesIn: number;
  bytesOut: number;
  ageMs: number;
  peer: string;
  conId: string;
  peerId: string;
  rttUs: number;
  unackedBytes: number;
  resends: number;
  resumptions: number;
  path: Path;
  /** By which relay it goes, `host:port`; `''` for none. */
  relay: string;
}

export interface NetInfo {
  nodeType: NodeType;
  nat: NatType;
  /** null: not known. */
  reachable: boolean | null;
  reachableV6: boolean | null;
  passivePort: number;
  inbound: number;
  outbound: number;
  lanIp: string;
  wanIp: string;
  wanIp6: string;
  forwarding: Forwarding;
  externalPort: number;
  mapping: Mapping;
  allocation: Allocation;
  natDelta: number;
  unsolicited: Unsolicited;
  hairpin: boolean | null;
  doubleNat: boolean | null;
  /** True time minus the system's clock; null: not known. */
  clockOffsetUs: number | null;
}

export interface NetStats {
  linesIn: number;
  linesOut: number;
  bytesIn: number;
  bytesOut: number;
  duplicates: number;
  opened: number;
  closed: number;
  rejected: number;
  logDropped: number;
  eventsQueued: number;
}

export interface UnlInfo {
  version: number;
  nodeType: NodeType;
  nat: NatType;
  forwarding: Forwarding;
  mapping: Mapping;
  allocation: Allocation;
  natDelta: number;
  /** null: it says nothing of that. */
  expires: Date | null;
  id: string;
  network: string;
  candidates: { kind: CandidateKind; address: string }[];
}

/** A line: a string, or with encoding "buffer" a Buffer. */
export type Line = string | Buffer;
/** What send() takes: a string is a line, bytes are a message; with raw framing both are bytes. */
export type Sendable = string | NodeJS.ArrayBufferView | ArrayBuffer | SharedArrayBuffer;

export interface ConnectionEvents {
  line: [line: string];
  message: [message: Buffer];
  data: [data: Buffer];
  /** There is room again after trySend() has said false. */
  drain: [];
  path: [change: PathChange];
  /** Once; also for those who begin to listen afterwards. */
  close: [end: ConnectionEnd];
}

/**
 * One connection. What it brings goes to its listeners, its iterators and the net's listeners; while there is none of
 * them it is kept, so that nothing is missed.
 */
export class Connection extends EventEmitter<ConnectionEvents> implements AsyncIterable<string | Buffer> {
  private constructor();
  /** Never used twice in a net; a number, exact below 2^53. */
  readonly id: number;
  /** "ip:port" of the peer when the connection was opened; info() knows where it is now. */
  readonly peer: string;
  /** The peer's key (secure dialect), else "". */
  readonly peerId: string;
  readonly inbound: boolean;
  /** The request it came from. */
  readonly request: number | undefined;
  readonly net: Net;
  readonly isOpen: boolean;
  /** Resolved when it is closed, with how. */
  readonly closed: Promise<ConnectionEnd>;

  /**
   * Sends a line (a string) or a message (bytes). Resolved when the library has taken it: at once if there is room,
   * else in turn. Rejected with P2P_ERR_CLOSED if the connection is closed; nobody has to look at that.
   */
  send(data: Sendable): Promise<void>;
  sendLine(line: Sendable): Promise<void>;
  /**
   * Sends many lines in their order, with nothing between them, for less than as many calls cost. Resolved when the library
   * has taken all of them. Rejected with why one could not be sent, and which: `index`.
   */
  sendLines(lines: Iterable<Sendable>): Promise<void>;
  sendMessage(message: Sendable): Promise<void>;
  /** send() without waiting. False: there is no room, nothing was sent, and 'drain' follows. */
  trySend(data: Sendable): boolean;

  /** Lines as strings, messages and raw data as Buffers, in order. Throws if the connection broke. */
  [Symbol.asyncIterator](): AsyncIterableIterator<string | Buffer>;
  /** The lines alone. */
  lines(): AsyncIterableIterator<string>;
  /** The messages (and raw data) alone. */
  messages(): AsyncIterableIterator<Buffer>;
  /** Throws away what it brings, for a program that only sends. */
  discard(): this;

  /** Throws when it is closed. */
  info(): ConnectionInfo;
  /** Closes it when everything is sent. */
  close(): Promise<ConnectionEnd>;
}

export interface NetEvents {
  ready: [];
  info: [info: NetInfo];
  /** A connection is open, whoever opened it. */
  connection: [connection: Connection];
  line: [line: string, connection: Connection];
  message: [message: Buffer, connection: Connection];
  data: [data: Buffer, connection: Connection];
  path: [change: PathChange, connection: Connection];
  disconnect: [connection: Connection, end: ConnectionEnd];
  log: [entry: { level: LogLevel; message: string }];
  dhtSend: [what: { to: string; message: string; request: number }];
  dhtMessage: [message: string, from: string];
  /** The library failed internally, and the net has ended. */
  error: [error: P2PError];
  close: [];
}

/** One node. Started, it keeps the process alive until it is closed, as a listening socket does. */
export class Net extends EventEmitter<NetEvents> implements AsyncIterable<Connection> {
  constructor(options?: NetOptions);
  /** Opens the listening sockets. Resolved when the net is ready; it works before that. */
  start(): Promise<this>;
  /** Sends what is queued, closes everything, and resolves when it is gone. Calling it again is fine. */
  close(): Promise<void>;
  readonly isOpen: boolean;
  ref(): this;
  /** The net no longer keeps the process alive. */
  unref(): this;

  /** Asks the rendezvous servers for nodes and connects to them; how many were named. */
  bootstrap(options?: RequestOptions): Promise<number>;
  /** Has this node listed at the rendezvous servers. */
  advertise(options?: RequestOptions): Promise<void>;
  /** Connects to "host:port". */
  connect(address: string, options?: RequestOptions): Promise<Connection>;
  /** Connects to the node with this locator by whatever way works. */
  connectUnl(locator: string, options?: ConnectUnlOptions): Promise<Connection>;
  /** Sends a line to all connections but one. complete: false if some had no room, and did not get it. */
  broadcast(line: string | NodeJS.ArrayBufferView, options?: { except?: Connection | undefined }): {
    sent: number;
    complete: boolean;
  };
  networkChanged(): void;

  /** Connections as they are opened. */
  [Symbol.asyncIterator](): AsyncIterableIterator<Connection>;
  /** Those that are open. */
  readonly connections: Connection[];
  /** The port it listens on; 0 before start(). */
  readonly port: number;
  info(): NetInfo;
  stats(): NetStats;
  /** The story behind info(): docs/doctor.md of the project. */
  report(): Record<string, unknown>;
  /** The story of a connectUnl(): docs/explain.md of the project. */
  explain(request: number): Record<string, unknown>;
  /** This node's locator, or one with some facts replaced: { wanIp: '203.0.113.7' }. */
  unl(changes?: Record<string, string | number | readonly (string | number)[]>): string;

  readonly dhtId: string;
  dhtPut(to: string, message: string, options?: RequestOptions): Promise<void>;
  /** False: too many messages wait; try again later. */
  dhtDeliver(from: string | null | undefined, message: string): boolean;
}

/** A net that has been started. */
export function start(options?: NetOptions): Promise<Net>;
/** Throws what is wrong with a locator; returns if it can be used. */
export function checkUnl(locator: string): void;
/** What a locator says, expired or not. */
export function readUnl(locator: string): UnlInfo;
export const versions: { readonly library: string; readonly header: string };
export const capabilities: {
  readonly upnp: boolean;
  readonly natpmp: boolean;
  readonly pcp: boolean;
  readonly http: boolean;
  readonly mainline: boolean;
};
