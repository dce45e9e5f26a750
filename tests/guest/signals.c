/* signals.c - signals and the library: waits that are woken or interrupted, creating under a storm of signals, and the
 * signal of the file-size limit, which kills by default.
 */
#include "../support/support.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include "wake/wake.h"

static char name[64];
static struct cvb_handle *live;
static uint32_t stage[2];
static atomic_int handled;

static void make(void)
{
    struct cvb_settings s = small_settings(20, 20, 20);
    snprintf(name, sizeof name, "%s", segment_name("signals"));
    live = make_segment(name, &s);
    cr_assert_not_null(live);
    cr_assert(!cvb_stage(live, "a", &stage[0]) && !cvb_stage(live, "b", &stage[1]));
}

static void end(void)
{
    cvb_detach(live);
    cvb_unlink(name);
}

TestSuite(signals, .init = make, .fini = end, .timeout = 60);

static void count(int unused)
{
    (void)unused;
    handled++;
}

static void wake(int unused)
{
    (void)unused;
    cvb_wake(live);
}

static void handle(int number, void (*how)(int))
{
    struct sigaction action = {.sa_handler = how, .sa_flags = SA_RESTART};
    sigaction(number, &action, NULL);
}

struct sleeper {
    pthread_t thread;
    atomic_int tid, result;
    int64_t timeout_ns;
};

static void *sleep_in_wait(void *argument)
{
    struct sleeper *s = argument;
    s->tid = gettid();
    s->result = cvb_wait_records(live, stage, 2, s->timeout_ns);
    return NULL;
}

static bool sleeps(void *argument)
{
    struct sleeper *s = argument;
    return s->tid && process_state(s->tid) == 'S';
}

/* A thread that has got as far as its sleep. */
static void start(struct sleeper *s, int64_t timeout_ns)
{
    s->tid = 0;
    s->result = 1;
    s->timeout_ns = timeout_ns;
    pthread_create(&s->thread, NULL, sleep_in_wait, s);
    cr_assert(wait_until(sleeps, s, 20000));
}

static void woken_by_a_thread(void)
{
    struct sleeper s;
    start(&s, -1);
    cr_assert_eq(cvb_wake(live), 0);
    pthread_join(s.thread, NULL);
    cr_assert_eq(s.result, CVB_EINTERRUPTED);
}

static void woken_by_a_handler(void)
{
    struct sleeper s;
    handle(SIGUSR1, wake);
    start(&s, -1);
    pthread_kill(s.thread, SIGUSR1);
    pthread_join(s.thread, NULL);
    cr_assert_eq(s.result, CVB_EINTERRUPTED);
}

static void woken_before(void)
{
    uint32_t source;
    struct cvb_lease l;
    cr_assert_eq(cvb_wake(live), 0);
    cr_assert_eq(cvb_wake(live), 0);
    cr_assert_eq(cvb_source(live, "s", &source), 0);
    cr_assert_eq(put_numbers(live, stage[1], source, 0, 1, NULL), 1);
    cr_assert_eq(cvb_wait_records(live, stage, 2, -1), 1, "what is there is found");
    cr_assert_eq(cvb_get_batch(live, stage[1], &l, 1), 1);
    cr_assert_eq(cvb_ack(live, &l, 1), 0);
    cr_assert_eq(cvb_wait_records(live, stage, 2, -1), CVB_EINTERRUPTED, "the next one that would sleep");
    cr_assert_eq(cvb_wait_records(live, stage, 2, 1000000), CVB_ETIMEDOUT, "both calls are used up");
}

