/* pull.c - messages that are asked for, and come.
 *
 * Pull requests are published by hand: natsSubscription_Fetch of libnats 3.4 writes behind its array when messages of
 * an earlier request wait. The subscription is a synchronous one: the library's reader thread appends what comes to its
 * list, and the loop takes it from there. A thread that delivers in between, and a wake-up for each message, cost more
 * than all else that a bridge does.
 */
#include "pull.h"

#include <stdio.h>
#include <string.h>

#include "signals.h"
#include "text.h"

#define MILLISECOND INT64_C(1000000)
#define HEARTBEAT_NS (500 * MILLISECOND)
#define SILENCE_NS (1500 * MILLISECOND) /* without a word the pull requests are dead */
#define EXPIRES_NS (30000 * MILLISECOND)
#define NAP_NS (MILLISECOND / 2) /* a hundred messages come meanwhile where 200,000 a second do */
/* So many requests are on their way. libnats keeps one back for a millisecond, and a server that delivers 300,000
 * messages a second has answered one of 256 by then: with two it waits for the next most of the time. A server gives
 * each of the requests that it has a message in turn, so it has up to twice as many, in part answered. */
enum { PULLS = 8, PULLS_SHARED = 2 /* others want some, too */ };
enum { STREAM_AT = 8 }; /* so many messages in one turn are a stream of them */

static void stop_listening(struct nats_pull *p)
{
    natsMsg_Destroy(p->early);
    p->early = NULL;
    if (p->subscription)
        natsSubscription_Unsubscribe(p->subscription); /* refused if the connection is closed: it is over already */
    natsSubscription_Destroy(p->subscription);
    p->subscription = NULL;
}

static natsStatus subscribe(struct nats_pull *p)
{
    natsInbox *inbox = NULL;
    natsStatus s = natsInbox_Create(&inbox);
    if (s == NATS_OK) {
        snprintf(p->inbox, sizeof p->inbox, "%s", (const char *)inbox);
        s = natsConnection_SubscribeSync(&p->subscription, p->connection, inbox);
    }
    if (s == NATS_OK)
        s = natsSubscription_SetPendingLimits(p->subscription, -1, -1);
    natsInbox_Destroy(inbox);
    return s;
}

/* What came by an earlier subscription is of no use any more. */
static int listen_anew(struct nats_pull *p)
{
    stop_listening(p);
    natsStatus s = subscribe(p);
    if (s != NATS_OK) {
        cli_progress_break(&p->bridge->progress);
        cli_complain("cannot subscribe: %s", natsStatus_GetText(s));
        return BRIDGE_STOPPED;
    }
    p->last_delivery = 0;
    p->asked = 0;
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

void nats_pull_begin(struct nats_pull *p, struct bridge *b, natsConnection *connection, struct nats_consumer *consumer)
{
    *p = (struct nats_pull){.bridge = b, .connection = connection, .consumer = consumer, .rewind = true};
    p->reconnects = reconnects(p);
    nats_pull_limit(p, 0);
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

/* So many of what was asked for do not come any more, or have come. */
static void count_off(struct nats_pull *p, uint64_t count) { p->asked -= count < p->asked ? count : p->asked; }

static void request_is_over(struct nats_pull *p, natsMsg *m)
{
    uint64_t rest = p->bridge->batch; /* of one that was refused */
    nats_request_rest(m, &rest);
    count_off(p, rest);
}

/* A message came. True if it is kept. */
static bool keep(struct nats_pull *p, natsMsg *m, int64_t now)
{
    struct nats_numbers n;
    count_off(p, 1);
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
        request_is_over(p, m);
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
    p->rewind |= n != p->reconnects || (p->asked && now - p->heard_ns > SILENCE_NS);
    p->reconnects = n;
}

/* The next message that has come, or comes within the time; NULL if none does. */
static natsMsg *next(struct nats_pull *p, int64_t timeout_ms)
{
    natsMsg *m = p->early;
    p->early = NULL;
    natsStatus s = m || !p->subscription ? NATS_OK : natsSubscription_NextMsg(&m, p->subscription, timeout_ms);
    p->rewind |= s == NATS_NO_RESPONDERS; /* nobody is asked there: the consumer is gone */
    return m;
}

void nats_pull_take(struct nats_pull *p, int64_t now)
{
    p->came = 0;
    for (natsMsg *m; (m = next(p, 0)); p->came++)
        if (p->rewind || !handle(p, m, now))
            natsMsg_Destroy(m);
    look_at_connection(p, now);
}

void nats_pull_nap(const struct nats_pull *p)
{
    if (p->came >= STREAM_AT && p->came < p->bridge->batch && p->asked)
        cli_sleep(NAP_NS);
}

void nats_pull_wait(struct nats_pull *p, int64_t most_ns)
{
    if (p->rewind || !p->subscription)
        cli_sleep(most_ns);
    else
        p->early = next(p, (most_ns + MILLISECOND - 1) / MILLISECOND);
}

void nats_pull_limit(struct nats_pull *p, int64_t max_waiting)
{
    int64_t most = p->bridge->shared ? PULLS_SHARED : PULLS;
    if (max_waiting > 0 && max_waiting < 2 * most)
        most = (max_waiting + 1) / 2;
    p->most = (uint64_t)most * p->bridge->batch;
}

/* False if it is not connected any more. */
static bool ask_for(struct nats_pull *p, uint64_t count)
{
    char subject[400], text[200];
    snprintf(subject, sizeof subject, "$JS.API.CONSUMER.MSG.NEXT.%s.%s", p->consumer->stream, p->consumer->name);
    snprintf(text, sizeof text, "{\"batch\":%llu,\"expires\":%lld,\"idle_heartbeat\":%lld}", (unsigned long long)count,
             (long long)EXPIRES_NS, (long long)HEARTBEAT_NS);
    if (natsConnection_PublishRequestString(p->connection, subject, p->inbox, text) != NATS_OK)
        return false;
    p->asked += count;
    return true;
}

void nats_pull_ask(struct nats_pull *p, uint64_t room)
{
    const uint64_t batch = p->bridge->batch;
    bool good = !p->rewind && nats_bridge_connected(p->connection);
    while (good) {
        uint64_t has = p->waiting.count + p->asked, n = room > has ? room - has : 0;
        n = n < batch ? n : batch;
        good = n && p->asked + n <= p->most && (n >= batch / 2 || !p->asked) && ask_for(p, n);
    }
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
}
