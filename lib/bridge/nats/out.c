/* out.c - from a stage to a stream.
 *
 * A record is leased, published with an id of its own (Nats-Msg-Id), and acked when the stream has acknowledged it. One
 * that is not acknowledged within ANSWER_NS, or not now, is sent again with the same id, so the stream drops what it
 * has already; the lease is kept. So nothing is lost whoever dies, and nothing comes twice within the stream's
 * duplicate window. If the stream is full, the leases stay, the stage fills, and its sources are told to pause.
 *
 * The loop owns the handle. The library's thread parses the answers and queues them.
 */
#include <conveyor/notify.h>
#include <conveyor/state.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "answer.h"
#include "id.h"
#include "metrics.h"
#include "nats_bridge.h"
#include "pattern.h"
#include "queue.h"
#include "signals.h"
#include "text.h"
#include "window.h"

#define MILLISECOND INT64_C(1000000)
#define ANSWER_NS (3000 * MILLISECOND) /* without an answer it is sent again */
#define OWED_SLICE (2 * MILLISECOND)   /* answers are owed: their wake-up may be left out */
#define BLOCKED_SLICE (20 * MILLISECOND)
#define IDLE_SLICE (100 * MILLISECOND) /* the longest time until a signal is seen */
enum { SUBJECT_MAX = 512, WAKE_AT_MOST = 64 };

struct out {
    struct bridge *bridge;
    struct bridge_window window;
    natsConnection *connection;
    natsSubscription *answers;
    natsInbox *inbox;
    struct bridge_queue queue;
    struct cvb_notifier *notifier;
    int epoll;
    char subject[SUBJECT_MAX];
    uint32_t subject_source, subject_pipeline; /* whose it is */
    bool one_subject;
};

static void answered(natsConnection *c, natsSubscription *s, natsMsg *message, void *data)
{
    (void)c;
    (void)s;
    struct out *o = data;
    struct nats_answered *a = nats_answer_of(message);
    natsMsg_Destroy(message);
    if (a)
        bridge_queue_put(&o->queue, &a->node, a->answer != NATS_STORED);
}

/* Where the records of this source and pipeline go; NULL if that is no subject. */
static const char *subject_of(struct out *o, const struct cvb_lease *l)
{
    char source[CVB_NAME_MAX + 1], pipeline[CVB_NAME_MAX + 1];
    if (o->one_subject || (*o->subject && l->source == o->subject_source && l->pipeline == o->subject_pipeline))
        return o->subject;
    if (cvb_source_name(o->bridge->handle, l->source, source) ||
        cvb_pipeline_name(o->bridge->handle, l->pipeline, pipeline))
        return NULL;
    struct bridge_names names = {source, pipeline, o->bridge->stage_name};
    if (!bridge_pattern_fill(o->bridge->url.path, &names, ".*>", o->subject, sizeof o->subject))
        return NULL;
    o->subject_source = l->source;
    o->subject_pipeline = l->pipeline;
    return o->subject;
}

static natsStatus add_headers(struct out *o, natsMsg *m, const struct cvb_lease *l)
{
    char id[BRIDGE_ID_MAX], name[128];
    natsStatus s = NATS_OK;
    bridge_id(o->bridge->id, l->source, l->position, id);
    if (*id)
        s = natsMsgHeader_Set(m, "Nats-Msg-Id", id);
    for (size_t i = 0; s == NATS_OK && i < o->bridge->headers.count; i++) {
        const char *text = o->bridge->headers.item[i], *value = strchr(text, '=') + 1;
        snprintf(name, sizeof name, "%.*s", (int)(value - text - 1), text);
        s = natsMsgHeader_Set(m, name, value);
    }
    return s;
}

static natsStatus publish(struct out *o, unsigned slot)
{
    struct bridge_slot *s = &o->window.slots[slot];
    const char *subject = subject_of(o, &s->lease);
    char reply[128];
    natsMsg *m = NULL;
    if (!subject)
        return NATS_INVALID_SUBJECT;
    snprintf(reply, sizeof reply, "%s.%u.%u", (const char *)o->inbox, slot, s->sends);
    natsStatus status = natsMsg_Create(&m, subject, reply, s->lease.payload, (int)s->lease.length);
    if (status == NATS_OK)
        status = add_headers(o, m, &s->lease);
    if (status == NATS_OK)
        status = natsConnection_PublishMsg(o->connection, m);
    natsMsg_Destroy(m);
    return status;
}

static void send_slot(void *sender, unsigned slot, int64_t now)
{
    struct out *o = sender;
    o->window.slots[slot].due_ns = now + ANSWER_NS;
    natsStatus status = publish(o, slot);
    if (status == NATS_MAX_PAYLOAD || status == NATS_INVALID_SUBJECT)
        bridge_window_refuse(&o->window, slot, natsStatus_GetText(status));
    else if (status != NATS_OK)
        bridge_window_later(&o->window, slot, now, natsStatus_GetText(status));
}

static void handle_answer(struct out *o, const struct nats_answered *a, int64_t now)
{
    if (a->slot >= o->bridge->window || !o->window.slots[a->slot].used)
        return;
    struct bridge_slot *s = &o->window.slots[a->slot];
    bool stored = a->answer == NATS_STORED;
    if (a->attempt < s->first_send || a->attempt > s->sends || (!stored && a->attempt != s->sends))
        return; /* of one that another has followed; one that was stored is stored, whichever it was */
    if (stored)
        bridge_window_stored(&o->window, a->slot);
    else if (a->answer == NATS_REFUSED)
        bridge_window_refuse(&o->window, a->slot, a->text);
    else
        bridge_window_later(&o->window, a->slot, now, a->text);
}

