/* in.c - from a consumer of a stream to a stage.
 *
 * A message is acknowledged when its record has left the segment for good (cvb_source_progress): if this machine dies,
 * the stream still has it. Its number in the stream is the record's position, so what comes a second time, after a
 * restart or a lost connection, is told by cvb_source_open and dropped unseen.
 *
 * Positions only grow, so a message that was lost on its way must not be passed over: deliveries are numbered, and
 * after a gap, a reconnection, or a start behind another process's deliveries the consumer is made anew from what is
 * not acknowledged on (consumer.c). With --shared others read from the consumer too; positions are the bridge's own
 * numbers then, and each message is acknowledged alone.
 *
 * The loop owns the handle. The library's thread queues what comes.
 */
#include <conveyor/flow.h>
#include <conveyor/progress.h>
#include <conveyor/segment.h>
#include <conveyor/wait.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "delivery.h"
#include "feed.h"
#include "held.h"
#include "metrics.h"
#include "nats_bridge.h"
#include "queue.h"
#include "removed.h"
#include "signals.h"
#include "text.h"

#define MILLISECOND INT64_C(1000000)
#define HEARTBEAT_NS (500 * MILLISECOND)
#define SILENCE_NS (1500 * MILLISECOND) /* without a word the pull requests are dead */
#define EXPIRES_NS (30000 * MILLISECOND)
#define ACK_SLICE (100 * MILLISECOND) /* between looks at what is settled */
#define ROOM_SLICE (2 * MILLISECOND)  /* between looks for room */
#define IDLE_SLICE (100 * MILLISECOND)
enum { PULLS = 2, ACK_AT = 1000 };

struct subscription {
    struct in *in;
    unsigned epoch;
    natsSubscription *handle;
    char inbox[80];
};

struct in {
    struct bridge *bridge;
    natsConnection *connection;
    struct nats_consumer consumer;
    struct bridge_queue queue;
    struct subscription *subscription;
    struct nats_line waiting, unsettled;
    struct cvb_record *records;
    uint32_t asked[PULLS]; /* what each pull request may still bring; the first is the older one */
    unsigned epoch;
    uint64_t accepted, settled, rewound, last_delivery, reconnects, done;
    int64_t ack_wait_ns, heard_ns, next_ack_ns, next_touch_ns, last_record_ns, next_look_ns;
    bool removed, rewind;
    bool each; /* message is acknowledged alone (AckExplicit), not all up to one (AckAll) */
};

static void delivered(natsConnection *c, natsSubscription *s, natsMsg *message, void *data)
{
    (void)c;
    (void)s;
    struct subscription *from = data;
    struct nats_delivery *d = calloc(1, sizeof *d);
    if (!d) {
        natsMsg_Destroy(message); /* a gap, which the loop sees */
        return;
    }
    d->message = message;
    d->epoch = from->epoch;
    bridge_queue_put(&from->in->queue, &d->node, false);
}

static int complain(struct in *in, const char *what, natsStatus s)
{
    cli_progress_break(&in->bridge->progress);
    cli_complain("%s: %s", what, natsStatus_GetText(s));
    return BRIDGE_STOPPED;
}

/* The old subscription is kept until the end: its thread may still be in `delivered`. */
static int subscribe(struct in *in)
{
    struct subscription *new = calloc(1, sizeof *new);
    natsInbox *inbox = NULL;
    natsStatus s = new ? natsInbox_Create(&inbox) : NATS_NO_MEMORY;
    if (in->subscription)
        natsSubscription_Unsubscribe(in->subscription->handle);
    if (s == NATS_OK) {
        new->in = in;
        new->epoch = ++in->epoch;
        snprintf(new->inbox, sizeof new->inbox, "%s", (const char *)inbox);
        s = natsConnection_Subscribe(&new->handle, in->connection, new->inbox, delivered, new);
    }
    natsInbox_Destroy(inbox);
    if (s == NATS_OK)
        s = natsSubscription_SetPendingLimits(new->handle, -1, -1);
    if (s != NATS_OK) {
        free(new);
        return complain(in, "cannot subscribe", s);
    }
    in->subscription = new;
    in->last_delivery = 0;
    memset(in->asked, 0, sizeof in->asked);
    in->heard_ns = cli_now_ns();
    return 0;
}

