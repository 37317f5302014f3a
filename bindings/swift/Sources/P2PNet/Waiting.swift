// What the package waits with: a lock, a wait in a task, a thread. Foundation has all of this, and costs a program that needs
// nothing else of it tens of megabytes on Linux.

import CP2PNet

/// A mutex with a condition. Never held while a task is suspended.
final class Lock: @unchecked Sendable {
    private let lock = UnsafeMutablePointer<p2ps_lock>.allocate(capacity: 1)

    init() { p2ps_lock_init(lock) }

    deinit {
        p2ps_lock_destroy(lock)
        lock.deallocate()
    }

    func callAsFunction<Value>(_ body: () throws -> Value) rethrows -> Value {
        p2ps_lock_take(lock)
        defer { p2ps_lock_leave(lock) }
        return try body()
    }

    /// Inside the lock: gives it up until `signal()`.
    func wait() { p2ps_lock_wait(lock) }

    func signal() { p2ps_lock_signal(lock) }
}

/// One wait of one task: resolved once, by what it waits for or by the task's cancellation, whichever is first.
final class Waiter<Value: Sendable>: @unchecked Sendable {
    private let lock = Lock()
    private var result: Result<Value, any Error>?
    private var continuation: CheckedContinuation<Value, any Error>?

    /// Whether this was the first result.
    @discardableResult
    func resolve(_ result: Result<Value, any Error>) -> Bool {
        let (first, waiting) = lock { () -> (Bool, CheckedContinuation<Value, any Error>?) in
            guard self.result == nil else { return (false, nil) }
            self.result = result
            defer { continuation = nil }
            return (true, continuation)
        }
        waiting?.resume(with: result)
        return first
    }

    /// The result. `cancelled` is called if the task is cancelled meanwhile; nil: the wait then ends with CancellationError.
    func value(cancelled: (@Sendable () -> Void)? = nil) async throws -> Value {
        try await withTaskCancellationHandler {
            try await uncancelled()
        } onCancel: {
            if let cancelled {
                cancelled()
            } else {
                resolve(.failure(CancellationError()))
            }
        }
    }

    /// The result, whatever becomes of the task.
    func uncancelled() async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            let known = lock { () -> Result<Value, any Error>? in
                if result == nil { self.continuation = continuation }
                return result
            }
            if let known { continuation.resume(with: known) }
        }
    }
}

/// Something that becomes known once, for any number of tasks.
final class Latch<Value: Sendable>: @unchecked Sendable {
    private let lock = Lock()
    private var known: Value?
    private var waiters: [Waiter<Value>] = []

    /// What is known, if it is.
    var value: Value? { lock { known } }

    /// Only the first one counts.
    func set(_ value: Value) {
        let waiting = lock { () -> [Waiter<Value>] in
            guard known == nil else { return [] }
            known = value
            defer { waiters = [] }
            return waiters
        }
        for waiter in waiting { waiter.resolve(.success(value)) }
    }

    func wait() async throws -> Value {
        let waiter = enqueue()
        defer { lock { waiters.removeAll { $0 === waiter } } }
        return try await waiter.value()
    }

    func uncancelled() async {
        _ = try? await enqueue().uncancelled()
    }

    private func enqueue() -> Waiter<Value> {
        let waiter = Waiter<Value>()
        let already = lock { () -> Value? in
            if known == nil { waiters.append(waiter) }
            return known
        }
        if let already { waiter.resolve(.success(already)) }
        return waiter
    }
}

/// What goes on, newest kept: a buffer between the net's thread and those who iterate. Unlike an AsyncStream it outlives the
/// cancellation of a task that iterates.
final class Buffer<Element: Sendable>: @unchecked Sendable {
    private let lock = Lock()
    private let room: Int
    private var elements = Queue<Element>()
    private var waiters: [Waiter<Element?>] = []
    private var over = false

    init(newest room: Int) { self.room = room }

    func put(_ element: Element) {
        lock {
            while !waiters.isEmpty {
                if waiters.removeFirst().resolve(.success(element)) { return }
            }
            elements.append(element)
            if elements.count > room { _ = elements.removeFirst() }
        }
    }

    /// Nothing more comes; what is here can still be taken.
    func finish() {
        let waiting = lock { () -> [Waiter<Element?>] in
            over = true
            defer { waiters = [] }
            return waiters
        }
        for waiter in waiting { waiter.resolve(.success(nil)) }
    }

    func next() async throws -> Element? {
        try Task.checkCancellation()
        let waiter = Waiter<Element?>()
        let (first, done) = lock { () -> (Element?, Bool) in
            if let first = elements.removeFirst() { return (first, true) }
            if !over { waiters.append(waiter) }
            return (nil, over)
        }
        if done { return first }
        defer { lock { waiters.removeAll { $0 === waiter } } }
        return try await waiter.value()
    }
}

/// What a net tells besides its connections. It ends with the net, or when the task is cancelled. Each element comes once, to one
/// of those who iterate.
public struct Feed<Element: Sendable>: AsyncSequence, Sendable {
    let buffer: Buffer<Element>

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(buffer: buffer) }

    public struct AsyncIterator: AsyncIteratorProtocol {
        let buffer: Buffer<Element>

        public mutating func next() async -> Element? {
            guard let element = try? await buffer.next() else { return nil }
            return element
        }
    }
}

/// First in, first out, each in constant time.
struct Queue<Element> {
    private var items: [Element?] = []
    private var head = 0

    var count: Int { items.count - head }
    var isEmpty: Bool { head == items.count }
    var first: Element? { isEmpty ? nil : items[head] }

    mutating func append(_ element: Element) { items.append(element) }

    mutating func removeFirst() -> Element? {
        guard !isEmpty else { return nil }
        defer {
            items[head] = nil
            head += 1
            if head > 32, head > items.count / 2 {
                items.removeFirst(head)
                head = 0
            }
        }
        return items[head]
    }

    mutating func removeAll() { (items, head) = ([], 0) }
}

/// Runs a function on a thread of its own; the system's error number if it gives none.
func startThread(_ body: @escaping @Sendable () -> Void) -> Int32 {
    let given = Unmanaged.passRetained(Body(body))
    let failed = p2ps_thread({ given in
        if let given { Unmanaged<Body>.fromOpaque(given).takeRetainedValue().run() }
        return nil
    }, given.toOpaque())
    if failed != 0 { given.release() }
    return failed
}

private final class Body {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
}
