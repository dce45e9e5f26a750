/* settle.c - messages whose records are in the segment: they are acknowledged when those have left it for good. */
#include "settle.h"

#include <conveyor/progress.h>
#include <stdlib.h>
#include <string.h>

#include "signals.h"

#define MILLISECOND INT64_C(1000000)
/* Nanoseconds between looks at what is settled. All units are read for it, once in 20 ms at most: a look that comes
 * earlier is in vain. A consumer gives no more than max_ack_pending without acknowledgement, so where many wait for it
 * a look in vain must not be followed by a long pause: 100 ms cost a sixth of the rate. */
#define LOOK_LEAST (10 * MILLISECOND) /* while many messages are not acknowledged */
#define LOOK_FEW (100 * MILLISECOND)  /* while few are */
#define LOOK_MOST (400 * MILLISECOND) /* after looks in vain */
enum { MANY = 1000 };                 /* or half of max_ack_pending, if that is less */

void nats_settle_begin(struct nats_settle *s, const struct bridge *b, natsConnection *connection)
{
    *s = (struct nats_settle){.bridge = b, .connection = connection, .pause = {LOOK_LEAST, LOOK_MOST, 0}, .many = MANY};
}

bool nats_settle_add(struct nats_settle *s, struct nats_line *waiting)
{
    struct nats_held *h = nats_line_at(waiting, 0);
    char *reply = strdup(natsMsg_GetReply(h->message));
    if (!reply ||
        !nats_line_add(&s->unsettled, (struct nats_held){NULL, reply, h->position, h->touched_ns, h->came_ns})) {
        free(reply);
        return false;
    }
    nats_spent_add(&s->spent, h->message);
    h->message = NULL;
    nats_line_drop(waiting, 1);
    return true;
}

static natsStatus acknowledge(struct nats_settle *s, size_t count)
{
    natsStatus status = NATS_OK;
    for (size_t i = s->each ? 0 : count - 1; status == NATS_OK && i < count; i++)
        status = natsConnection_PublishString(s->connection, nats_line_at(&s->unsettled, i)->reply, "+ACK");
    return status;
}

void nats_settle_limit(struct nats_settle *s, int64_t max_ack_pending)
{
    s->many = max_ack_pending > 0 && max_ack_pending < 2 * MANY ? (size_t)(max_ack_pending + 1) / 2 : MANY;
}

int64_t nats_settle_wait(const struct nats_settle *s, int64_t now)
{
    int64_t least = s->unsettled.count < s->many ? LOOK_FEW : LOOK_LEAST;
    int64_t next = s->looked_ns + (s->pause.last_ns < least ? least : s->pause.last_ns);
    return !s->unsettled.count ? INT64_MAX : next > now ? next - now : 0;
}

int nats_settle_tell(struct nats_settle *s, int64_t now, bool at_once)
{
    struct cvb_progress p;
    struct nats_line *u = &s->unsettled;
    if (!u->count || (!at_once && nats_settle_wait(s, now)) || !nats_bridge_connected(s->connection))
        return 0;
    int error = cvb_source_progress(s->bridge->handle, s->bridge->source, &p);
    if (error)
        return error;
    s->settled = p.settled;
    size_t n = 0;
    while (n < u->count && (s->bridge->buffered || nats_line_at(u, n)->position <= p.settled))
        n++;
    if (n && acknowledge(s, n) == NATS_OK)
        nats_line_drop(u, n);
    if (n)
        bridge_pause_ends(&s->pause);
    else
        bridge_pause_ns(&s->pause);
    s->looked_ns = now;
    return 0;
}

static void touch_line(struct nats_settle *s, struct nats_line *line, int64_t now)
{
    for (size_t i = 0; i < line->count; i++) {
        struct nats_held *h = nats_line_at(line, i);
        if (now - h->touched_ns < s->ack_wait_ns / 2)
            continue;
        natsConnection_PublishString(s->connection, h->reply ? h->reply : natsMsg_GetReply(h->message), "+WPI");
        h->touched_ns = now;
    }
}

void nats_settle_touch(struct nats_settle *s, struct nats_line *waiting, int64_t now)
{
    if (now < s->next_touch_ns || !nats_bridge_connected(s->connection))
        return;
    s->next_touch_ns = now + s->ack_wait_ns / 8;
    touch_line(s, &s->unsettled, now);
    touch_line(s, waiting, now);
}

int nats_settle_drain(struct nats_settle *s)
{
    int64_t until = cli_now_ns() + (int64_t)(s->bridge->drain_seconds * 1e9);
    int error = 0;
    while (!(error = nats_settle_tell(s, cli_now_ns(), true)) && s->unsettled.count && cli_now_ns() <= until &&
           cli_signals() < 2)
        cli_sleep(20 * MILLISECOND);
    natsConnection_FlushTimeout(s->connection, 2000);
    return error;
}
