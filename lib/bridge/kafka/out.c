/* out.c - from a stage to a topic.
 *
 * A record is leased, handed to the producer without a copy (the lease is its payload until the delivery report), and
 * acked when the brokers have acknowledged it. The producer is idempotent and has no time limit, so an outage makes no
 * copy; a record that was on its way when a bridge died is sent by the next one, and comes twice: its header
 * conveyor-id is the same, and conveyor-retry says that it was delivered before.
 *
 * Brokers refuse a whole batch for one record that they do not take. Its records are sent again by a second producer,
 * each in a batch of its own: only those that are refused alone are refused for good.
 *
 * One thread does all: delivery reports are read from the library's queue, which makes an eventfd readable.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "allowed.h"
#include "headers.h"
#include "id.h"
#include "kafka_bridge.h"
#include "key.h"
#include "link.h"
#include "loop.h"
#include "producer.h"
#include "signals.h"
#include "target.h"
#include "text.h"

#define IDLE_SLICE INT64_C(100000000) /* reports make the event readable */
#define LOOK_SLICE INT64_C(500000000) /* between looks whether brokers are there */
enum { KEY_MAX = 1024 };

struct out {
    struct bridge *bridge;
    struct bridge_loop loop;
    struct bridge_target target;
    struct kafka_producer producer, single; /* single: its batches are of one record; made when it is needed */
    bool *alone;                            /* by slot: its record goes by `single` */
    int event;
    struct kafka_link link;
    struct kafka_allowed allowed;
    int64_t next_look_ns;
    bool fatal;
};

static bool is_for_good(rd_kafka_resp_err_t error)
{
    return error == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE || error == RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE ||
           error == RD_KAFKA_RESP_ERR_INVALID_RECORD || error == RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION ||
           error == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
}

/* The verdict may be about another record of the batch. */
static bool is_of_batch(rd_kafka_resp_err_t error)
{
    return error == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE || error == RD_KAFKA_RESP_ERR_INVALID_RECORD;
}

static rd_kafka_headers_t *headers_of(struct out *o, const struct cvb_lease *l)
{
    char id[BRIDGE_ID_MAX], retry[16];
    struct bridge_headers all = {o->bridge, l, 0, 0};
    struct bridge_header one;
    rd_kafka_headers_t *h = rd_kafka_headers_new(o->bridge->headers.count + 2);
    bridge_id(o->bridge->id, l, id);
    if (*id)
        rd_kafka_header_add(h, "conveyor-id", -1, id, -1);
    snprintf(retry, sizeof retry, "%u", l->retry_count);
    if (l->retry_count)
        rd_kafka_header_add(h, "conveyor-retry", -1, retry, -1);
    while (bridge_headers_next(&all, &one))
        rd_kafka_header_add(h, one.name.bytes, (ssize_t)one.name.length, one.value.bytes, (ssize_t)one.value.length);
    return h;
}

static rd_kafka_resp_err_t produce(struct out *o, unsigned slot, int64_t now)
{
    const struct cvb_lease *l = &o->loop.window.slots[slot].lease;
    if (!bridge_target_find(&o->target, l))
        return RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION;
    if (!kafka_allowed(&o->allowed, o->producer.client, o->target.text, now))
        return RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    char place[KEY_MAX];
    struct bridge_text key = bridge_key_of(o->bridge, l, o->target.source_name, place, sizeof place);
    rd_kafka_headers_t *headers = headers_of(o, l);
    rd_kafka_t *by = (o->alone[slot] ? &o->single : &o->producer)->client;
    rd_kafka_resp_err_t error = rd_kafka_producev(by, RD_KAFKA_V_TOPIC(o->target.text),
                                                  RD_KAFKA_V_VALUE((void *)(uintptr_t)l->payload, l->length),
                                                  RD_KAFKA_V_KEY(key.bytes, key.length), RD_KAFKA_V_HEADERS(headers),
                                                  RD_KAFKA_V_OPAQUE((void *)(uintptr_t)(slot + 1)), RD_KAFKA_V_END);
    if (error)
        rd_kafka_headers_destroy(headers);
    return error;
}

static void send_slot(void *sender, unsigned slot, int64_t now)
{
    struct out *o = sender;
    struct bridge_slot *at = &o->loop.window.slots[slot];
    at->due_ns = INT64_MAX; /* the report comes, however late */
    o->alone[slot] &= at->sends > at->first_send && o->single.client;
    rd_kafka_resp_err_t error = produce(o, slot, now);
    if (is_for_good(error))
        bridge_window_refuse(&o->loop.window, slot, rd_kafka_err2str(error));
    else if (error == RD_KAFKA_RESP_ERR__QUEUE_FULL)
        at->due_ns = now;
    else if (error)
        bridge_window_later(&o->loop.window, slot, now, rd_kafka_err2str(error));
}