static uint64_t reconnects(const struct in *in)
{
    natsStatistics *all = NULL;
    uint64_t ignored, n = 0;
    if (natsStatistics_Create(&all) == NATS_OK && natsConnection_GetStats(in->connection, all) == NATS_OK)
        natsStatistics_GetCounts(all, &ignored, &ignored, &ignored, &ignored, &n);
    natsStatistics_Destroy(all);
    return n;
}

/* All that is not acknowledged comes again, in its order; what is in the segment already is dropped then. */
static int rewind_consumer(struct in *in)
{
    in->rewind = false;
    in->rewound++;
    nats_line_drop(&in->waiting, in->waiting.count);
    nats_line_drop(&in->unsettled, in->unsettled.count);
    if (!in->bridge->shared && nats_consumer_rewind(&in->consumer))
        return BRIDGE_STOPPED;
    return subscribe(in);
}

static uint32_t asked(const struct in *in) { return in->asked[0] + in->asked[1]; }

/* One message less of the older request. */
static void count_delivery(struct in *in)
{
    if (!in->asked[0]) {
        in->asked[0] = in->asked[1];
        in->asked[1] = 0;
    }
    in->asked[0] -= in->asked[0] > 0;
}

static void request_is_over(struct in *in)
{
    in->asked[0] = in->asked[1];
    in->asked[1] = 0;
}

/* A message came. True if it is kept. */
static bool keep(struct in *in, natsMsg *m, int64_t now)
{
    uint64_t in_stream, of_delivery;
    count_delivery(in);
    if (!nats_numbers(m, &in_stream, &of_delivery))
        return false;
    if (!in->bridge->shared && in->last_delivery && of_delivery != in->last_delivery + 1)
        in->rewind = true;
    in->last_delivery = of_delivery;
    return !in->rewind && nats_line_add(&in->waiting, (struct nats_held){m, NULL, in_stream, now, now});
}

static void take_deliveries(struct in *in, int64_t now)
{
    struct cds_wfcq_node *node;
    bridge_queue_seen(&in->queue);
    while ((node = bridge_queue_take(&in->queue))) {
        struct nats_delivery *d = caa_container_of(node, struct nats_delivery, node);
        enum nats_delivered what = nats_delivered(d->message);
        bool current = d->epoch == in->epoch && !in->rewind, kept = false;
        if (current)
            in->heard_ns = now;
        if (current && what == NATS_DELIVERED)
            kept = keep(in, d->message, now);
        else if (current && what == NATS_REQUEST_OVER)
            request_is_over(in);
        else if (current && what == NATS_CONSUMER_GONE)
            in->rewind = true;
        if (!kept)
            natsMsg_Destroy(d->message);
        free(d);
    }
}

/* The reply subject of the first that waits goes to the unsettled, its message away. */
static bool move_one(struct in *in)
{
    struct nats_held *h = nats_line_at(&in->waiting, 0);
    char *reply = strdup(natsMsg_GetReply(h->message));
    if (!reply ||
        !nats_line_add(&in->unsettled, (struct nats_held){NULL, reply, h->position, h->touched_ns, h->came_ns})) {
        free(reply);
        return false;
    }
    nats_line_drop(&in->waiting, 1);
    return true;
}

/* What comes a second time: it is acknowledged with the rest, when it is settled. One that is behind others of the line
 * is in it already. */
static void drop_known(struct in *in)
{
    while (in->waiting.count && !in->bridge->shared && nats_line_at(&in->waiting, 0)->position <= in->accepted) {
        struct nats_line *u = &in->unsettled;
        uint64_t last = u->count ? nats_line_at(u, u->count - 1)->position : 0;
        if (nats_line_at(&in->waiting, 0)->position <= last)
            nats_line_drop(&in->waiting, 1);
        else if (!move_one(in))
            return;
    }
}

