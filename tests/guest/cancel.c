/* cancel.c - a thread with a cancellation pending calls each public function that may meet a cancellation point: the
 * function comes back, the thread ends at its own next cancellation point, and the others of the process go on.
 */
#include "../support/support.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char name[64];
static uint32_t stage, source;
static struct cvb_handle *live, *own;
static struct cvb_notifier *notifier;
static atomic_int came_back;

static int c_create(void)
{
    const char *other = segment_name("cancelled");
    struct cvb_settings s = small_settings(10, 10, 10);
    return cvb_create(other, &s);
}

static int c_unlink(void) { return cvb_unlink(segment_name("cancelled")); }
static int c_attach(void) { return cvb_attach(name, &own); }
static int c_detach(void) { return cvb_detach(own); }
static int c_observe(void) { return cvb_observe(name, &own); }
static int c_open(void) { return cvb_notify_open(name, &stage, 1, &notifier); }
static int c_rearm(void) { return cvb_notify_rearm(notifier); }
static int c_close(void) { return cvb_notify_close(notifier); }
static int c_notifier(void) { return cvb_notify_create(name, &notifier); }
static int c_arm(void) { return cvb_notify_arm(notifier, 0); }
static int c_unwatch(void) { return cvb_notify_unwatch(notifier, 0); }

static int c_watch(void)
{
    return cvb_notify_watch(notifier, &(struct cvb_watch){.what = CVB_WATCH_RECORDS, .stage = stage});
}

static int c_fired(void)
{
    struct cvb_watch fired;
    return cvb_notify_fired(notifier, &fired, 1) < 0;
}

static int c_room(void) { return cvb_wait_room(live, stage, source, 20000000); }

static int c_get_wait(void)
{
    struct cvb_lease l;
    return cvb_get_wait(live, stage, &l, 1, 20000000) != CVB_ETIMEDOUT;
}

static int c_put_wait(void)
{
    struct cvb_record r[30] = {{0}};
    struct cvb_lease l[30];
    int why, n;
    for (int i = 0; i < 30; i++)
        r[i] = (struct cvb_record){.payload = "x", .length = 1, .source = source};
    n = cvb_put_wait(live, stage, r, 30, 20000000, &why);
    return n != 20 || why != CVB_ETIMEDOUT || get_all(live, stage, l, 20) != 20 || cvb_ack(live, l, 20);
}

static int c_recover(void) { return cvb_recover(live); }

static int c_audit(void)
{
    struct cvb_audit a;
    return cvb_audit(live, &a);
}

static int c_peer(void)
{
    struct cvb_peer peer;
    return cvb_peer(live, 0, &peer);
}

static int visit(const char *n, const struct cvb_settings *s, uint64_t bytes, void *data)
{
    return (void)n, (void)s, (void)bytes, (void)data, 0;
}

static int c_list(void) { return cvb_list(visit, NULL); }
static int c_wait(void) { return cvb_wait_records(live, &stage, 1, 20000000) == CVB_ETIMEDOUT ? 0 : 1; }
static int c_credits(void) { return cvb_wait_credits(live, stage, source, 20000000); }

static int c_name(void)
{
    uint32_t id;
    return cvb_stage(live, "named", &id);
}

static int c_flow(void)
{
    struct cvb_lease l[3];
    int error = put_numbers(live, stage, source, 0, 3, NULL) == 3 ? 0 : 1;
    if (!error)
        error = cvb_get_batch(live, stage, l, 3) == 3 ? cvb_ack(live, l, 3) : 1;
    return error;
}

static int (*const calls[])(void) = {c_create,  c_list,  c_unlink, c_attach,   c_detach,  c_observe, c_detach,
                                     c_open,    c_rearm, c_close,  c_recover,  c_audit,   c_peer,    c_wait,
                                     c_credits, c_name,  c_flow,   c_notifier, c_watch,   c_fired,   c_arm,
                                     c_unwatch, c_close, c_room,   c_get_wait, c_put_wait};

static void *call_it(void *call)
{
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    pthread_cancel(pthread_self());
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL); /* it acts at the next cancellation point */
    int result = (*(int (*const *)(void))call)();
    came_back = result ? -1 : 1;
    pthread_testcancel();
    return NULL;
}

static void others_go_on(size_t i)
{
    struct cvb_handle *h;
    cr_assert_eq(cvb_attach(name, &h), 0, "call %zu", i);
    cr_assert_eq(cvb_detach(h), 0);
    pid_t child = fork();
    if (!child)
        _exit(cvb_detach(live) == CVB_EFORKED && !cvb_attach(name, &h) && !cvb_detach(h) ? 0 : 1);
    cr_assert_eq(reap(child), 0, "call %zu", i);
}

Test(cancel, before_each_call, .timeout = 60)
{
    struct cvb_settings s = small_settings(20, 20, 20);
    snprintf(name, sizeof name, "%s", segment_name("cancel"));
    live = make_segment(name, &s);
    cr_assert_not_null(live);
    cr_assert(!cvb_stage(live, "a", &stage) && !cvb_source(live, "s", &source));
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        pthread_t thread;
        void *result;
        came_back = 0;
        pthread_create(&thread, NULL, call_it, (void *)(uintptr_t)&calls[i]);
        pthread_join(thread, &result);
        cr_assert_eq(came_back, 1, "call %zu: %d", i, came_back);
        cr_assert_eq(result, PTHREAD_CANCELED, "call %zu: cancellation is on again", i);
        others_go_on(i);
    }
    cr_assert_null(audit_says(live, 0, 0));
    cvb_detach(live);
    cvb_unlink(name);
}

static void *wait_for_records(void *result)
{
    *(int *)result = cvb_wait_records(live, &stage, 1, -1);
    pthread_testcancel();
    return NULL;
}

/* How a thread that waits is ended: cancelled, and woken. */
Test(cancel, a_wait_that_is_woken, .timeout = 60)
{
    struct cvb_settings s = small_settings(20, 20, 20);
    pthread_t thread;
    void *ended;
    int result = 0;
    snprintf(name, sizeof name, "%s", segment_name("cancel-wait"));
    live = make_segment(name, &s);
    cr_assert_not_null(live);
    cr_assert_eq(cvb_stage(live, "a", &stage), 0);
    pthread_create(&thread, NULL, wait_for_records, &result);
    pthread_cancel(thread);
    cr_assert_eq(cvb_wake(live), 0);
    pthread_join(thread, &ended);
    cr_assert_eq(ended, PTHREAD_CANCELED);
    cr_assert_eq(result, CVB_EINTERRUPTED);
    cvb_detach(live);
    cvb_unlink(name);
}
