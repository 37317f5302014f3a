/* The host process: its signals, its descriptors, its threads and memory, and a failure inside that must not hurt it. */
#include "check.h"

#include <sched.h>
#include <sys/resource.h>

/* ---- a thousand nets ---- */

static void one_life(int i)
{
    struct node a, b;
    /* A plain socket is a peer of a classic net only. */
    int classic = i % 2 == 0;
    node_open(&a, "127.0.0.2", classic ? OPTIONS(CLASSIC) : OPTIONS(SECURE));
    char at[P2P_ADDR_LEN];
    ptrdiff_t fd;
    if (i % 3 == 0)
        CHECK_OK(p2p_fd(a.net, &fd));
    if (i % 9 == 1 && !classic) {
        node_open(&b, "127.0.0.3", OPTIONS(SECURE));
        join_nodes(&b, &a, NULL);
        node_free(&b);
    }
    if (i % 4 == 0) {
        int s = raw_connect(a.at, "127.0.0.7");
        RAW_SAY(s, "hello\r\n");
        UNTIL(seen(&a, P2P_EVENT_LINE), pump(&a));
        close(s);
    }
    if (i % 5 == 0) {
        int listener = raw_listen("127.0.0.7", 4, at);
        CHECK_OK(p2p_connect(a.net, at, NULL, NULL, NULL, NULL));
        if (classic && i % 4)
            UNTIL(seen(&a, P2P_EVENT_DONE), pump(&a));
        close(listener);
    }
    if (i % 7 == 0)
        CHECK_OK(p2p_net_stop(a.net));
    node_free(&a);
}
/* A thread that has been joined is still listed for a moment. */
static int threads_at_first;
static void a_thousand_nets_leave_nothing_behind(void)
{
    int n = (int)scaled(1000, 40), warm = n / 4;
    for (int i = 0; i < warm; i++)
        one_life(i);
    int fds = entries("/proc/self/fd");
    long memory = rss_kib();
    for (int i = warm; i < n; i++)
        one_life(i);
    CHECK_INT(entries("/proc/self/fd"), fds);
    UNTIL(entries("/proc/self/task") <= threads_at_first, 0);
    /* Sanitizers and valgrind keep freed memory back; they look for leaks in their own way. */
    if (check_scale >= 100)
        CHECK(rss_kib() - memory < 1024, "%ld KiB more after %d nets", rss_kib() - memory, n - warm);
}

/* ---- signals ---- */

/* SIGPIPE at its default ends a program that writes to a broken connection. */
static void a_broken_connection_raises_no_sigpipe(void)
{
    /* A long line is written from where it lies, by another system call than a short one. */
    static char longer[200000];
    memset(longer, 'x', sizeof longer);
    signal(SIGPIPE, SIG_DFL);
    struct node a;
    for (int i = 0; i < 20; i++) {
        node_open(&a, "127.0.0.2", OPTIONS(CLASSIC));
        int s = raw_connect(a.at, "127.0.0.7");
        UNTIL(seen(&a, P2P_EVENT_OPENED), pump(&a));
        p2p_conn conn = seen(&a, P2P_EVENT_OPENED)->conn;
        i % 2 ? raw_reset(s) : (void)close(s);
        /* From this thread and from the library's, until it notices. */
        size_t len = i / 2 % 2 ? sizeof longer : 13;
        while (p2p_send_line(a.net, conn, longer, len) != P2P_ERR_CLOSED) {
        }
        UNTIL(seen(&a, P2P_EVENT_CLOSED), pump(&a));
        node_free(&a);
    }
}

static void logging_to_a_broken_pipe_raises_no_sigpipe(void)
{
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    close(ends[0]);
    struct node a;
    node_open(&a, "127.0.0.2", OPTIONS({P2P_OPT_LOG_FD, ends[1]}, {P2P_OPT_LOG_LEVEL, P2P_LOG_TRACE}));
    UNTIL(seen(&a, P2P_EVENT_READY), pump(&a));
    node_free(&a);
    close(ends[1]);
}

