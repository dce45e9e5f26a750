/* pull.c - messages that are asked for, and come.
 *
 * Pull requests are published by hand: natsSubscription_Fetch of libnats 3.4 writes behind its array when messages of
 * an earlier request wait. The library's thread only queues what comes; all else is the loop's.
 */
#include "pull.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "signals.h"
#include "text.h"

#define MILLISECOND INT64_C(1000000)
#define HEARTBEAT_NS (500 * MILLISECOND)
#define SILENCE_NS (1500 * MILLISECOND) /* without a word the pull requests are dead */
#define EXPIRES_NS (30000 * MILLISECOND)

/* On the library's thread. */
static void delivered(natsConnection *c, natsSubscription *s, natsMsg *message, void *queue)
{
    (void)c;
    (void)s;
    struct nats_delivery *d = calloc(1, sizeof *d);
    if (!d) {
        natsMsg_Destroy(message); /* a gap, which the loop sees */
        return;
    }
    d->message = message;
    bridge_queue_put(queue, &d->node, false);
}

static struct nats_delivery *next(struct nats_pull *p)
{
    struct cds_wfcq_node *node = bridge_queue_take(&p->queue);
    return node ? caa_container_of(node, struct nats_delivery, node) : NULL;
}

/* What came by an earlier subscription is of no use any more. */
static void stop_listening(struct nats_pull *p)
{
    nats_listen_end(&p->listener);
    for (struct nats_delivery *d; (d = next(p)); free(d))
        natsMsg_Destroy(d->message);
}

static int listen_anew(struct nats_pull *p)
{
    natsInbox *inbox = NULL;
    stop_listening(p);
    natsStatus s = natsInbox_Create(&inbox);
    if (s == NATS_OK) {
        snprintf(p->inbox, sizeof p->inbox, "%s", (const char *)inbox);
        s = nats_listen(&p->listener, p->connection, p->inbox, delivered, &p->queue);
    }
    natsInbox_Destroy(inbox);
    if (s != NATS_OK) {
        cli_progress_break(&p->bridge->progress);
        cli_complain("cannot subscribe: %s", natsStatus_GetText(s));
        return BRIDGE_STOPPED;
    }
    p->last_delivery = 0;
    memset(p->asked, 0, sizeof p->asked);
    p->heard_ns = cli_now_ns();
    return 0;
}

static uint64_t reconnects(const struct nats_pull *p)
{
    natsStatistics *all = NULL;
    uint64_t ignored, n = 0;
    if (natsStatistics_Create(&all) == NATS_OK && natsConnection_GetStats(p->connection, all) == NATS_OK)
        natsStatistics_GetCounts(all, &ignored, &ignored, &ignored, &ignored, &n);
    natsStatistics_Destroy(all);
    return n;
}

bool nats_pull_begin(struct nats_pull *p, struct bridge *b, natsConnection *connection, struct nats_consumer *consumer)
{
    *p = (struct nats_pull){.bridge = b, .connection = connection, .consumer = consumer, .rewind = true};
    p->reconnects = reconnects(p);
    return !bridge_queue_begin(&p->queue, 1);
}

int nats_pull_anew(struct nats_pull *p)
{
    int error = nats_consumer_rewind(p->consumer);
    if (!error)
        error = listen_anew(p);
    p->rewind = error != 0;
    p->rewound += !error;
    return error;
}

static uint32_t asked(const struct nats_pull *p) { return p->asked[0] + p->asked[1]; }

static void request_is_over(struct nats_pull *p)
{
    p->asked[0] = p->asked[1];
    p->asked[1] = 0;
}

/* One message less of the older request. */
static void count_delivery(struct nats_pull *p)
{
    if (!p->asked[0])
        request_is_over(p);
    p->asked[0] -= p->asked[0] > 0;
}

/* A message came. True if it is kept. */
static bool keep(struct nats_pull *p, natsMsg *m, int64_t now)
{
    struct nats_numbers n;
    count_delivery(p);
    if (!nats_numbers(m, &n))
        return false;
    if (!p->bridge->shared && p->last_delivery && n.of_delivery != p->last_delivery + 1)
        p->rewind = true;
    p->last_delivery = n.of_delivery;
    return !p->rewind && nats_line_add(&p->waiting, (struct nats_held){m, NULL, n.in_stream, now, now});
}

/* True if the message is kept. An answer about the consumer is no sign that the pull requests live. */
static bool handle(struct nats_pull *p, natsMsg *m, int64_t now)
{
    enum nats_delivered what = nats_delivered(m);
    p->heard_ns = what == NATS_STANDING ? p->heard_ns : now;
    switch (what) {
    case NATS_DELIVERED:
        return keep(p, m, now);
    case NATS_REQUEST_OVER:
        request_is_over(p);
        break;
    case NATS_CONSUMER_GONE:
        p->rewind = true;
        break;
    case NATS_STANDING:
        nats_read_standing(m, &p->standing);
        break;
    case NATS_HEARTBEAT:
        break;
    }
    return false;
}

/* A connection that was lost took its requests, and perhaps messages, with it. */
static void look_at_connection(struct nats_pull *p, int64_t now)
{
    if (!nats_bridge_connected(p->connection)) {
        p->heard_ns = now;
        return;
    }
    uint64_t n = reconnects(p);
    p->rewind |= n != p->reconnects || (asked(p) && now - p->heard_ns > SILENCE_NS);
    p->reconnects = n;
}

void nats_pull_take(struct nats_pull *p, int64_t now)
{
    bridge_queue_seen(&p->queue);
    for (struct nats_delivery *d; (d = next(p)); free(d))
        if (p->rewind || !handle(p, d->message, now))
            natsMsg_Destroy(d->message);
    look_at_connection(p, now);
}

void nats_pull_ask(struct nats_pull *p, uint64_t room)
{
    char subject[400], text[200];
    uint64_t has = p->waiting.count + asked(p);
    if (p->rewind || p->asked[1] || room <= has || !nats_bridge_connected(p->connection))
        return;
    uint64_t n = room - has;
    if (n < p->bridge->batch / 2 && asked(p))
        return;
    n = n < p->bridge->batch ? n : p->bridge->batch;
    snprintf(subject, sizeof subject, "$JS.API.CONSUMER.MSG.NEXT.%s.%s", p->consumer->stream, p->consumer->name);
    snprintf(text, sizeof text, "{\"batch\":%llu,\"expires\":%lld,\"idle_heartbeat\":%lld}", (unsigned long long)n,
             (long long)EXPIRES_NS, (long long)HEARTBEAT_NS);
    if (natsConnection_PublishRequestString(p->connection, subject, p->inbox, text) == NATS_OK)
        p->asked[p->asked[0] ? 1 : 0] = (uint32_t)n; /* else it is not connected any more */
}

void nats_pull_ask_standing(const struct nats_pull *p)
{
    char subject[400];
    if (p->rewind || !nats_bridge_connected(p->connection))
        return;
    snprintf(subject, sizeof subject, "$JS.API.CONSUMER.INFO.%s.%s", p->consumer->stream, p->consumer->name);
    natsConnection_PublishRequest(p->connection, subject, p->inbox, NULL, 0);
}

void nats_pull_end(struct nats_pull *p)
{
    if (!p->connection)
        return;
    stop_listening(p);
    bridge_queue_end(&p->queue);
}
