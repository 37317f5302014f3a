/* What costs nothing, or little: a net in which nothing happens is never woken, a line in the steady state allocates nothing, an
 * idle connection takes a few KiB. */
#include "check.h"

#include <sys/resource.h>

/* ---- every allocation of the process is counted ---- */

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__)
#define COUNTED 1
extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
static atomic_long allocations, allocated;

static void note(size_t size)
{
    atomic_fetch_add(&allocations, 1);
    atomic_fetch_add(&allocated, (long)size);
}
void *malloc(size_t size)
{
    note(size);
    return __libc_malloc(size);
}
void *calloc(size_t n, size_t size)
{
    note(n * size);
    return __libc_calloc(n, size);
}
void *realloc(void *p, size_t size)
{
    note(size);
    return __libc_realloc(p, size);
}
void *aligned_alloc(size_t alignment, size_t size)
{
    note(size);
    return __libc_memalign(alignment, size);
}
int posix_memalign(void **p, size_t alignment, size_t size)
{
    note(size);
    *p = __libc_memalign(alignment, size);
    return *p ? 0 : ENOMEM;
}
#else
#define COUNTED 0
static atomic_long allocations, allocated;
#endif

/* Valgrind brings an allocator and a scheduler of its own. */
static int watched_closely(void)
{
    return check_scale < 10;
}

/* ---- two nodes ---- */

static struct node a, b;
static p2p_conn at_a, at_b;
static long lines, echoes;
static size_t line_len;

static void quiet(p2p_net *net, const p2p_event *ev, void *user)
{
    (void)user;
    if (ev->kind != P2P_EVENT_LINE)
        return;
    CHECK(ev->len == line_len, "%zu bytes", ev->len);
    if (net == a.net)
        echoes++;
    else
        lines++;
}
static void echo(p2p_net *net, const p2p_event *ev, void *user)
{
    quiet(net, ev, user);
    if (ev->kind == P2P_EVENT_LINE)
        CHECK_OK(p2p_send_line(net, ev->conn, ev->data, ev->len));
}
static void pair(const struct set *options)
{
    node_open(&a, "127.0.0.2", options);
    node_open(&b, "127.0.0.3", options);
    at_a = join_nodes(&a, &b, &at_b);
    UNTIL(seen(&a, P2P_EVENT_READY) && seen(&b, P2P_EVENT_READY), pump2(&a, &b));
}
static void end_pair(void)
{
    node_free(&a);
    node_free(&b);
}

/* ---- waking ---- */

/* How often all threads but this one have gone to sleep, so far; and how many of them are not asleep now. */
static unsigned long long sleeps(int *awake)
{
    unsigned long long sum = 0, n;
    char state;
    *awake = 0;
    long self = syscall(SYS_gettid);
    DIR *tasks = opendir("/proc/self/task");
    REQUIRE(tasks != NULL);
    for (struct dirent *d; (d = readdir(tasks));) {
        char path[300], line[200];
        if (d->d_name[0] == '.' || strtol(d->d_name, NULL, 10) == self)
            continue;
        snprintf(path, sizeof path, "/proc/self/task/%s/status", d->d_name);
        FILE *f = fopen(path, "r");
        while (f && fgets(line, sizeof line, f))
            if (sscanf(line, "voluntary_ctxt_switches: %llu", &n) == 1)
                sum += n;
            else if (sscanf(line, "State: %c", &state) == 1)
                *awake += state != 'S';
        if (f)
            fclose(f);
    }
    closedir(tasks);
    return sum;
}

static void pass(double seconds)
{
    nanosleep(&(struct timespec){(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)}, NULL);
}

/* What the connecting has set going has come to rest, and nobody only waits for the CPU: the measurement begins. */
static void come_to_rest(void)
{
    const char *before = check_waits;
    int awake;
    check_waits = "a third of a second without a wake-up";
    unsigned long long last, now = sleeps(&awake);
    do {
        last = now;
        pass(0.34);
        pump2(&a, &b);
        now = sleeps(&awake);
    } while (now != last || awake);
    check_waits = before;
}

