/* loop.c - the loop of a bridge on the way out: the same for all engines. */
#include "loop.h"

#include <conveyor/notify.h>
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "metrics.h"
#include "signals.h"
#include "text.h"

#define MILLISECOND INT64_C(1000000)
#define BLOCKED_SLICE (20 * MILLISECOND) /* between looks whether the engine takes records again */
#define IDLE_SLICE (100 * MILLISECOND)   /* the longest time until a signal is seen */

/* Until answers come, or records if more may be taken. */
static void sleep_a_little(struct bridge_loop *l, bool for_records)
{
    bool blocked = *l->window.trouble || !l->engine->takes(l->self);
    int64_t slice = blocked ? BLOCKED_SLICE : l->window.on_their_way ? l->engine->owed_ns : IDLE_SLICE;
    if (for_records)
        cvb_notify_rearm(l->notifier);
    cli_wait_readable(for_records ? l->epoll : l->event, slice);
}

static int take(struct bridge_loop *l, int64_t now)
{
    int error = l->engine->take(l->self, now);
    return error ? error : bridge_window_settle(&l->window);
}

/* What is on its way may still be acknowledged; the rest goes back untried. */
static int drain(struct bridge_loop *l)
{
    int64_t until = cli_now_ns() + (int64_t)(l->window.bridge->drain_seconds * 1e9);
    int error = 0;
    while (!error && l->window.on_their_way && cli_now_ns() < until && cli_signals() < 2) {
        sleep_a_little(l, false);
        error = take(l, cli_now_ns());
    }
    if (l->window.on_their_way && l->engine->let_go)
        l->engine->let_go(l->self);
    return error ? error : bridge_window_give_back(&l->window);
}

static void tell(struct bridge_loop *l)
{
    const struct bridge_window *w = &l->window;
    cli_progress_tick(&w->bridge->progress);
    if (!bridge_metrics_due(w->bridge))
        return;
    const struct bridge_metric metrics[] = {
        {"records_total", "Records that the engine has acknowledged.", (double)w->done},
        {"repeated_total", "Messages that were sent again.", (double)w->repeated},
        {"on_their_way", "Records that are sent and not acknowledged.", w->on_their_way},
        {"connected", "1 if the server is connected.", l->engine->connected(l->self)},
        {"blocked", "1 if the engine takes nothing now.", *w->trouble != 0}};
    bridge_metrics_write(w->bridge, metrics, sizeof metrics / sizeof metrics[0]);
}

/* How many records were sent, or an error. */
static int turn(struct bridge_loop *l, int64_t now)
{
    if (!l->engine->takes(l->self))
        return 0;
    bridge_window_send_due(&l->window, now);
    return bridge_window_send_new(&l->window, now);
}

static int carry(struct bridge_loop *l)
{
    for (;;) {
        int64_t now = cli_now_ns();
        int error = take(l, now);
        if (error)
            return error;
        if (bridge_window_is_over(&l->window, now))
            return drain(l);
        int n = turn(l, now);
        if (n < 0)
            return n;
        if (!n)
            sleep_a_little(l, l->engine->takes(l->self) && bridge_window_room(&l->window));
        tell(l);
    }
}

static bool watch(struct bridge_loop *l, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    return !epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &event);
}

int bridge_loop_begin(struct bridge_loop *l, struct bridge *b, const struct bridge_engine *engine, void *self,
                      int event)
{
    *l = (struct bridge_loop){.engine = engine, .self = self, .event = event};
    int error = cvb_notify_open(b->segment, &b->stage, 1, &l->notifier);
    if (error)
        return bridge_segment_failed(b, error);
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (bridge_window_begin(&l->window, b, engine->send, self) && l->epoll >= 0 && event >= 0 && watch(l, event) &&
        watch(l, cvb_notify_fd(l->notifier)))
        return CLI_DONE;
    cli_complain("cannot begin: %s", strerror(errno));
    return CLI_FAILED;
}

int bridge_loop_run(struct bridge_loop *l) { return bridge_window_report(&l->window, carry(l)); }

void bridge_loop_end(struct bridge_loop *l)
{
    if (l->notifier) {
        cvb_notify_close(l->notifier);
        close(l->epoll);
    }
    bridge_window_end(&l->window);
}