/* Log lines go where the program says, and a pipe nobody reads must not stop the net. */
static void logging_to_a_full_pipe_does_not_block(void)
{
    int ends[2];
    char text[256] = "";
    REQUIRE(pipe(ends) == 0);
    struct node a;
    node_open(&a, "127.0.0.2", OPTIONS({P2P_OPT_LOG_FD, ends[1]}, {P2P_OPT_LOG_LEVEL, P2P_LOG_TRACE}));
    CHECK(read(ends[0], text, sizeof text - 1) > 0);
    CHECK_HAS(text, "listening on 127.0.0.2:");
    CHECK_HAS(text, "INFO");
    UNTIL(seen(&a, P2P_EVENT_READY), pump(&a));
    node_free(&a);
    /* Filled to the last byte, and blocking again. */
    fcntl(ends[1], F_SETFL, O_NONBLOCK);
    while (write(ends[1], text, sizeof text) > 0) {
    }
    while (write(ends[1], text, 1) > 0) {
    }
    fcntl(ends[1], F_SETFL, 0);
    node_open(&a, "127.0.0.2", OPTIONS({P2P_OPT_LOG_FD, ends[1]}, {P2P_OPT_LOG_LEVEL, P2P_LOG_TRACE}));
    UNTIL(seen(&a, P2P_EVENT_READY), pump(&a));
    CHECK_INT(count_of(&a, P2P_EVENT_LOG), 0);
    node_free(&a);
    close(ends[0]);
    close(ends[1]);
}

static pid_t host_thread;
static atomic_long handled, on_foreign_thread;
static atomic_int storm_over;
static void on_signal(int sig)
{
    (void)sig;
    atomic_fetch_add(&handled, 1);
    if ((pid_t)syscall(SYS_gettid) != host_thread)
        atomic_fetch_add(&on_foreign_thread, 1);
}
static void *storm(void *arg)
{
    (void)arg;
    while (!atomic_load(&storm_over)) {
        long before = atomic_load(&handled);
        kill(getpid(), SIGUSR1);
        /* One at a time: a thread that gets them faster than it handles them does nothing else any more. */
        while (!atomic_load(&storm_over) && atomic_load(&handled) == before)
            sched_yield();
    }
    return NULL;
}
static void *host(void *arg)
{
    (void)arg;
    sigset_t usr1;
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    host_thread = (pid_t)syscall(SYS_gettid);
    pthread_sigmask(SIG_UNBLOCK, &usr1, NULL);
    for (long i = scaled(300, 20); i > 0; i--) {
        struct node a;
        node_open(&a, "127.0.0.2", NULL);
        UNTIL(seen(&a, P2P_EVENT_READY), pump(&a));
        CHECK_OK(p2p_connect(a.net, "localhost:9", NULL, NULL, NULL, NULL));
        node_free(&a);
    }
    atomic_store(&storm_over, 1);
    pthread_sigmask(SIG_BLOCK, &usr1, NULL);
    return NULL;
}
/* One thread alone takes the signal; all others of ours block it, so any other handler runs on a thread of the library. */
static void handlers_run_on_the_hosts_threads_only(void)
{
    sigset_t usr1, old;
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    struct sigaction act = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigaction(SIGUSR1, &act, NULL);
    pthread_sigmask(SIG_BLOCK, &usr1, &old);
    pthread_t threads[2];
    atomic_store(&storm_over, 0);
    pthread_create(&threads[0], NULL, host, NULL);
    pthread_create(&threads[1], NULL, storm, NULL);
    check_waits = "the storm of signals";
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    CHECK(atomic_load(&handled) > 0);
    CHECK_INT(atomic_load(&on_foreign_thread), 0);
    signal(SIGUSR1, SIG_IGN);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}

static void the_signal_mask_of_the_caller_is_left_alone(void)
{
    sigset_t before, after;
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    struct node a;
    node_open(&a, "127.0.0.2", NULL);
    UNTIL(seen(&a, P2P_EVENT_READY), pump(&a));
    node_free(&a);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    for (int s = 1; s < 32; s++)
        CHECK(sigismember(&before, s) == sigismember(&after, s), "signal %d", s);
}

/* ---- a failure inside ---- */

#define TEST_PANIC 9000 /* known to a library with the feature "testing" only */