static unsigned long long woken_in(double seconds)
{
    for (int awake;;) {
        come_to_rest();
        double begun = now_s();
        unsigned long long before = sleeps(&awake);
        pass(seconds);
        unsigned long long woken = sleeps(&awake) - before;
        /* Where it took much longer, the process was stopped; that it goes on wakes every thread. */
        if (woken == 0 || now_s() - begun < seconds + 0.2)
            return woken;
    }
}

static void *waiting_main(void *arg)
{
    CHECK_INT(p2p_wait(arg, -1), 0);
    return NULL;
}

/* How often two new nets are woken in which nothing happens, with a thread of the program that waits for one of them or without. Only in
 * the first seconds: later, what is due in a while (a sign of life after half a minute) is looked through every few seconds. */
static unsigned long long idle_woken(int waits)
{
    for (;;) {
        pthread_t thread;
        pair(NULL);
        double begun = now_s();
        if (waits)
            REQUIRE(pthread_create(&thread, NULL, waiting_main, b.net) == 0);
        unsigned long long woken = woken_in(2.2);
        double took = now_s() - begun;
        if (waits) {
            CHECK_OK(p2p_wake(b.net));
            pthread_join(thread, NULL);
        }
        end_pair();
        if (woken == 0 || took < 6)
            return woken;
    }
}

static void an_idle_net_is_never_woken(void)
{
    if (watched_closely())
        return skip("the tool that watches wakes threads itself");
    unsigned long long woken = idle_woken(0);
    CHECK(woken == 0, "%llu times in 2.2 s, in the %s dialect", woken,
          usual_dialect() == P2P_DIALECT_SECURE ? "secure" : "classic");
    /* Nor when a thread of the program waits for it. */
    woken = idle_woken(1);
    CHECK(woken == 0, "%llu times in 2.2 s, while the program waits", woken);
}

/* A sign of life each time it is due, and nothing else. */
static void keep_alives_wake_as_often_as_they_are_due(void)
{
    if (watched_closely())
        return skip("the tool that watches wakes threads itself");
    const int due_ms = 400;
    int awake;
    pair(OPTIONS(SECURE, {P2P_OPT_KEEPALIVE_MS, due_ms}));
    pass(0.3);
    double begun = now_s();
    unsigned long long before = sleeps(&awake), woken = 0;
    UNTIL(woken > 0, (pass(2.0), woken = sleeps(&awake) - before));
    /* Each side: its time has come, the question is read, the answer is read; and what the system adds to that. */
    double seconds = now_s() - begun;
    unsigned long long most = 2 * 6 * (1 + (unsigned long long)(seconds * 1000 / due_ms));
    CHECK(woken <= most, "%llu times in %.1f s, %d ms apart; at most %llu", woken, seconds, due_ms, most);
    end_pair();
}

/* ---- allocating ---- */

static void send_many(long rounds, int at_once)
{
    static char text[65536];
    memset(text, 'x', sizeof text);
    for (long i = 0; i < rounds; i++) {
        long before = lines;
        for (int k = 0; k < at_once; k++) {
            int r;
            UNTIL((r = p2p_send_line(a.net, at_a, text, line_len)) != P2P_ERR_WOULD_BLOCK,
                  (p2p_poll(b.net, 0), p2p_poll(a.net, 0)));
            CHECK_OK(r);
        }
        UNTIL(lines == before + at_once, (p2p_poll(b.net, 0), p2p_poll(a.net, 0)));
    }
}

static void ping_pong(long rounds)
{
    for (long i = 0; i < rounds; i++) {
        long before = echoes;
        CHECK_OK(p2p_send_line(a.net, at_a, "there and back again", line_len));
        UNTIL(echoes == before + 1,
              (p2p_wait(b.net, 1), p2p_poll(b.net, 0), p2p_wait(a.net, 1), p2p_poll(a.net, 0)));
    }
}

/* Once and for all, as when a buffer grows because more comes at once; and for the time that passes: each end gives back once a second
 * what it has not needed meanwhile, and may need it again, for which a buffer grows in eight steps or so. In the secure dialect also
 * what is sent is kept until it is acknowledged, in memory that is used again and again. */
