/* in.c - from a consumer of a stream to a stage.
 *
 * A message is acknowledged when its record has left the segment for good (cvb_source_progress): if this machine dies,
 * the stream still has it. Its number in the stream is the record's position, so what comes a second time, after a
 * restart or a lost connection, is told by cvb_source_open and dropped unseen.
 *
 * Positions only grow, so a message that was lost on its way must not be passed over: deliveries are numbered, and
 * after a gap, a reconnection, or a start behind another process's deliveries the consumer is made anew from what is
 * not acknowledged on (pull.c, consumer.c). With --shared others read from the consumer too; positions are the bridge's
 * own numbers then, and each message is acknowledged alone.
 */
#include <conveyor/progress.h>
#include <conveyor/segment.h>
#include <conveyor/wait.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "intake.h"
#include "link.h"
#include "metrics.h"
#include "pause.h"
#include "pull.h"
#include "refuse.h"
#include "settle.h"
#include "signals.h"
#include "text.h"
#include "wrap.h"

#define MILLISECOND INT64_C(1000000)
#define ROOM_LEAST (2 * MILLISECOND)           /* between looks for room */
#define ROOM_MOST (16 * MILLISECOND)           /* where there is none for long */
#define IDLE_SLICE (100 * MILLISECOND)         /* no longer than the time between looks at what is settled */
#define AGAIN_NS (250 * MILLISECOND)           /* until a server that did not answer is asked again */
#define ACK_WAIT_DEFAULT (30000 * MILLISECOND) /* the server's, if the consumer has none of its own */
enum { UNKNOWN_AT_FIRST = 3 }; /* metrics, the last ones: until the server has said how the consumer stands */

struct in {
    struct bridge *bridge;
    struct nats_consumer consumer;
    struct nats_link link;
    struct nats_pull pull;
    struct nats_settle settle;
    struct bridge_intake intake;
    struct bridge_pause room; /* between looks for it */
    uint64_t accepted;
    int64_t again_ns; /* not before it is the server asked again */
    bool open;        /* it has told how the consumer is set */
};

static struct nats_held *first(struct in *in) { return nats_line_at(&in->pull.waiting, 0); }

/* What comes a second time: it is acknowledged with the rest, when it is settled. One that is behind others of the line
 * is in it already. */
static void drop_known(struct in *in)
{
    struct nats_line *u = &in->settle.unsettled;
    while (in->pull.waiting.count && !in->bridge->shared && first(in)->position <= in->accepted) {
        uint64_t last = u->count ? nats_line_at(u, u->count - 1)->position : 0;
        if (first(in)->position <= last)
            nats_line_drop(&in->pull.waiting, 1);
        else if (!nats_settle_add(&in->settle, &in->pull.waiting))
            return;
    }
}

static size_t gather(struct in *in)
{
    size_t most = bridge_intake_most(&in->intake, in->pull.waiting.count);
    for (size_t i = 0; i < most; i++) {
        struct nats_held *h = nats_line_at(&in->pull.waiting, i);
        if (in->bridge->shared)
            h->position = in->accepted + 1 + i;
        bridge_intake_fill(&in->intake, i, in->bridge->source, h->position, natsMsg_GetData(h->message),
                           (size_t)natsMsg_GetDataLength(h->message));
        struct bridge_envelope *e = bridge_intake_envelope(&in->intake);
        if (e) {
            nats_wrap(e, h->message, &in->consumer);
            bridge_intake_seal(&in->intake, i);
        }
    }
    return most;
}

static int refused(struct in *in, int why)
{
    char what[200];
    snprintf(what, sizeof what, "message %" PRIu64 " of stream '%s'", first(in)->position, in->consumer.stream);
    return bridge_refuse(&in->intake, why, what, (size_t)natsMsg_GetDataLength(first(in)->message));
}

/* The first `count` that wait are in. 0 or an error. */
static int are_in(struct in *in, int count)
{
    for (int i = 0; i < count; i++) {
        in->accepted = first(in)->position;
        if (!nats_settle_add(&in->settle, &in->pull.waiting)) /* it comes again: told by its position */
            return CVB_ESYSTEM;
    }
    return 0;
}