static size_t gather(struct in *in)
{
    size_t most = in->waiting.count < in->bridge->batch ? in->waiting.count : in->bridge->batch;
    if (in->bridge->count && most > in->bridge->count - in->done)
        most = in->bridge->count - in->done;
    for (size_t i = 0; i < most; i++) {
        struct nats_held *h = nats_line_at(&in->waiting, i);
        if (in->bridge->shared)
            h->position = in->accepted + 1 + i;
        in->records[i] = (struct cvb_record){.payload = natsMsg_GetData(h->message),
                                             .length = (uint32_t)natsMsg_GetDataLength(h->message),
                                             .source = in->bridge->source,
                                             .pipeline = in->bridge->pipeline,
                                             .position = h->position};
    }
    return most;
}

static int refused(struct in *in, int why)
{
    const struct nats_held *h = nats_line_at(&in->waiting, 0);
    if (why != CVB_ETOOLONG)
        return why;
    cli_progress_break(&in->bridge->progress);
    cli_complain("message %" PRIu64
                 " of stream '%s' has %d bytes, and a record of segment '%s' has at most %u: make the "
                 "segment anew with a larger --payload-size; all messages before it are in",
                 h->position, in->consumer.stream, natsMsg_GetDataLength(h->message), in->bridge->segment,
                 in->bridge->settings.payload_size);
    return BRIDGE_STOPPED;
}

/* Puts what waits, as much as there is room for: how many, or an error. */
static int put(struct in *in)
{
    struct cvb_backpressure pressure;
    drop_known(in);
    size_t count = gather(in);
    if (!count)
        return 0;
    int why = 0, error = cvb_backpressure(in->bridge->handle, in->bridge->stage, in->bridge->source, &pressure);
    if (error || pressure.signal == CVB_SIGNAL_PAUSE)
        return error;
    int n = cvb_buffer_batch_for_stage(in->bridge->handle, in->bridge->stage, in->records, count, &why);
    for (int i = 0; i < n; i++) {
        in->accepted = nats_line_at(&in->waiting, 0)->position;
        if (!move_one(in)) /* it is not acknowledged, and comes again: told by its position */
            return CVB_ESYSTEM;
    }
    in->done += n > 0 ? (uint64_t)n : 0;
    in->bridge->progress.records = in->done;
    if (n > 0)
        in->last_record_ns = cli_now_ns();
    return n < 0 ? n : (size_t)n == count || !why || cli_is_refusal(why) ? n : refused(in, why);
}

static natsStatus acknowledge(struct in *in, size_t count)
{
    natsStatus s = NATS_OK;
    for (size_t i = in->each ? 0 : count - 1; s == NATS_OK && i < count; i++)
        s = natsConnection_PublishString(in->connection, nats_line_at(&in->unsettled, i)->reply, "+ACK");
    return s;
}

/* Tells the stream what it may forget. An acknowledgement that is lost with the connection is given again when its
 * message comes again. 0 or an error. */
static int tell_settled(struct in *in, int64_t now, bool at_once)
{
    struct cvb_progress p;
    struct nats_line *u = &in->unsettled;
    if (!u->count || (!at_once && now < in->next_ack_ns && u->count < ACK_AT) || !nats_bridge_connected(in->connection))
        return 0;
    in->next_ack_ns = now + ACK_SLICE;
    int error = cvb_source_progress(in->bridge->handle, in->bridge->source, &p);
    if (error)
        return error;
    in->settled = p.settled;
    size_t n = 0;
    while (n < u->count && (in->bridge->buffered || nats_line_at(u, n)->position <= p.settled))
        n++;
    if (n && acknowledge(in, n) == NATS_OK)
        nats_line_drop(u, n);
    return 0;
}

/* Messages that are held for long: the server gives them to nobody else. */
static void touch(struct in *in, int64_t now)
{
    struct nats_line *lines[] = {&in->unsettled, &in->waiting};
    if (now < in->next_touch_ns || !nats_bridge_connected(in->connection))
        return;
    in->next_touch_ns = now + in->ack_wait_ns / 8;
    for (int k = 0; k < 2; k++)
        for (size_t i = 0; i < lines[k]->count; i++) {
            struct nats_held *h = nats_line_at(lines[k], i);
            if (now - h->touched_ns < in->ack_wait_ns / 2)
                continue;
            natsConnection_PublishString(in->connection, h->reply ? h->reply : natsMsg_GetReply(h->message), "+WPI");
            h->touched_ns = now;
        }
}

