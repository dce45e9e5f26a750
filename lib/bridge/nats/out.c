/* out.c - from a stage to a stream.
 *
 * A record is leased, published with an id of its own (Nats-Msg-Id), and acked when the stream has acknowledged it. One
 * that is not acknowledged within ANSWER_NS, or not now, is sent again with the same id, so the stream drops what it
 * has already; the lease is kept. So nothing is lost whoever dies, and nothing comes twice within the stream's
 * duplicate window. If the stream is full, the leases stay, the stage fills, and its sources are told to pause.
 *
 * The loop owns the handle. The library's thread parses the answers and queues them.
 */
#include <conveyor/flow.h>
#include <conveyor/notify.h>
#include <conveyor/progress.h>
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
#include "removed.h"
#include "signals.h"
#include "text.h"

#define MILLISECOND INT64_C(1000000)
#define ANSWER_NS (3000 * MILLISECOND)    /* without an answer it is sent again */
#define BACKOFF_LEAST (250 * MILLISECOND) /* after a refusal, doubling */
#define BACKOFF_MOST (5000 * MILLISECOND)
#define OWED_SLICE (2 * MILLISECOND)   /* answers are owed: their wake-up may be left out */
#define IDLE_SLICE (100 * MILLISECOND) /* the longest time until a signal is seen */
#define DUE_SLICE (20 * MILLISECOND)   /* between looks for what must be sent again */
enum { SUBJECT_MAX = 512, WAKE_AT_MOST = 64 };

struct slot {
    struct cvb_lease lease;
    int64_t due_ns, backoff_ns; /* when it is sent again */
    unsigned first,
        attempt; /* of this lease, and the last one: they grow for ever, so no answer is taken for another's */
    bool used;
};

struct out {
    struct bridge *bridge;
    natsConnection *connection;
    natsSubscription *answers;
    natsInbox *inbox;
    struct bridge_queue queue;
    struct cvb_notifier *notifier;
    int epoll;
    struct slot *slots;
    unsigned *free_slots, free_count, on_their_way, waiting; /* of those on their way, to be sent again */
    struct cvb_lease *acked, *refused, *taken;
    unsigned acked_count, refused_count;
    int64_t next_due_ns, last_record_ns, next_look_ns;
    uint64_t done, repeated;
    char subject[SUBJECT_MAX];
    char trouble[160];                         /* why the stream takes nothing now; "" if it does */
    char refusal[160];                         /* why it refused a record last */
    uint32_t subject_source, subject_pipeline; /* whose it is */
    bool one_subject, removed, any_refused;
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
    struct slot *s = &o->slots[slot];
    const char *subject = subject_of(o, &s->lease);
    char reply[128];
    natsMsg *m = NULL;
    if (!subject)
        return NATS_INVALID_SUBJECT;
    snprintf(reply, sizeof reply, "%s.%u.%u", (const char *)o->inbox, slot, s->attempt);
    natsStatus status = natsMsg_Create(&m, subject, reply, s->lease.payload, (int)s->lease.length);
    if (status == NATS_OK)
        status = add_headers(o, m, &s->lease);
    if (status == NATS_OK)
        status = natsConnection_PublishMsg(o->connection, m);
    natsMsg_Destroy(m);
    return status;
}

static void free_slot(struct out *o, unsigned slot)
{
    o->slots[slot].used = false;
    o->free_slots[o->free_count++] = slot;
    o->on_their_way--;
}

static void refuse(struct out *o, unsigned slot, const char *why)
{
    if (!o->any_refused || strcmp(o->refusal, why)) {
        cli_progress_break(&o->bridge->progress);
        cli_complain("a record of %u bytes is refused for good: %s", o->slots[slot].lease.length, why);
    }
    snprintf(o->refusal, sizeof o->refusal, "%s", why);
    o->any_refused = true;
    o->trouble[0] = 0;
    o->refused[o->refused_count++] = o->slots[slot].lease;
    free_slot(o, slot);
}

static void later(struct out *o, unsigned slot, int64_t now, const char *why)
{
    struct slot *s = &o->slots[slot];
    if (why && strcmp(o->trouble, why)) {
        cli_progress_break(&o->bridge->progress);
        cli_complain("not taken now: %s; it is tried again until it is", why);
        snprintf(o->trouble, sizeof o->trouble, "%s", why);
    }
    s->backoff_ns = s->backoff_ns ? s->backoff_ns * 2 : BACKOFF_LEAST;
    s->backoff_ns = s->backoff_ns < BACKOFF_MOST ? s->backoff_ns : BACKOFF_MOST;
    s->due_ns = now + s->backoff_ns;
}