/* False if there can be no second producer. */
static bool goes_alone(struct out *o, unsigned slot, int64_t now)
{
    o->alone[slot] = o->single.client || !kafka_producer_make(&o->single, o->bridge, o->event, true);
    if (o->alone[slot])
        o->loop.window.slots[slot].due_ns = now;
    return o->alone[slot];
}

static void handle_report(struct out *o, const rd_kafka_message_t *m, int64_t now)
{
    unsigned slot = (unsigned)(uintptr_t)m->_private - 1;
    if (!m->err) {
        bridge_window_stored(&o->loop.window, slot);
        kafka_link_up(&o->link);
    } else if (!is_for_good(m->err))
        bridge_window_later(&o->loop.window, slot, now, rd_kafka_err2str(m->err));
    else if (!is_of_batch(m->err) || o->alone[slot] || !goes_alone(o, slot, now))
        bridge_window_refuse(&o->loop.window, slot, rd_kafka_err2str(m->err));
}

/* An error that ends a producer. A new one would have the same if this user may not write. */
static void note_fatal(struct out *o, const struct kafka_producer *p)
{
    char why[200];
    rd_kafka_resp_err_t error = rd_kafka_fatal_error(p->client, why, sizeof why);
    o->fatal |= error != RD_KAFKA_RESP_ERR_NO_ERROR;
    if (error)
        kafka_link_error(&o->link, error, why);
}

static void take_reports_of(struct out *o, const struct kafka_producer *p, int64_t now)
{
    rd_kafka_event_t *event;
    while (p->client && (event = rd_kafka_queue_poll(p->reports, 0))) {
        const rd_kafka_message_t *m;
        if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_DR)
            while ((m = rd_kafka_event_message_next(event)))
                handle_report(o, m, now);
        kafka_link_event(&o->link, event);
        note_fatal(o, p);
        rd_kafka_event_destroy(event);
    }
}

static void take_reports(struct out *o, int64_t now)
{
    eventfd_t ignored;
    eventfd_read(o->event, &ignored);
    take_reports_of(o, &o->producer, now);
    take_reports_of(o, &o->single, now);
}

/* Nothing is on its way after this, and no payload is read. */
static void drop_producers(struct out *o)
{
    kafka_producer_drop(&o->single);
    kafka_producer_drop(&o->producer);
}

static void purge_producers(struct out *o)
{
    kafka_producer_purge(&o->single);
    kafka_producer_purge(&o->producer);
}

/* After a fatal error: what has no report is sent again by a new producer, in its order. */
static int renew_producers(struct out *o, int64_t now)
{
    o->fatal = false;
    purge_producers(o);
    take_reports(o, now);
    drop_producers(o);
    for (unsigned i = 0; i < o->bridge->window; i++)
        if (o->loop.window.slots[i].used)
            o->loop.window.slots[i].due_ns = now;
    return kafka_producer_make(&o->producer, o->bridge, o->event, false) ? BRIDGE_STOPPED : 0;
}

static int take(void *self, int64_t now)
{
    struct out *o = self;
    take_reports(o, now);
    if (o->link.over)
        return BRIDGE_STOPPED;
    return o->fatal ? renew_producers(o, now) : 0;
}

/* Nothing is leased while no broker is there: if the bridge is killed then, again and again, no record is blamed. */
static bool takes(void *self)
{
    struct out *o = self;
    if (kafka_link_is_up(&o->link) || cli_now_ns() < o->next_look_ns)
        return kafka_link_is_up(&o->link);
    bool met = kafka_link_ask(&o->link, o->producer.client);
    o->next_look_ns = cli_now_ns() + LOOK_SLICE;
    return met;
}

static bool connected(void *self)
{
    const struct out *o = self;
    return kafka_link_is_up(&o->link);
}

/* The library may read payloads until it is gone: it goes before the leases do. */
static void let_go(void *self)
{
    purge_producers(self);
    drop_producers(self);
}

static const struct bridge_engine engine = {
    .send = send_slot, .take = take, .takes = takes, .connected = connected, .let_go = let_go, .owed_ns = IDLE_SLICE};

int kafka_bridge_out(struct bridge *b)
{
    struct out o = {.bridge = b, .link.bridge = b};
    if (!bridge_target_begin(&o.target, b, "topic", "/:\\,\"'{}", KAFKA_TOPIC_MAX))
        return CLI_USAGE;
    o.target.wants_source = bridge_key_is_source(b);
    o.event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    o.alone = calloc(b->window, sizeof *o.alone);
    bool room = kafka_allowed_begin(&o.allowed) && o.alone;
    int status = room ? bridge_loop_begin(&o.loop, b, &engine, &o, o.event) : bridge_segment_failed(b, CVB_ESYSTEM);
    if (!status)
        status = kafka_producer_make(&o.producer, b, o.event, false);
    if (!status)
        status = kafka_link_status(&o.link, o.producer.client, bridge_loop_run(&o.loop));
    let_go(&o);
    bridge_loop_end(&o.loop);
    free(o.alone);
    kafka_allowed_end(&o.allowed);
    close(o.event);
    return status;
}