/* Puts what waits, as much as there is room for: how many, or an error. */
static int put(struct in *in)
{
    int why = 0;
    drop_known(in);
    int opens = in->pull.waiting.count ? bridge_intake_opens(&in->intake, in->bridge->source) : 0;
    if (opens <= 0)
        return opens;
    int n = bridge_intake_put(&in->intake, gather(in), &why), error = n < 0 ? n : are_in(in, n);
    if (error || !why)
        return error ? error : n;
    int more = refused(in, why);
    error = more < 0 ? more : are_in(in, more);
    return error ? error : n + more;
}

/* How many messages there is room for in the segment and in the window. */
static uint64_t room(struct in *in)
{
    int64_t credits = cvb_available_credits(in->bridge->handle, in->bridge->source);
    uint64_t most = credits > 0 ? (uint64_t)credits : 0;
    most = most < in->bridge->window ? most : in->bridge->window;
    if (in->bridge->count && most > in->bridge->count - in->intake.done)
        most = in->bridge->count - in->intake.done;
    return most;
}

/* Finds the consumer, and how it wants to be told. */
static int open_consumer(struct in *in)
{
    struct cvb_progress progress;
    jsConsumerInfo *info;
    int error = cvb_source_progress(in->bridge->handle, in->bridge->source, &progress);
    if (!error)
        error = nats_consumer_open(&in->consumer, progress.settled, &info);
    if (error)
        return error;
    in->settle.each = info->Config->AckPolicy == js_AckExplicit;
    in->settle.ack_wait_ns = info->Config->AckWait > 0 ? info->Config->AckWait : ACK_WAIT_DEFAULT;
    nats_settle_limit(&in->settle, info->Config->MaxAckPending);
    nats_pull_limit(&in->pull, info->Config->MaxWaiting);
    in->open = true;
    jsConsumerInfo_Destroy(info);
    return 0;
}

/* At first, and when messages may be missing: asked again a moment later while the server does not answer. */
static int begin_anew(struct in *in, int64_t now)
{
    nats_line_drop(&in->settle.unsettled, in->settle.unsettled.count);
    nats_line_drop(&in->pull.waiting, in->pull.waiting.count);
    if (now < in->again_ns || !nats_bridge_connected(in->pull.connection))
        return 0;
    int error = in->open ? 0 : open_consumer(in);
    if (!error)
        error = nats_pull_anew(&in->pull);
    if (error == NATS_AGAIN)
        in->again_ns = cli_now_ns() + AGAIN_NS;
    return error == NATS_AGAIN ? 0 : error;
}

/* One turn: how many were put, or an error. */
static int turn(struct in *in, int64_t now)
{
    nats_pull_take(&in->pull, now);
    int error = nats_link_look(&in->link);
    if (!error && in->pull.rewind)
        error = begin_anew(in, now);
    int n = error ? error : put(in);
    if (n < 0)
        return n;
    error = nats_settle_tell(&in->settle, now, false);
    nats_settle_touch(&in->settle, &in->pull.waiting, now);
    nats_pull_ask(&in->pull, room(in));
    return error ? error : n;
}