static int take_answers(struct out *o, int64_t now)
{
    struct cds_wfcq_node *node;
    bridge_queue_seen(&o->queue);
    while ((node = bridge_queue_take(&o->queue))) {
        struct nats_answered *a = caa_container_of(node, struct nats_answered, node);
        handle_answer(o, a, now);
        free(a);
    }
    return bridge_window_settle(&o->window);
}

static bool takes_more(const struct out *o)
{
    return nats_bridge_connected(o->connection) && bridge_window_room(&o->window);
}

/* Until answers come, or records if more may be taken. */
static void sleep_a_little(struct out *o, bool for_records)
{
    bool blocked = *o->window.trouble || !nats_bridge_connected(o->connection);
    int64_t slice = blocked ? BLOCKED_SLICE : o->window.on_their_way ? OWED_SLICE : IDLE_SLICE;
    if (for_records)
        cvb_notify_rearm(o->notifier);
    cli_wait_readable(for_records ? o->epoll : o->queue.event, slice);
}

/* What is on its way may still be acknowledged; the rest goes back untried. */
static int drain(struct out *o)
{
    int64_t until = cli_now_ns() + (int64_t)(o->bridge->drain_seconds * 1e9);
    int error = 0;
    while (!error && o->window.on_their_way && cli_now_ns() < until && cli_signals() < 2) {
        sleep_a_little(o, false);
        error = take_answers(o, cli_now_ns());
    }
    return error ? error : bridge_window_give_back(&o->window);
}

static void tell(struct out *o)
{
    const struct bridge_window *w = &o->window;
    cli_progress_tick(&o->bridge->progress);
    if (!bridge_metrics_due(o->bridge))
        return;
    const struct bridge_metric metrics[] = {
        {"records_total", "Records that the engine has acknowledged.", (double)w->done},
        {"repeated_total", "Messages that were sent again.", (double)w->repeated},
        {"on_their_way", "Records that are sent and not acknowledged.", w->on_their_way},
        {"connected", "1 if the server is connected.", nats_bridge_connected(o->connection)},
        {"blocked", "1 if the engine takes nothing now.", *w->trouble != 0}};
    bridge_metrics_write(o->bridge, metrics, sizeof metrics / sizeof metrics[0]);
}

static int run(struct out *o)
{
    for (;;) {
        int64_t now = cli_now_ns();
        int error = take_answers(o, now);
        if (error)
            return error;
        if (bridge_window_is_over(&o->window, now))
            return drain(o);
        bool connected = nats_bridge_connected(o->connection);
        if (connected)
            bridge_window_send_due(&o->window, now);
        int n = connected ? bridge_window_send_new(&o->window, now) : 0;
        if (n < 0)
            return n;
        if (!n)
            sleep_a_little(o, takes_more(o));
        tell(o);
    }
}

static bool watch(struct out *o, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    return !epoll_ctl(o->epoll, EPOLL_CTL_ADD, fd, &event);
}

static int listen_for_answers(struct out *o)
{
    char subject[160];
    natsStatus s = natsInbox_Create(&o->inbox);
    snprintf(subject, sizeof subject, "%s.*.*", s == NATS_OK ? (const char *)o->inbox : "");
    if (s == NATS_OK)
        s = natsConnection_Subscribe(&o->answers, o->connection, subject, answered, o);
    if (s == NATS_OK)
        s = natsSubscription_SetPendingLimits(o->answers, -1, -1);
    if (s != NATS_OK)
        cli_complain("cannot listen for acknowledgements: %s", natsStatus_GetText(s));
    return s == NATS_OK ? CLI_DONE : CLI_FAILED;
}

static int begin(struct out *o)
{
    struct bridge *b = o->bridge;
    unsigned wake_at = b->window / 4 < WAKE_AT_MOST ? b->window / 4 : WAKE_AT_MOST;
    int error = cvb_notify_open(b->segment, &b->stage, 1, &o->notifier);
    if (error)
        return bridge_segment_failed(b, error);
    o->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (!bridge_window_begin(&o->window, b, send_slot, o) || bridge_queue_begin(&o->queue, wake_at) || o->epoll < 0 ||
        !watch(o, o->queue.event) || !watch(o, cvb_notify_fd(o->notifier))) {
        cli_complain("cannot begin: %s", strerror(errno));
        return CLI_FAILED;
    }
    return listen_for_answers(o);
}

/* The library's thread must be out of `answered` before the queue goes. */
static void end(struct out *o)
{
    natsSubscription_Destroy(o->answers);
    natsConnection_Close(o->connection);
    if (o->notifier)
        cvb_notify_close(o->notifier);
    natsInbox_Destroy(o->inbox);
    bridge_window_end(&o->window);
}

int nats_bridge_out(struct bridge *b, natsConnection *connection)
{
    struct out o = {.bridge = b, .connection = connection, .epoll = -1};
    const char *wrong = bridge_pattern_wrong(b->url.path);
    if (wrong) {
        cli_complain("the subject '%s' of --to is not right: %s", b->url.path, wrong);
        return CLI_USAGE;
    }
    o.one_subject = !strchr(b->url.path, '{');
    snprintf(o.subject, sizeof o.subject, "%s", o.one_subject ? b->url.path : "");
    int status = begin(&o);
    if (!status)
        status = bridge_window_report(&o.window, run(&o));
    end(&o);
    return status;
}
