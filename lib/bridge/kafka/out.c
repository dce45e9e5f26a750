/* out.c - from a stage to a topic.
 *
 * A record is leased, handed to the producer without a copy (the lease is its payload until the delivery report), and
 * acked when the brokers have acknowledged it. The producer is idempotent and has no time limit, so an outage makes no
 * copy; a record that was on its way when a bridge died is sent by the next one, and comes twice: its header
 * conveyor-id is the same, and conveyor-retry says that it was delivered before.
 *
 * One thread does all: delivery reports are read from the library's queue, which makes an eventfd readable.
 */
#include <conveyor/notify.h>
#include <conveyor/state.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "id.h"
#include "kafka_bridge.h"
#include "metrics.h"
#include "pattern.h"
#include "signals.h"
#include "text.h"
#include "window.h"

#define MILLISECOND INT64_C(1000000)
#define BLOCKED_SLICE (20 * MILLISECOND)
#define IDLE_SLICE (100 * MILLISECOND)
enum { TOPIC_MAX = 250 };

struct out {
    struct bridge *bridge;
    struct bridge_window window;
    rd_kafka_t *producer;
    rd_kafka_queue_t *reports;
    struct cvb_notifier *notifier;
    int epoll, event;
    char topic[TOPIC_MAX], source[CVB_NAME_MAX + 1];
    uint32_t topic_source, topic_pipeline; /* whose it is */
    bool one_topic, key_is_source, fatal;
};

static bool is_for_good(rd_kafka_resp_err_t error)
{
    return error == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE || error == RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE ||
           error == RD_KAFKA_RESP_ERR_INVALID_RECORD || error == RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION;
}

/* The topic and key of the records of this source and pipeline. False if that is no topic. */
static bool find_topic(struct out *o, const struct cvb_lease *l)
{
    char pipeline[CVB_NAME_MAX + 1];
    bool known = *o->topic && l->source == o->topic_source && l->pipeline == o->topic_pipeline;
    if (known || (o->one_topic && !o->key_is_source))
        return true;
    if (cvb_source_name(o->bridge->handle, l->source, o->source) ||
        cvb_pipeline_name(o->bridge->handle, l->pipeline, pipeline))
        return false;
    struct bridge_names names = {o->source, pipeline, o->bridge->stage_name};
    o->topic_source = l->source;
    o->topic_pipeline = l->pipeline;
    return o->one_topic || bridge_pattern_fill(o->bridge->url.path, &names, "/:\\,\"'{}", o->topic, sizeof o->topic);
}

static rd_kafka_headers_t *headers_of(struct out *o, const struct cvb_lease *l)
{
    char id[BRIDGE_ID_MAX], retry[16], name[128];
    rd_kafka_headers_t *h = rd_kafka_headers_new(o->bridge->headers.count + 2);
    bridge_id(o->bridge->id, l->source, l->position, id);
    if (*id)
        rd_kafka_header_add(h, "conveyor-id", -1, id, -1);
    snprintf(retry, sizeof retry, "%u", l->retry_count);
    if (l->retry_count)
        rd_kafka_header_add(h, "conveyor-retry", -1, retry, -1);
    for (size_t i = 0; i < o->bridge->headers.count; i++) {
        const char *text = o->bridge->headers.item[i], *value = strchr(text, '=') + 1;
        snprintf(name, sizeof name, "%.*s", (int)(value - text - 1), text);
        rd_kafka_header_add(h, name, -1, value, -1);
    }
    return h;
}

static rd_kafka_resp_err_t produce(struct out *o, unsigned slot)
{
    const struct cvb_lease *l = &o->window.slots[slot].lease;
    if (!find_topic(o, l))
        return RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION;
    size_t key_size = o->key_is_source ? strlen(o->source) : 0;
    rd_kafka_headers_t *headers = headers_of(o, l);
    rd_kafka_resp_err_t error = rd_kafka_producev(
        o->producer, RD_KAFKA_V_TOPIC(o->topic), RD_KAFKA_V_VALUE((void *)(uintptr_t)l->payload, l->length),
        RD_KAFKA_V_KEY(key_size ? o->source : NULL, key_size), RD_KAFKA_V_HEADERS(headers),
        RD_KAFKA_V_OPAQUE((void *)(uintptr_t)(slot + 1)), RD_KAFKA_V_END);
    if (error)
        rd_kafka_headers_destroy(headers);
    return error;
}

static void send_slot(void *sender, unsigned slot, int64_t now)
{
    struct out *o = sender;
    o->window.slots[slot].due_ns = INT64_MAX; /* the report comes, however late */
    rd_kafka_resp_err_t error = produce(o, slot);
    if (is_for_good(error))
        bridge_window_refuse(&o->window, slot, rd_kafka_err2str(error));
    else if (error == RD_KAFKA_RESP_ERR__QUEUE_FULL)
        o->window.slots[slot].due_ns = now;
    else if (error)
        bridge_window_later(&o->window, slot, now, rd_kafka_err2str(error));
}

static void handle_report(struct out *o, const rd_kafka_message_t *m, int64_t now)
{
    unsigned slot = (unsigned)(uintptr_t)m->_private - 1;
    if (!m->err)
        bridge_window_stored(&o->window, slot);
    else if (is_for_good(m->err))
        bridge_window_refuse(&o->window, slot, rd_kafka_err2str(m->err));
    else
        bridge_window_later(&o->window, slot, now, rd_kafka_err2str(m->err));
}