static void a_panic_ends_the_net_and_not_the_host(void)
{
    p2p_config *cfg = p2p_config_new();
    if (p2p_config_set_int(cfg, (p2p_opt)TEST_PANIC, 1, NULL) != P2P_OK) {
        skip("the library was built without the feature \"testing\"");
        p2p_config_free(cfg);
        return;
    }
    CHECK_OK(p2p_config_set_str(cfg, P2P_OPT_PASSIVE_BIND, "127.0.0.2", NULL));
    p2p_net *net = NULL;
    CHECK_OK(p2p_net_new(cfg, &net, NULL));
    p2p_config_free(cfg);
    struct node a;
    node_start(&a, net, "127.0.0.2");
    UNTIL(seen(&a, P2P_EVENT_STOPPED), pump(&a));
    CHECK_IS(seen(&a, P2P_EVENT_STOPPED)->result, P2P_ERR_PANIC);
    CHECK_HAS(seen(&a, P2P_EVENT_STOPPED)->data, "injected");
    CHECK_INT(a.log[a.n - 1].kind, P2P_EVENT_STOPPED);
    p2p_error err = {.struct_size = sizeof err};
    CHECK_IS(p2p_wait(net, -1), P2P_ERR_CLOSED);
    CHECK_IS(p2p_connect(net, "127.0.0.9:1", NULL, NULL, NULL, &err), P2P_ERR_CLOSED);
    CHECK_IS(p2p_net_start(net, &err), P2P_ERR_STATE);
    CHECK_IS(p2p_send_line(net, 1, "x", 1), P2P_ERR_NOT_FOUND);
    CHECK_INT(p2p_poll(net, 0), 0);
    CHECK_OK(p2p_net_stop(net));
    node_free(&a);
}

/* ---- a system that has no more to give ---- */

static void no_descriptors_left(void)
{
    if (check_scale < 5)
        return skip("valgrind keeps descriptors of its own");
    p2p_net *net = net_new("127.0.0.2", NULL);
    struct rlimit old, none;
    REQUIRE(getrlimit(RLIMIT_NOFILE, &old) == 0);
    none = old;
    /* A place or two each time: every step of the start fails once. */
    int open_now = entries("/proc/self/fd") - 3, failed = 0, r = P2P_ERR_IO;
    for (int more = 0; more < 20 && r != P2P_OK; more++) {
        none.rlim_cur = (rlim_t)(open_now + more);
        REQUIRE(setrlimit(RLIMIT_NOFILE, &none) == 0);
        p2p_error err = {.struct_size = sizeof err};
        r = p2p_net_start(net, &err);
        if (r != P2P_OK) {
            failed++;
            CHECK_IS(r, P2P_ERR_IO);
            CHECK_INT(err.os_error, EMFILE);
        }
    }
    setrlimit(RLIMIT_NOFILE, &old);
    CHECK_OK(r);
    CHECK(failed > 0, "%d", failed);
    CHECK_OK(p2p_net_free(net));
}

/* Under valgrind and sanitizers the address space cannot be limited. */
static void no_memory_for_a_thread(void)
{
    if (check_scale < 100)
        return skip("address space limits are for the plain run");
    struct rlimit old, tight;
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    REQUIRE(f && fscanf(f, "%ld", &pages) == 1);
    fclose(f);
    p2p_net *net = net_new("127.0.0.2", NULL);
    REQUIRE(getrlimit(RLIMIT_AS, &old) == 0);
    tight = old;
    tight.rlim_cur = (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + (1 << 20);
    REQUIRE(setrlimit(RLIMIT_AS, &tight) == 0);
    p2p_error err = {.struct_size = sizeof err};
    int r = p2p_net_start(net, &err);
    setrlimit(RLIMIT_AS, &old);
    if (r == P2P_OK) {
        skip("the system had a thread's memory left over");
        CHECK_OK(p2p_net_free(net));
        return;
    }
    CHECK_IS(r, P2P_ERR_IO);
    CHECK_HAS(err.message, "thread");
    /* After a failure start may be called again. */
    struct node a;
    node_start(&a, net, "127.0.0.2");
    UNTIL(seen(&a, P2P_EVENT_READY), pump(&a));
    node_free(&a);
}

int main(int argc, char **argv)
{
    check_begin(argc, argv);
    threads_at_first = entries("/proc/self/task");
    RUN(no_memory_for_a_thread);
    RUN(a_thousand_nets_leave_nothing_behind);
    RUN(a_broken_connection_raises_no_sigpipe);
    RUN(logging_to_a_broken_pipe_raises_no_sigpipe);
    RUN(logging_to_a_full_pipe_does_not_block);
    RUN(handlers_run_on_the_hosts_threads_only);
    RUN(the_signal_mask_of_the_caller_is_left_alone);
    RUN(a_panic_ends_the_net_and_not_the_host);
    RUN(no_descriptors_left);
    return check_end();
}