/* Publishes what is in the slot, or says when it is tried again. */
static void send_slot(struct out *o, unsigned slot, int64_t now)
{
    struct slot *s = &o->slots[slot];
    s->attempt++;
    s->due_ns = now + ANSWER_NS;
    natsStatus status = publish(o, slot);
    if (status == NATS_MAX_PAYLOAD || status == NATS_INVALID_SUBJECT)
        refuse(o, slot, natsStatus_GetText(status));
    else if (status != NATS_OK)
        later(o, slot, now, natsStatus_GetText(status));
}

static void handle_answer(struct out *o, const struct nats_answered *a, int64_t now)
{
    if (a->slot >= o->bridge->window || !o->slots[a->slot].used)
        return;
    struct slot *s = &o->slots[a->slot];
    bool stored = a->answer == NATS_STORED;
    if (a->attempt < s->first || a->attempt > s->attempt || (!stored && a->attempt != s->attempt))
        return; /* of an attempt that another has followed; one that was stored is stored, whichever it was */
    if (stored) {
        o->trouble[0] = 0;
        o->acked[o->acked_count++] = s->lease;
        free_slot(o, a->slot);
    } else if (a->answer == NATS_REFUSED) {
        refuse(o, a->slot, a->text);
    } else {
        later(o, a->slot, now, a->text);
    }
}

static int settle(struct out *o)
{
    int error = 0;
    if (o->acked_count)
        error = cvb_ack(o->bridge->handle, o->acked, o->acked_count);
    if (!error) {
        o->done += o->acked_count;
        o->bridge->progress.records = o->done;
    }
    o->acked_count = 0;
    if (!error && o->refused_count)
        error = cvb_return_to_buffer(o->bridge->handle, o->refused, o->refused_count);
    o->refused_count = 0;
    return error;
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
    return settle(o);
}

/* What has had no answer, or was refused for now, is sent again when it is due. */
static void send_due(struct out *o, int64_t now)
{
    if (now < o->next_due_ns || !o->on_their_way)
        return;
    o->next_due_ns = now + DUE_SLICE;
    for (unsigned i = 0; i < o->bridge->window && nats_bridge_connected(o->connection); i++)
        if (o->slots[i].used && o->slots[i].due_ns <= now) {
            o->repeated++;
            send_slot(o, i, now);
        }
}

/* How many may be leased now. */
static size_t room(const struct out *o)
{
    size_t most = o->free_count < o->bridge->batch ? o->free_count : o->bridge->batch;
    uint64_t left = o->bridge->count ? o->bridge->count - o->done - o->on_their_way : most;
    return left < most ? (size_t)left : most;
}

/* While the stream does not take what it has been given, no more is added. */
static bool takes_more(const struct out *o) { return !*o->trouble && nats_bridge_connected(o->connection) && room(o); }

/* Leases records and publishes them: how many, or an error. */
static int send_new(struct out *o, int64_t now)
{
    size_t want = takes_more(o) ? room(o) : 0;
    int n = want ? cvb_get_batch(o->bridge->handle, o->bridge->stage, o->taken, want) : 0;
    for (int i = 0; i < n; i++) {
        unsigned slot = o->free_slots[--o->free_count];
        o->slots[slot].lease = o->taken[i];
        o->slots[slot].backoff_ns = 0;
        o->slots[slot].first = o->slots[slot].attempt + 1;
        o->slots[slot].used = true;
        o->on_their_way++;
        send_slot(o, slot, now);
    }
    if (n > 0)
        o->last_record_ns = now;
    return n;
}

/* Until answers come, or records if more may be taken. */
static void sleep_a_little(struct out *o, bool for_records)
{
    bool blocked = *o->trouble || !nats_bridge_connected(o->connection);
    int64_t slice = blocked ? DUE_SLICE : o->on_their_way ? OWED_SLICE : IDLE_SLICE;
    if (for_records)
        cvb_notify_rearm(o->notifier);
    cli_wait_readable(for_records ? o->epoll : o->queue.event, slice);
}

static bool is_over(struct out *o, int64_t now)
{
    const struct bridge *b = o->bridge;
    o->removed |= cli_is_removed(b->handle, &o->next_look_ns);
    return cli_signals() || o->removed || (b->stop_on_refused && o->any_refused) || (b->count && o->done >= b->count) ||
           (b->idle_seconds >= 0 && !o->on_their_way && now - o->last_record_ns > (int64_t)(b->idle_seconds * 1e9));
}

