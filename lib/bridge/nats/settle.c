/* settle.c - messages whose records are in the segment: they are acknowledged when those have left it for good. */
#include "settle.h"

#include <conveyor/progress.h>
#include <stdlib.h>
#include <string.h>

#include "signals.h"

#define MILLISECOND INT64_C(1000000)
#define ACK_LEAST (100 * MILLISECOND) /* between looks at what is settled */
#define ACK_MOST (400 * MILLISECOND)  /* where nothing is, as each look reads all units */
enum { ACK_AT = 1000 };               /* messages that are not acknowledged: looks follow at once, if not in vain */

void nats_settle_begin(struct nats_settle *s, const struct bridge *b, natsConnection *connection)
{
    *s = (struct nats_settle){.bridge = b, .connection = connection, .pause = {ACK_LEAST, ACK_MOST, 0}};
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

int nats_settle_tell(struct nats_settle *s, int64_t now, bool at_once)
{
    struct cvb_progress p;
    struct nats_line *u = &s->unsettled;
    bool soon = at_once || (u->count >= ACK_AT && !s->pause.last_ns);
    if (!u->count || (!soon && now < s->next_ack_ns) || !nats_bridge_connected(s->connection))
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
    s->next_ack_ns = now + (n ? ACK_LEAST : bridge_pause_ns(&s->pause));
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
