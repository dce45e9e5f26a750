/* signals.c - SIGINT and SIGTERM end a command at its next clean point. */
#include "signals.h"

#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <time.h>

static volatile sig_atomic_t came;

static void note(int number)
{
    (void)number;
    if (came < 100)
        came = came + 1;
}

void cli_note_signals(void)
{
    struct sigaction action = {.sa_handler = note}; /* no SA_RESTART: what blocks returns EINTR */
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

int cli_signals(void) { return came; }

static struct timespec timespec_of(int64_t ns)
{
    return (struct timespec){.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
}

/* The signals are blocked while their count is looked at, and let in only inside ppoll. */
static int wait_for(struct pollfd *fd, int64_t timeout_ns)
{
    sigset_t two, before;
    sigemptyset(&two);
    sigaddset(&two, SIGINT);
    sigaddset(&two, SIGTERM);
    sigprocmask(SIG_BLOCK, &two, &before);
    struct timespec timeout = timespec_of(timeout_ns);
    int ready = came ? 0 : ppoll(fd, fd ? 1 : 0, timeout_ns < 0 ? NULL : &timeout, &before);
    sigprocmask(SIG_SETMASK, &before, NULL);
    return ready > 0;
}

int cli_wait_readable(int fd, int64_t timeout_ns)
{
    return wait_for(&(struct pollfd){.fd = fd, .events = POLLIN}, timeout_ns);
}

void cli_sleep(int64_t ns)
{
    if (ns > 0)
        wait_for(NULL, ns);
}

int64_t cli_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}
