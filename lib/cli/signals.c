/* signals.c - SIGINT, SIGTERM and SIGHUP end a command at its next clean point. */
#include "signals.h"

#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <time.h>
#include <unistd.h>

static const int noted[] = {SIGINT, SIGTERM, SIGHUP};
enum { NOTED = sizeof noted / sizeof noted[0] };
static volatile sig_atomic_t came;

/* A write that begins after its caller looked at the count and before the signal came would block for ever: the alarm
 * interrupts it a second later. */
static void note(int number)
{
    if (number == SIGALRM)
        return;
    if (came < 100)
        came = came + 1;
    alarm(1);
}

/* A signal that was ignored when the command began (nohup, a background job of sh) stays ignored. */
void cli_note_signals(void)
{
    struct sigaction action = {.sa_handler = note}, before; /* no SA_RESTART: what blocks returns EINTR */
    sigaction(SIGALRM, &action, NULL);
    for (int i = 0; i < NOTED; i++)
        if (!sigaction(noted[i], NULL, &before) && before.sa_handler != SIG_IGN)
            sigaction(noted[i], &action, NULL);
}

int cli_signals(void) { return came; }

static struct timespec timespec_of(int64_t ns)
{
    return (struct timespec){.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
}

/* The signals are blocked while their count is looked at, and let in only inside ppoll. */
static int wait_for(struct pollfd *fd, int64_t timeout_ns)
{
    sigset_t all, before;
    sigemptyset(&all);
    for (int i = 0; i < NOTED; i++)
        sigaddset(&all, noted[i]);
    sigprocmask(SIG_BLOCK, &all, &before);
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