static long explained(long count, double seconds)
{
    return 32 + (long)(32 * seconds) +
           (usual_dialect() == P2P_DIALECT_SECURE ? 32 + count * (long)line_len / 32768 : 0);
}

static void check_allocations(const char *what, void (*work)(long rounds), long rounds, int at_once)
{
    work(rounds); /* to warm up */
    long before = atomic_load(&allocations), bytes = atomic_load(&allocated);
    double begun = now_s();
    work(3 * rounds);
    long found = atomic_load(&allocations) - before, most = explained(3 * rounds * at_once, now_s() - begun);
    bytes = atomic_load(&allocated) - bytes;
    printf("# %s: %ld allocations, %ld bytes, for %ld lines\n", what, found, bytes, 3 * rounds * at_once);
    CHECK(found <= most, "%s: %ld allocations for %ld lines, at most %ld are explained", what, found,
          3 * rounds * at_once, most);
}

static void forty_at_once(long n)
{
    send_many(n, 40);
}
static void one_at_once(long n)
{
    send_many(n, 1);
}

static void a_line_allocates_nothing(void)
{
    if (!COUNTED || watched_closely())
        return skip("the allocator is not glibc's own");
    pair(NULL);
    CHECK_OK(p2p_on_event(a.net, quiet, NULL));
    CHECK_OK(p2p_on_event(b.net, quiet, NULL));
    /* Encryption is slow in a library that is not optimised. */
    long n = usual_dialect() == P2P_DIALECT_SECURE ? 60 : 500;
    line_len = 64;
    check_allocations("64 bytes, 40 at once", forty_at_once, n, 40);
    check_allocations("64 bytes, one by one", one_at_once, n, 1);
    line_len = 1024;
    check_allocations("1 KiB, 40 at once", forty_at_once, n, 40);
    line_len = 20;
    CHECK_OK(p2p_on_event(b.net, echo, NULL));
    check_allocations("20 bytes, there and back", ping_pong, n, 1);
    end_pair();
}

/* ---- keeping ---- */

/* 10,000 in one net are to stay under 60 MiB: 6 KiB each, and here both ends are in this process. */
static void an_idle_connection_takes_little_memory(void)
{
    const int many = 1000, ends = 2;
    struct rlimit files;
    REQUIRE(getrlimit(RLIMIT_NOFILE, &files) == 0);
    if (files.rlim_cur < 2200 && files.rlim_max >= 2200)
        files.rlim_cur = 2200, setrlimit(RLIMIT_NOFILE, &files);
    if (files.rlim_cur < 2200)
        return skip("less than 2200 files may be open");
    if (watched_closely())
        return skip("the tool that watches keeps books in the same memory");
    pair(OPTIONS(CLASSIC, {P2P_OPT_DUPLICATE_IP, 1}, {P2P_OPT_MAX_INBOUND, 2000},
                 {P2P_OPT_MAX_OUTBOUND, 2000}, {P2P_OPT_MAX_REQUESTS, 2000},
                 {P2P_OPT_CONNECT_TIMEOUT_MS, 600000}));
    p2p_error err = {.struct_size = sizeof err};
    long before = rss_kib();
    for (int i = 0; i < many; i++)
        REQUIRE(p2p_connect(a.net, b.at, NULL, NULL, NULL, &err) == P2P_OK, "%s", err.message);
    UNTIL(net_stats(a.net).opened == (unsigned)many + 1 && net_stats(b.net).opened == (unsigned)many + 1,
          (pump2(&a, &b), forget(&a), forget(&b)));
    double each = (double)(rss_kib() - before) / (many * ends);
    printf("# %.2f KiB for each end\n", each);
    CHECK(each > 0 && each < 6, "%.2f KiB for each end", each);
    end_pair();
}

int main(int argc, char **argv)
{
    check_begin(argc, argv);
    RUN(an_idle_net_is_never_woken);
    RUN(keep_alives_wake_as_often_as_they_are_due);
    RUN(a_line_allocates_nothing);
    RUN(an_idle_connection_takes_little_memory);
    return check_end();
}