/* How many messages more may be asked for: what there is room for in the segment and in the window. */
static uint32_t room(struct in *in)
{
    int64_t credits = cvb_available_credits(in->bridge->handle, in->bridge->source);
    uint64_t most = credits > 0 ? (uint64_t)credits : 0, has = in->waiting.count + asked(in);
    most = most < in->bridge->window ? most : in->bridge->window;
    if (in->bridge->count && most > in->bridge->count - in->done)
        most = in->bridge->count - in->done;
    return most > has ? (uint32_t)(most - has) : 0;
}

/* Two requests are on their way, so that the second is served while the first is being put. */
static int ask(struct in *in)
{
    char subject[400], text[200];
    if (in->asked[1] || !nats_bridge_connected(in->connection))
        return 0;
    uint32_t n = room(in);
    if (!n || (n < in->bridge->batch / 2 && asked(in)))
        return 0;
    n = n < in->bridge->batch ? n : in->bridge->batch;
    snprintf(subject, sizeof subject, "$JS.API.CONSUMER.MSG.NEXT.%s.%s", in->consumer.stream, in->consumer.name);
    snprintf(text, sizeof text, "{\"batch\":%u,\"expires\":%lld,\"idle_heartbeat\":%lld}", n, (long long)EXPIRES_NS,
             (long long)HEARTBEAT_NS);
    natsStatus s = natsConnection_PublishRequestString(in->connection, subject, in->subscription->inbox, text);
    if (s != NATS_OK)
        return 0; /* not connected any more */
    in->asked[in->asked[0] ? 1 : 0] = n;
    return 0;
}

/* A connection that was lost took its requests, and perhaps messages, with it. */
static void look_at_connection(struct in *in, int64_t now)
{
    if (!nats_bridge_connected(in->connection)) {
        in->heard_ns = now;
        return;
    }
    uint64_t n = reconnects(in);
    in->rewind |= n != in->reconnects || (asked(in) && now - in->heard_ns > SILENCE_NS);
    in->reconnects = n;
}

static bool is_over(struct in *in, int64_t now)
{
    const struct bridge *b = in->bridge;
    in->removed |= cli_is_removed(b->handle, &in->next_look_ns);
    return cli_signals() || in->removed || (b->count && in->done >= b->count) ||
           (b->idle_seconds >= 0 && !in->waiting.count && now - in->last_record_ns > (int64_t)(b->idle_seconds * 1e9));
}

static void sleep_a_little(struct in *in)
{
    int64_t slice = in->waiting.count ? ROOM_SLICE : IDLE_SLICE; /* IDLE_SLICE is no longer than ACK_SLICE */
    cli_wait_readable(in->queue.event, slice);
}

/* One turn: how many were put, or an error. */
static int turn(struct in *in, int64_t now)
{
    take_deliveries(in, now);
    look_at_connection(in, now);
    int error = in->rewind && nats_bridge_connected(in->connection) ? rewind_consumer(in) : 0;
    int n = error ? error : put(in);
    if (n >= 0)
        error = tell_settled(in, now, false);
    touch(in, now);
    if (!error && n >= 0)
        error = ask(in);
    return error ? error : n;
}

/* What is in may still be settled, and is acknowledged then. */
static int drain(struct in *in)
{
    int64_t until = cli_now_ns() + (int64_t)(in->bridge->drain_seconds * 1e9);
    int error = 0;
    nats_line_drop(&in->waiting, in->waiting.count);
    for (;;) {
        error = tell_settled(in, cli_now_ns(), true);
        if (error || !in->unsettled.count || cli_now_ns() > until || cli_signals() > 1)
            break;
        cli_sleep(20 * MILLISECOND);
    }
    natsConnection_FlushTimeout(in->connection, 2000);
    return error;
}