static int take_reports(struct out *o, int64_t now)
{
    eventfd_t ignored;
    rd_kafka_event_t *event;
    char why[200];
    eventfd_read(o->event, &ignored);
    while ((event = rd_kafka_queue_poll(o->reports, 0))) {
        const rd_kafka_message_t *m;
        if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_DR)
            while ((m = rd_kafka_event_message_next(event)))
                handle_report(o, m, now);
        o->fatal |= rd_kafka_fatal_error(o->producer, why, sizeof why) != 0;
        rd_kafka_event_destroy(event);
    }
    return bridge_window_settle(&o->window);
}

static int make_producer(struct out *o)
{
    char why[300], number[24];
    rd_kafka_conf_t *c = kafka_bridge_config(o->bridge);
    snprintf(number, sizeof number, "%u", o->bridge->window);
    if (!c)
        return CLI_USAGE;
    rd_kafka_conf_set_events(c, RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR);
    bool good = kafka_bridge_set(c, "enable.idempotence", "true") && kafka_bridge_set(c, "message.timeout.ms", "0") &&
                kafka_bridge_set(c, "queue.buffering.max.messages", number);
    o->producer = good ? rd_kafka_new(RD_KAFKA_PRODUCER, c, why, sizeof why) : NULL;
    if (!o->producer) {
        rd_kafka_conf_destroy(c);
        if (good)
            cli_complain("cannot make a producer: %s", why);
        return CLI_USAGE;
    }
    o->reports = rd_kafka_queue_get_main(o->producer);
    uint64_t one = 1;
    rd_kafka_queue_io_event_enable(o->reports, o->event, &one, sizeof one);
    return CLI_DONE;
}

static void drop_producer(struct out *o)
{
    if (!o->producer)
        return;
    rd_kafka_queue_io_event_enable(o->reports, -1, NULL, 0);
    rd_kafka_queue_destroy(o->reports);
    rd_kafka_destroy(o->producer);
    o->producer = NULL;
}

/* After a fatal error: what has no report is sent again by a new producer, in its order. */
static int renew_producer(struct out *o, int64_t now)
{
    o->fatal = false;
    rd_kafka_purge(o->producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    int error = take_reports(o, now);
    drop_producer(o);
    for (unsigned i = 0; i < o->bridge->window; i++)
        if (o->window.slots[i].used)
            o->window.slots[i].due_ns = now;
    return error ? error : make_producer(o) ? CVB_ESYSTEM : 0;
}

/* Until reports come, or records if more may be taken. */
static void sleep_a_little(struct out *o, bool for_records)
{
    int64_t slice = *o->window.trouble ? BLOCKED_SLICE : IDLE_SLICE;
    if (for_records)
        cvb_notify_rearm(o->notifier);
    cli_wait_readable(for_records ? o->epoll : o->event, slice);
}

static int drain(struct out *o)
{
    int64_t until = cli_now_ns() + (int64_t)(o->bridge->drain_seconds * 1e9);
    int error = 0;
    while (!error && o->window.on_their_way && cli_now_ns() < until && cli_signals() < 2) {
        sleep_a_little(o, false);
        error = take_reports(o, cli_now_ns());
    }
    if (o->window.on_their_way) { /* the library may read payloads until it is gone: it goes before the leases do */
        rd_kafka_purge(o->producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        drop_producer(o);
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
        {"blocked", "1 if the engine takes nothing now.", *w->trouble != 0}};
    bridge_metrics_write(o->bridge, metrics, sizeof metrics / sizeof metrics[0]);
}

static int run(struct out *o)
{
    for (;;) {
        int64_t now = cli_now_ns();
        int error = take_reports(o, now);
        if (!error && o->fatal)
            error = renew_producer(o, now);
        if (error)
            return error;
        if (bridge_window_is_over(&o->window, now))
            return drain(o);
        bridge_window_send_due(&o->window, now);
        int n = bridge_window_send_new(&o->window, now);
        if (n < 0)
            return n;
        if (!n)
            sleep_a_little(o, bridge_window_room(&o->window));
        tell(o);
    }
}

static bool watch(struct out *o, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    return !epoll_ctl(o->epoll, EPOLL_CTL_ADD, fd, &event);
}

static int begin(struct out *o)
{
    struct bridge *b = o->bridge;
    int error = cvb_notify_open(b->segment, &b->stage, 1, &o->notifier);
    if (error)
        return bridge_segment_failed(b, error);
    o->epoll = epoll_create1(EPOLL_CLOEXEC);
    o->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (!bridge_window_begin(&o->window, b, send_slot, o) || o->epoll < 0 || o->event < 0 || !watch(o, o->event) ||
        !watch(o, cvb_notify_fd(o->notifier))) {
        cli_complain("cannot begin: %s", strerror(errno));
        return CLI_FAILED;
    }
    return make_producer(o);
}

static void end(struct out *o)
{
    if (o->producer)
        rd_kafka_purge(o->producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    drop_producer(o);
    if (o->notifier)
        cvb_notify_close(o->notifier);
    bridge_window_end(&o->window);
}

int kafka_bridge_out(struct bridge *b)
{
    struct out o = {.bridge = b, .epoll = -1, .event = -1, .key_is_source = !strcmp(b->key, "source")};
    const char *wrong = bridge_pattern_wrong(b->url.path);
    if (wrong) {
        cli_complain("the topic '%s' of --to is not right: %s", b->url.path, wrong);
        return CLI_USAGE;
    }
    o.one_topic = !strchr(b->url.path, '{');
    snprintf(o.topic, sizeof o.topic, "%s", o.one_topic ? b->url.path : "");
    int status = begin(&o);
    if (!status)
        status = bridge_window_report(&o.window, run(&o));
    end(&o);
    return status;
}
