/* refused.c - a sandbox refuses the system calls of waiting and of locks: waits sleep by another way, burn nothing and
 * reach recovery; an attach without locks names the cause.
 */
#include "../support/support.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { FUTEX_WAITV = 449, ANY = -1, NOT_HERE = 90, BURNT = 91, OFD_GETLK = 36, OFD_SETLK = 37 };

static char name[64];
static uint32_t stage[2], source;
static const int reasons[] = {EPERM, EACCES, EINVAL, ENOSYS, ENOTSUP};

/* Answers a system call by an errno; with a value other than ANY, only if its second argument is that. */
static bool refuse(int number, int argument, int reason)
{
    struct sock_filter any[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)number, 0, 3),
                                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
                                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)argument, 0, 1),
                                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)reason),
                                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    if (argument == ANY) /* the second look is passed over */
        any[3] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 0);
    struct sock_fprog program = {sizeof any / sizeof *any, any};
    return !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) && !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static double cpu_seconds(void)
{
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) + (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

static struct plan {
    int number, argument, reason;
    uint32_t stages;
} plan;

/* A wait of a second with the calls refused, from the start or in the middle of the handle's life. */
static int wait_a_second(void *unused)
{
    struct cvb_handle *h;
    (void)unused;
    if (cvb_attach(name, &h))
        return 1;
    if (!refuse(plan.number, plan.argument, plan.reason))
        return NOT_HERE;
    double before = cpu_seconds();
    int waited = cvb_wait_records(h, stage, plan.stages, 1000000000);
    double used = cpu_seconds() - before;
    if (waited != CVB_ETIMEDOUT)
        return 2;
    if (used > 0.2)
        return BURNT;
    if (cvb_wake(h) || cvb_wait_records(h, stage, plan.stages, -1) != CVB_EINTERRUPTED)
        return 4;
    return cvb_detach(h) ? 5 : 0;
}

static int lease_and_die(void *unused)
{
    struct cvb_handle *h;
    struct cvb_lease l[5];
    (void)unused;
    return cvb_attach(name, &h) || cvb_get_batch(h, stage[1], l, 5) != 5;
}

/* What a dead peer had leased is delivered to a process that waits. */
static int wait_for_the_dead(void *unused)
{
    struct cvb_handle *h;
    (void)unused;
    if (cvb_attach(name, &h))
        return 1;
    if (!refuse(plan.number, plan.argument, plan.reason))
        return NOT_HERE;
    if (reap(spawn(lease_and_die, NULL)))
        return 2;
    if (cvb_wait_records(h, stage, 2, 20000000000) != 1)
        return 3;
    return drain(h, stage[1]) == 5 ? cvb_detach(h) : 4;
}

static void *notify_thread(void *result)
{
    struct cvb_notifier *n;
    int error = cvb_notify_open(name, stage, 2, &n);
    double before = cpu_seconds();
    if (!error) {
        nanosleep(&(struct timespec){.tv_nsec = 500000000}, NULL);
        error = cvb_notify_close(n);
    }
    *(int *)result = error ? 1 : cpu_seconds() - before > 0.1 ? BURNT : 0;
    return NULL;
}

static int notify(void *unused)
{
    pthread_t thread;
    int result = 9;
    (void)unused;
    if (!refuse(plan.number, plan.argument, plan.reason))
        return NOT_HERE;
    pthread_create(&thread, NULL, notify_thread, &result);
    pthread_join(thread, NULL);
    return result;
}

static bool is_told(void *n)
{
    struct pollfd p = {.fd = cvb_notify_fd(n), .events = POLLIN};
    return poll(&p, 1, 0) == 1;
}

static void *watch_thread(void *result)
{
    struct cvb_notifier *n;
    struct cvb_handle *h;
    struct cvb_watch w[2];
    int told = 0, error = cvb_attach(name, &h) || cvb_notify_create(name, &n);
    bool burnt = false;
    double before = cpu_seconds();
    for (int i = 0; !error && i < 2; i++)
        error = cvb_notify_watch(n, &(struct cvb_watch){.what = CVB_WATCH_RECORDS, .stage = stage[i]}) != i;
    if (!error) {
        nanosleep(&(struct timespec){.tv_nsec = 500000000}, NULL);
        burnt = cpu_seconds() - before > 0.1;
        if (put_numbers(h, stage[1], source, 0, 1, NULL) == 1 && wait_until(is_told, n, 20000))
            told = cvb_notify_fired(n, w, 2);
        error = told != 1 || w[0].id != 1 || cvb_notify_close(n) || drain(h, stage[1]) != 1 || cvb_detach(h);
    }
    *(int *)result = error ? 1 : burnt ? BURNT : 0;
    return NULL;
}

static int watches(void *unused)
{
    pthread_t thread;
    int result = 9;
    (void)unused;
    if (!refuse(plan.number, plan.argument, plan.reason))
        return NOT_HERE;
    pthread_create(&thread, NULL, watch_thread, &result);
    pthread_join(thread, NULL);
    return result;
}

static int wait_for_credits(void *unused)
{
    struct cvb_handle *h;
    (void)unused;
    if (cvb_attach(name, &h) || put_numbers(h, stage[0], source, 0, 20, NULL) != 20)
        return 1;
    if (!refuse(plan.number, plan.argument, plan.reason))
        return NOT_HERE;
    double before = cpu_seconds();
    int waited = cvb_wait_credits(h, stage[0], source, 1000000000);
    bool burnt = cpu_seconds() - before > 0.2;
    if (waited != CVB_ETIMEDOUT)
        return 2;
    return drain(h, stage[0]) != 20 ? 3 : cvb_detach(h) ? 4 : burnt ? BURNT : 0;
}

static struct cvb_handle *make(void)
{
    struct cvb_settings s = small_settings(20, 20, 20);
    snprintf(name, sizeof name, "%s", segment_name("refused"));
    struct cvb_handle *h = make_segment(name, &s);
    bool named = h && !cvb_stage(h, "a", &stage[0]) && !cvb_stage(h, "b", &stage[1]) && !cvb_source(h, "s", &source);
    return named ? h : NULL;
}

/* What a machine's host takes from a processor may count as used: what burns does so three times. */
static void expect(int (*run)(void *), const char *what)
{
    int code = BURNT;
    for (unsigned tries = 0; tries < 3 && code == BURNT; tries++)
        code = reap(spawn(run, NULL));
    if (code == NOT_HERE)
        cr_skip_test("no seccomp here");
    cr_assert_eq(code, 0, "%s, call %d, errno %d: %d", what, plan.number, plan.reason, code);
}

Test(refused, futex_waitv, .timeout = 100)
{
    struct cvb_handle *h = make();
    cr_assert_not_null(h);
    for (unsigned i = 0; i < sizeof reasons / sizeof *reasons; i++) {
        plan = (struct plan){FUTEX_WAITV, ANY, reasons[i], 2 - i % 2};
        expect(wait_a_second, "wait");
        expect(notify, "notify");
        expect(watches, "watches");
        expect(wait_for_credits, "credits");
        cr_assert_eq(put_numbers(h, stage[1], source, 0, 5, NULL), 5);
        expect(wait_for_the_dead, "recovery");
        cvb_recover(h);
    }
    cr_assert_null(audit_says(h, 0, 0));
    cvb_detach(h);
    cvb_unlink(name);
}

/* FUTEX_WAIT too: FUTEX_WAIT_BITSET is 9. */
static int wait_without_any(void *unused)
{
    return refuse(FUTEX_WAITV, ANY, plan.reason) ? wait_a_second(unused) : NOT_HERE;
}

static int recover_without_any(void *unused)
{
    return refuse(FUTEX_WAITV, ANY, plan.reason) ? wait_for_the_dead(unused) : NOT_HERE;
}

Test(refused, futex_wait_as_well, .timeout = 60)
{
    struct cvb_handle *h = make();
    cr_assert_not_null(h);
    for (unsigned i = 0; i < 2; i++) {
        plan = (struct plan){SYS_futex, 9, reasons[i], 2};
        expect(wait_without_any, "wait");
        cr_assert_eq(put_numbers(h, stage[1], source, 0, 5, NULL), 5);
        expect(recover_without_any, "recovery");
        cvb_recover(h);
    }
    cr_assert_null(audit_says(h, 0, 0));
    cvb_detach(h);
    cvb_unlink(name);
}

static int attach_without_locks(void *unused)
{
    struct cvb_handle *h;
    (void)unused;
    if (!refuse(SYS_fcntl, plan.argument, plan.reason))
        return NOT_HERE;
    return cvb_attach(name, &h) == CVB_EUNSUPPORTED && errno == plan.reason ? 0 : 1;
}

/* Asked in the middle of its life: nobody is taken for dead. */
static int recover_without_questions(void *unused)
{
    struct cvb_handle *h;
    (void)unused;
    if (cvb_attach(name, &h))
        return 1;
    if (!refuse(SYS_fcntl, OFD_GETLK, plan.reason))
        return NOT_HERE;
    return cvb_recover(h) == CVB_EUNSUPPORTED && errno == plan.reason ? cvb_detach(h) : 2;
}

Test(refused, locks, .timeout = 60)
{
    static const int lock_reasons[] = {EINVAL, ENOLCK, ENOSYS, EPERM, EACCES, EOPNOTSUPP};
    struct cvb_handle *h = make();
    cr_assert_not_null(h);
    for (unsigned i = 0; i < sizeof lock_reasons / sizeof *lock_reasons; i++) {
        plan = (struct plan){SYS_fcntl, OFD_SETLK, lock_reasons[i], 0};
        expect(attach_without_locks, "attach without locks");
        plan.argument = OFD_GETLK;
        expect(attach_without_locks, "attach without questions");
        expect(recover_without_questions, "recover without questions");
    }
    cr_assert_eq(cvb_recover(h), 0, "no seat is left");
    cr_assert_null(audit_says(h, 0, 0));
    cvb_detach(h);
    cvb_unlink(name);
}