/* What is on its way may still be acknowledged; the rest goes back untried. */
static int drain(struct out *o)
{
    int64_t until = cli_now_ns() + (int64_t)(o->bridge->drain_seconds * 1e9);
    int error = 0;
    while (!error && o->on_their_way && cli_now_ns() < until && cli_signals() < 2) {
        sleep_a_little(o, false);
        error = take_answers(o, cli_now_ns());
    }
    for (unsigned i = 0; !error && i < o->bridge->window; i++)
        if (o->slots[i].used)
            error = cvb_release(o->bridge->handle, &o->slots[i].lease, 1);
    return error;
}

static void tell(struct out *o)
{
    cli_progress_tick(&o->bridge->progress);
    if (!bridge_metrics_due(o->bridge))
        return;
    const struct bridge_metric metrics[] = {
        {"records_total", "Records that the engine has acknowledged.", (double)o->done},
        {"repeated_total", "Messages that were sent again.", (double)o->repeated},
        {"on_their_way", "Records that are sent and not acknowledged.", o->on_their_way},
        {"connected", "1 if the server is connected.", nats_bridge_connected(o->connection)},
        {"blocked", "1 if the stream takes nothing now.", *o->trouble != 0}};
    bridge_metrics_write(o->bridge, metrics, sizeof metrics / sizeof metrics[0]);
}

static int run(struct out *o)
{
    int error = 0;
    o->last_record_ns = cli_now_ns();
    for (;;) {
        int64_t now = cli_now_ns();
        error = take_answers(o, now);
        if (error || is_over(o, now))
            break;
        send_due(o, now);
        int n = send_new(o, now);
        if (n < 0) {
            error = n;
            break;
        }
        if (!n)
            sleep_a_little(o, takes_more(o));
        tell(o);
    }
    return error ? error : drain(o);
}

static int report(struct out *o, int error)
{
    char more[120] = "";
    if (error)
        return bridge_segment_failed(o->bridge, error);
    if (o->removed) {
        cli_progress_break(&o->bridge->progress);
        cli_complain_removed(o->bridge->segment);
        return CLI_FAILED;
    }
    if (o->on_their_way || o->repeated)
        snprintf(more, sizeof more, ", %u given back, %llu sent again", o->on_their_way,
                 (unsigned long long)o->repeated);
    cli_progress_end(&o->bridge->progress, more);
    return o->bridge->stop_on_refused && o->any_refused ? CLI_FAILED : CLI_DONE;
}

static bool make_room(struct out *o)
{
    unsigned window = o->bridge->window;
    o->slots = calloc(window, sizeof *o->slots);
    o->free_slots = calloc(window, sizeof *o->free_slots);
    o->acked = calloc(window, sizeof *o->acked);
    o->refused = calloc(window, sizeof *o->refused);
    o->taken = calloc(o->bridge->batch, sizeof *o->taken);
    if (!o->slots || !o->free_slots || !o->acked || !o->refused || !o->taken)
        return false;
    for (unsigned i = 0; i < window; i++)
        o->free_slots[o->free_count++] = window - 1 - i;
    return true;
}

static bool watch(struct out *o, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    return !epoll_ctl(o->epoll, EPOLL_CTL_ADD, fd, &event);
}

static int begin(struct out *o)
{
    struct bridge *b = o->bridge;
    unsigned wake_at = b->window / 4 < WAKE_AT_MOST ? b->window / 4 : WAKE_AT_MOST;
    char subject[160];
    int error = cvb_notify_open(b->segment, &b->stage, 1, &o->notifier);
    if (error)
        return bridge_segment_failed(b, error);
    o->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (!make_room(o) || bridge_queue_begin(&o->queue, wake_at) || o->epoll < 0 || !watch(o, o->queue.event) ||
        !watch(o, cvb_notify_fd(o->notifier))) {
        cli_complain("cannot begin: %s", strerror(errno));
        return CLI_FAILED;
    }
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

/* The library's thread must be out of `answered` before the queue goes. */
static void end(struct out *o)
{
    natsSubscription_Destroy(o->answers);
    natsConnection_Close(o->connection);
    if (o->notifier)
        cvb_notify_close(o->notifier);
    natsInbox_Destroy(o->inbox);
    free(o->slots);
    free(o->free_slots);
    free(o->acked);
    free(o->refused);
    free(o->taken);
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
        status = report(&o, run(&o));
    end(&o);
    return status;
}