static void tell(struct in *in, int64_t now)
{
    const struct nats_standing *s = &in->pull.standing;
    cli_progress_tick(&in->bridge->progress);
    if (!bridge_metrics_due(in->bridge))
        return;
    struct nats_line *u = &in->settle.unsettled;
    double age = u->count ? (double)(now - nats_line_at(u, 0)->came_ns) / 1e9 : 0;
    const struct bridge_metric metrics[] = {
        {"records_total", "Records that were put into the stage.", (double)in->intake.done},
        {"rewound_total", "How often the consumer was made anew.", (double)in->pull.rewound},
        {"waiting", "Messages that wait for room in the segment.", (double)in->pull.waiting.count},
        {"unsettled", "Messages whose records are not settled.", (double)u->count},
        {"unsettled_seconds", "How long the oldest of them is here.", age},
        {"accepted_position", "The highest position that is in.", (double)in->accepted},
        {"settled_position", "All at or below it have left the segment.", (double)in->settle.settled},
        {"connected", "1 if the server is connected.", nats_bridge_connected(in->pull.connection)},
        {"lag", "Messages of the stream that are not in the segment.", (double)(s->pending + in->pull.waiting.count)},
        {"ack_wait_seconds", "How long the consumer waits for word of a message.", (double)s->ack_wait_ns / 1e9},
        {"max_ack_pending", "The most messages that the consumer gives without acknowledgement.",
         (double)s->max_ack_pending}};
    const size_t count = sizeof metrics / sizeof metrics[0];
    bridge_metrics_write(in->bridge, metrics, s->known ? count : count - UNKNOWN_AT_FIRST);
    nats_pull_ask_standing(&in->pull);
}

static int drain(struct in *in)
{
    nats_line_drop(&in->pull.waiting, in->pull.waiting.count);
    return nats_settle_drain(&in->settle);
}

/* Until something comes, or is to be looked at. */
static void wait_for_more(struct in *in)
{
    nats_spent_free(&in->settle.spent);
    int64_t most = in->pull.waiting.count ? bridge_pause_ns(&in->room) : IDLE_SLICE;
    int64_t settle = nats_bridge_connected(in->pull.connection) ? nats_settle_wait(&in->settle, cli_now_ns()) : most;
    nats_pull_wait(&in->pull, settle < most ? settle : most);
}

static int run(struct in *in)
{
    int n = 0;
    in->intake.last_record_ns = cli_now_ns();
    while (n >= 0) {
        int64_t now = cli_now_ns();
        if (bridge_intake_is_over(&in->intake, in->pull.waiting.count, now))
            return drain(in);
        n = turn(in, now);
        if (n > 0) {
            bridge_pause_ends(&in->room);
            nats_pull_nap(&in->pull);
        } else if (!n)
            wait_for_more(in);
        tell(in, now);
    }
    return n;
}

static int report(struct in *in, int error)
{
    char more[120] = "";
    if (in->settle.unsettled.count)
        snprintf(more, sizeof more, ", %zu not settled yet: they come again", in->settle.unsettled.count);
    return bridge_report(in->bridge, error, in->intake.removed, more);
}

int nats_bridge_open_source(struct bridge *b, uint64_t *accepted)
{
    int error = cvb_source_open(b->handle, b->source, accepted);
    if (error == CVB_EBUSY) {
        cli_complain("source '%s' of segment '%s' has another bridge or connector, which is alive: end it, or choose "
                     "another --source",
                     b->source_name, b->segment);
        return CLI_FAILED;
    }
    return error ? bridge_segment_failed(b, error) : CLI_DONE;
}

static int begin(struct in *in, natsConnection *connection)
{
    int status = nats_consumer_begin(&in->consumer, in->bridge, connection);
    if (status)
        return status;
    nats_settle_begin(&in->settle, in->bridge, connection);
    nats_pull_begin(&in->pull, in->bridge, connection, &in->consumer);
    if (bridge_intake_begin(&in->intake, in->bridge))
        return CLI_DONE;
    cli_complain("cannot begin: %s", strerror(errno));
    return CLI_FAILED;
}

static void end(struct in *in)
{
    nats_pull_end(&in->pull);
    nats_line_free(&in->pull.waiting);
    nats_line_free(&in->settle.unsettled);
    nats_spent_free(&in->settle.spent);
    nats_consumer_end(&in->consumer);
    bridge_intake_end(&in->intake);
}

int nats_bridge_in(struct bridge *b, natsConnection *connection, uint64_t accepted)
{
    struct in in = {
        .bridge = b, .link = {b, connection, false}, .room = {ROOM_LEAST, ROOM_MOST, 0}, .accepted = accepted};
    int status = begin(&in, connection);
    if (!status)
        status = report(&in, run(&in));
    end(&in);
    return status;
}