static void tell(struct in *in, int64_t now)
{
    cli_progress_tick(&in->bridge->progress);
    if (!bridge_metrics_due(in->bridge))
        return;
    const struct nats_held *oldest = in->unsettled.count ? nats_line_at(&in->unsettled, 0) : NULL;
    const struct bridge_metric metrics[] = {
        {"records_total", "Records that were put into the stage.", (double)in->done},
        {"rewound_total", "How often the consumer was made anew.", (double)in->rewound},
        {"waiting", "Messages that wait for room in the segment.", (double)in->waiting.count},
        {"unsettled", "Messages whose records are not settled.", (double)in->unsettled.count},
        {"unsettled_seconds", "How long the oldest of them is here.",
         oldest ? (double)(now - oldest->came_ns) / 1e9 : 0},
        {"accepted_position", "The highest position that is in.", (double)in->accepted},
        {"settled_position", "All at or below it have left the segment.", (double)in->settled},
        {"connected", "1 if the server is connected.", nats_bridge_connected(in->connection)}};
    bridge_metrics_write(in->bridge, metrics, sizeof metrics / sizeof metrics[0]);
}

static int run(struct in *in)
{
    int n = rewind_consumer(in);
    in->last_record_ns = cli_now_ns();
    while (n >= 0) {
        int64_t now = cli_now_ns();
        if (is_over(in, now))
            return drain(in);
        n = turn(in, now);
        if (!n)
            sleep_a_little(in);
        tell(in, now);
    }
    return n;
}

static int report(struct in *in, int error)
{
    char more[120] = "";
    if (in->unsettled.count)
        snprintf(more, sizeof more, ", %zu not settled yet: they come again", in->unsettled.count);
    return bridge_report(in->bridge, error, in->removed, more);
}

static int open_source(struct in *in)
{
    int error = cvb_source_open(in->bridge->handle, in->bridge->source, &in->accepted);
    if (error == CVB_EBUSY) {
        cli_complain("source '%s' of segment '%s' has another bridge or connector, which is alive: end it, or choose "
                     "another --source",
                     in->bridge->source_name, in->bridge->segment);
        return CLI_FAILED;
    }
    return error ? bridge_segment_failed(in->bridge, error) : CLI_DONE;
}

static int begin(struct in *in)
{
    struct cvb_progress progress;
    if (!nats_consumer_of(in->bridge, &in->consumer))
        return CLI_USAGE;
    int status = open_source(in);
    if (status)
        return status;
    natsStatus s = natsConnection_JetStream(&in->consumer.js, in->connection, NULL);
    if (s != NATS_OK)
        return complain(in, "no JetStream", s), CLI_FAILED;
    int error = cvb_source_progress(in->bridge->handle, in->bridge->source, &progress);
    if (error)
        return bridge_segment_failed(in->bridge, error);
    jsConsumerInfo *info = nats_consumer_open(in->bridge, &in->consumer, progress.settled);
    if (!info)
        return CLI_FAILED;
    in->ack_wait_ns = info->Config->AckWait > 0 ? info->Config->AckWait : INT64_C(30000000000);
    in->each = info->Config->AckPolicy == js_AckExplicit;
    jsConsumerInfo_Destroy(info);
    in->records = calloc(in->bridge->batch, sizeof *in->records);
    in->reconnects = reconnects(in);
    if (!in->records || bridge_queue_begin(&in->queue, 1)) {
        cli_complain("cannot begin: %s", strerror(errno));
        return CLI_FAILED;
    }
    return CLI_DONE;
}

static void end(struct in *in)
{
    natsConnection_Close(in->connection);
    nats_line_free(&in->waiting);
    nats_line_free(&in->unsettled);
    jsCtx_Destroy(in->consumer.js);
    free(in->records);
}

int nats_bridge_in(struct bridge *b, natsConnection *connection)
{
    struct in in = {.bridge = b, .connection = connection};
    int status = begin(&in);
    if (!status)
        status = report(&in, run(&in));
    end(&in);
    return status;
}
