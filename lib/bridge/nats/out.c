/* out.c - from a stage to a stream.
 *
 * A record is leased, published with an id of its own (Nats-Msg-Id), and acked when the stream has acknowledged it. One
 * that is not acknowledged within ANSWER_NS, or not now, is sent again with the same id, so the stream drops what it
 * has already; the lease is kept. So nothing is lost whoever dies, and nothing comes twice within the stream's
 * duplicate window. If the stream is full, the leases stay, the stage fills, and its sources are told to pause.
 *
 * The loop owns the handle. The library's thread parses the answers and queues them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "id.h"
#include "link.h"
#include "listen.h"
#include "loop.h"
#include "nats_bridge.h"
#include "queue.h"
#include "target.h"
#include "text.h"
#include "wrap.h"

#define MILLISECOND INT64_C(1000000)
#define ANSWER_NS (3000 * MILLISECOND) /* without an answer it is sent again */
#define OWED_SLICE (2 * MILLISECOND)   /* answers are owed: their wake-up may be left out */
enum { WAKE_AT_MOST = 64 };

struct out {
    struct bridge *bridge;
    struct bridge_loop loop;
    struct bridge_target target;
    natsConnection *connection;
    struct nats_link link;
    struct nats_listener answers;
    natsInbox *inbox;
    struct bridge_queue queue;
    uint64_t skipped; /* headers that NATS cannot carry */
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

static natsStatus add_headers(struct out *o, natsMsg *m, const struct cvb_lease *l)
{
    char id[BRIDGE_ID_MAX];
    natsStatus s = NATS_OK;
    bridge_id(o->bridge->id, l, id);
    if (*id)
        s = natsMsgHeader_Set(m, "Nats-Msg-Id", id);
    uint64_t skipped = 0;
    if (s == NATS_OK)
        s = nats_unwrap(m, o->bridge, l, &skipped);
    if (skipped && !o->skipped)
        cli_complain(
            "a record has headers that a message of NATS cannot have, as one with an end of line in its value; "
            "such headers are left out");
    o->skipped += skipped;
    return s;
}

static natsStatus publish(struct out *o, unsigned slot)
{
    const struct bridge_slot *s = &o->loop.window.slots[slot];
    char reply[128];
    natsMsg *m = NULL;
    if (!bridge_target_find(&o->target, &s->lease))
        return NATS_INVALID_SUBJECT;
    snprintf(reply, sizeof reply, "%s.%u.%u", (const char *)o->inbox, slot, s->sends);
    natsStatus status = natsMsg_Create(&m, o->target.text, reply, s->lease.payload, (int)s->lease.length);
    if (status == NATS_OK)
        status = add_headers(o, m, &s->lease);
    if (status == NATS_OK)
        status = natsConnection_PublishMsg(o->connection, m);
    natsMsg_Destroy(m);
    return status;
}

/* What a server does not permit it does not answer; what it says instead is about the subject. NULL if it permits it.
 */
static const char *forbidden(struct out *o, unsigned slot)
{
    char quoted[BRIDGE_TARGET_MAX + 2];
    const char *said = NULL;
    if (natsConnection_GetLastError(o->connection, &said) != NATS_NOT_PERMITTED || !said ||
        !bridge_target_find(&o->target, &o->loop.window.slots[slot].lease))
        return NULL;
    snprintf(quoted, sizeof quoted, "\"%s\"", o->target.text);
    return strstr(said, quoted) ? said : NULL;
}

static void send_slot(void *sender, unsigned slot, int64_t now)
{
    struct out *o = sender;
    struct bridge_slot *at = &o->loop.window.slots[slot];
    const char *why = at->sends > at->first_send ? forbidden(o, slot) : NULL;
    at->due_ns = now + ANSWER_NS;
    natsStatus status = why ? NATS_NOT_PERMITTED : publish(o, slot);
    if (why)
        bridge_window_refuse(&o->loop.window, slot, why);
    else if (status == NATS_MAX_PAYLOAD || status == NATS_INVALID_SUBJECT)
        bridge_window_refuse(&o->loop.window, slot, natsStatus_GetText(status));
    else if (status != NATS_OK)
        bridge_window_later(&o->loop.window, slot, now, natsStatus_GetText(status));
}

static void handle_answer(struct out *o, const struct nats_answered *a, int64_t now)
{
    if (a->slot >= o->bridge->window || !o->loop.window.slots[a->slot].used)
        return;
    struct bridge_slot *s = &o->loop.window.slots[a->slot];
    bool stored = a->answer == NATS_STORED;
    if (a->attempt < s->first_send || a->attempt > s->sends || (!stored && a->attempt != s->sends))
        return; /* of one that another has followed; one that was stored is stored, whichever it was */
    if (stored)
        bridge_window_stored(&o->loop.window, a->slot);
    else if (a->answer == NATS_REFUSED)
        bridge_window_refuse(&o->loop.window, a->slot, a->text);
    else
        bridge_window_later(&o->loop.window, a->slot, now, a->text);
}

static void take_answers(struct out *o, int64_t now)
{
    struct cds_wfcq_node *node;
    bridge_queue_seen(&o->queue);
    while ((node = bridge_queue_take(&o->queue))) {
        struct nats_answered *a = caa_container_of(node, struct nats_answered, node);
        handle_answer(o, a, now);
        free(a);
    }
}

static int take(void *self, int64_t now)
{
    struct out *o = self;
    take_answers(o, now);
    return nats_link_look(&o->link);
}

static bool connected(void *self)
{
    const struct out *o = self;
    return nats_bridge_connected(o->connection);
}

static const struct bridge_engine engine = {
    .send = send_slot, .take = take, .takes = connected, .connected = connected, .owed_ns = OWED_SLICE};

static int listen_for_answers(struct out *o)
{
    char subject[160];
    natsStatus s = natsInbox_Create(&o->inbox);
    snprintf(subject, sizeof subject, "%s.*.*", s == NATS_OK ? (const char *)o->inbox : "");
    if (s == NATS_OK)
        s = nats_listen(&o->answers, o->connection, subject, answered, o);
    if (s != NATS_OK)
        cli_complain("cannot listen for acknowledgements: %s", natsStatus_GetText(s));
    return s == NATS_OK ? CLI_DONE : CLI_FAILED;
}

static int begin(struct out *o)
{
    unsigned wake_at = o->bridge->window / 4 < WAKE_AT_MOST ? o->bridge->window / 4 : WAKE_AT_MOST;
    bridge_queue_begin(&o->queue, wake_at); /* without its event the loop does not begin */
    int status = bridge_loop_begin(&o->loop, o->bridge, &engine, o, o->queue.event);
    return status ? status : listen_for_answers(o);
}

static void end(struct out *o)
{
    nats_listen_end(&o->answers);
    take_answers(o, 0);
    natsConnection_Close(o->connection);
    natsInbox_Destroy(o->inbox);
    bridge_loop_end(&o->loop);
    bridge_queue_end(&o->queue);
}

bool nats_target_begin(struct bridge_target *target, const struct bridge *b)
{
    return bridge_target_begin(target, b, "subject", ".*>", BRIDGE_TARGET_MAX);
}

int nats_bridge_out(struct bridge *b, natsConnection *connection)
{
    struct out o = {.bridge = b, .connection = connection, .link = {b, connection, false}};
    if (!nats_target_begin(&o.target, b))
        return CLI_USAGE;
    int status = begin(&o);
    if (!status)
        status = bridge_loop_run(&o.loop);
    end(&o);
    return status;
}