/* A signal ends the wait, if that was asked for; else the wait goes on, and a wake ends it. */
static void interrupted(bool asked)
{
    struct sleeper s;
    handle(SIGUSR1, count);
    handled = 0;
    cr_assert_eq(cvb_interruptible(live, asked), 0);
    start(&s, -1);
    do { /* it may be between two sleeps */
        pthread_kill(s.thread, SIGUSR1);
        usleep(1000);
    } while (asked ? s.result == 1 : !handled);
    if (!asked) {
        cr_assert(wait_until(sleeps, &s, 20000), "it sleeps again");
        cr_assert_eq(s.result, 1);
        cr_assert_eq(cvb_wake(live), 0);
    }
    pthread_join(s.thread, NULL);
    cr_assert(handled);
    cr_assert_eq(s.result, CVB_EINTERRUPTED);
    cr_assert_eq(cvb_interruptible(live, 0), 0);
}

static void all_of_waiting(void)
{
    woken_by_a_thread();
    woken_by_a_handler();
    woken_before();
    interrupted(true);
    interrupted(false);
}

Test(signals, waits) { all_of_waiting(); }

Test(signals, waits_without_waitv)
{
    cvb_futex_forget_waitv();
    all_of_waiting();
}

/* Puts until the source is told to pause, so that a wait for credits sleeps. */
Test(signals, wait_for_credits)
{
    uint32_t source;
    cr_assert_eq(cvb_source(live, "s", &source), 0);
    cr_assert_eq(put_numbers(live, stage[0], source, 0, 20, NULL), 20);
    cr_assert_eq(cvb_wake(live), 0);
    cr_assert_eq(cvb_wait_credits(live, stage[0], source, -1), CVB_EINTERRUPTED);
    cr_assert_eq(cvb_wait_credits(live, stage[0], source, 1000000), CVB_ETIMEDOUT);
}

Test(signals, a_wake_of_another_handle_is_not_noticed)
{
    struct cvb_handle *other;
    cr_assert_eq(cvb_attach(name, &other), 0);
    cr_assert_eq(cvb_wake(other), 0);
    cr_assert_eq(cvb_wait_records(live, stage, 2, 20000000), CVB_ETIMEDOUT);
    cr_assert_eq(cvb_wait_records(other, stage, 2, 20000000), CVB_EINTERRUPTED);
    cr_assert_eq(cvb_wake(NULL), CVB_EINVAL);
    cvb_detach(other);
}

/* Every 200 us: posix_fallocate of a large segment is interrupted again and again. */
Test(signals, create_in_a_storm)
{
    struct cvb_settings s;
    const char *other = segment_name("storm");
    struct itimerval often = {{0, 200}, {0, 200}}, never = {{0, 0}, {0, 0}};
    cvb_settings_init(&s);
    s.max_total_records = 60000;
    s.max_per_source = s.max_per_stage = 60000;
    handle(SIGALRM, count);
    setitimer(ITIMER_REAL, &often, NULL);
    int error = cvb_create(other, &s);
    setitimer(ITIMER_REAL, &never, NULL);
    cr_assert_eq(error, 0, "%s, errno %d", cvb_error_text(error), errno);
    cr_assert(handled > 0);
    cr_assert_eq(cvb_unlink(other), 0);
}

static int create_beyond_the_limit(void *before)
{
    struct rlimit limit = {100000, 100000};
    sigset_t pending, blocked;
    signal(SIGXFSZ, SIG_DFL);
    setrlimit(RLIMIT_FSIZE, &limit);
    if (before) { /* one of the program's own, which stays */
        sigemptyset(&blocked);
        sigaddset(&blocked, SIGXFSZ);
        sigprocmask(SIG_BLOCK, &blocked, NULL);
        raise(SIGXFSZ);
    }
    if (cvb_create(segment_name("beyond"), NULL) != CVB_ENOSPC || errno != EFBIG)
        return 1;
    sigpending(&pending);
    if (sigismember(&pending, SIGXFSZ) != (before != NULL))
        return 2;
    sigprocmask(SIG_SETMASK, NULL, &blocked);
    return sigismember(&blocked, SIGXFSZ) == (before != NULL) ? 0 : 3;
}

Test(signals, create_beyond_the_file_size_limit)
{
    cr_assert_eq(reap(spawn(create_beyond_the_limit, NULL)), 0);
    cr_assert_eq(reap(spawn(create_beyond_the_limit, name)), 0);
}
