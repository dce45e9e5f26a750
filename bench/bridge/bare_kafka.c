/* bare_kafka.c - Kafka without a bridge: librdkafka sends numbered messages, or receives them.
 *
 * out: an idempotent producer without a time limit, no copy, a header, at most `window` without a report. in: a member
 * of a group, `batch` messages at once, the group is told once a second how far it came. */
#include <librdkafka/rdkafka.h>

#include "bare.h"

enum { SLICE_MS = 100, PATIENCE_MS = 120000 };

struct producer {
    uint64_t reported;
    rd_kafka_resp_err_t error;
};

static rd_kafka_t *make(rd_kafka_type_t type, rd_kafka_conf_t *c, const char *const *settings)
{
    char why[300] = "";
    for (; *settings; settings += 2)
        if (rd_kafka_conf_set(c, settings[0], settings[1], why, sizeof why) != RD_KAFKA_CONF_OK)
            break;
    rd_kafka_t *rk = *settings ? NULL : rd_kafka_new(type, c, why, sizeof why);
    if (!rk) {
        rd_kafka_conf_destroy(c);
        bare_failed("a client", why);
    }
    return rk;
}

static void reported(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
    (void)rk;
    struct producer *p = opaque;
    p->reported++;
    if (m->err)
        p->error = m->err;
}

static rd_kafka_resp_err_t produce(const struct bare *b, rd_kafka_t *rk, char *payload, uint64_t number)
{
    char id[BARE_ID_MAX];
    rd_kafka_headers_t *headers = rd_kafka_headers_new(1);
    bare_id(id, b->name, number);
    rd_kafka_header_add(headers, "conveyor-id", -1, id, -1);
    rd_kafka_resp_err_t error = rd_kafka_producev(rk, RD_KAFKA_V_TOPIC(b->name), RD_KAFKA_V_VALUE(payload, b->size),
                                                  RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END);
    if (error)
        rd_kafka_headers_destroy(headers);
    return error;
}

/* Payloads stay as they are until the end: the producer copies none. */
static void send_each(const struct bare *b, rd_kafka_t *rk, char *payloads, struct producer *p, struct tally *t)
{
    tally_begin(t);
    while (!p->error && t->count < b->count) {
        char *payload = payloads + t->count * b->size;
        tally_number(payload, t->count);
        rd_kafka_resp_err_t error = produce(b, rk, payload, t->count);
        if (!error)
            tally_message(t, payload, b->size);
        else if (error != RD_KAFKA_RESP_ERR__QUEUE_FULL)
            p->error = error;
        rd_kafka_poll(rk, error ? SLICE_MS : 0);
    }
    double until_s = tally_now_s() + PATIENCE_MS / 1e3;
    while (!p->error && p->reported < t->count && tally_now_s() < until_s)
        rd_kafka_poll(rk, SLICE_MS);
}

static int send_all(const struct bare *b)
{
    struct tally t = {0};
    struct producer p = {0};
    char window[16];
    snprintf(window, sizeof window, "%u", b->window);
    const char *const settings[] = {"bootstrap.servers",
                                    b->servers,
                                    "enable.idempotence",
                                    "true",
                                    "message.timeout.ms",
                                    "0",
                                    "queue.buffering.max.messages",
                                    window,
                                    "sticky.partitioning.linger.ms", /* a partition of the mock keeps 5 MiB */
                                    "0",
                                    NULL};
    rd_kafka_conf_t *c = rd_kafka_conf_new();
    rd_kafka_conf_set_dr_msg_cb(c, reported);
    rd_kafka_conf_set_opaque(c, &p);
    rd_kafka_t *rk = make(RD_KAFKA_PRODUCER, c, settings);
    char *payloads = calloc(b->count, b->size);
    if (rk && payloads)
        send_each(b, rk, payloads, &p, &t);
    bool done = rk && !p.error && p.reported == b->count;
    if (done)
        tally_print(&t);
    else if (rk)
        bare_failed("produce", p.error ? rd_kafka_err2str(p.error) : "not all were acknowledged in time");
    if (rk)
        rd_kafka_destroy(rk);
    free(payloads);
    return !done;
}

/* How many came, or -1. */
static ssize_t receive(const struct bare *b, rd_kafka_queue_t *queue, rd_kafka_message_t **messages, struct tally *t)
{
    ssize_t n = rd_kafka_consume_batch_queue(queue, SLICE_MS, messages, b->batch);
    for (ssize_t i = 0; i < n; i++) {
        if (!messages[i]->err)
            tally_message(t, messages[i]->payload, messages[i]->len);
        rd_kafka_message_destroy(messages[i]);
    }
    return n;
}

static void receive_each(const struct bare *b, rd_kafka_t *rk, rd_kafka_message_t **messages, struct tally *t)
{
    rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(rk);
    double until_s = tally_now_s() + PATIENCE_MS / 1e3;
    while (t->count < b->count && tally_now_s() < until_s) {
        uint64_t before = t->count;
        receive(b, queue, messages, t);
        if (!before && t->count)
            tally_begin(t);
    }
    rd_kafka_queue_destroy(queue);
}

static int receive_all(const struct bare *b)
{
    struct tally t = {0};
    const char *const settings[] = {"bootstrap.servers",
                                    b->servers,
                                    "group.id",
                                    "bare",
                                    "auto.offset.reset",
                                    "earliest",
                                    "auto.commit.interval.ms",
                                    "1000",
                                    "partition.assignment.strategy",
                                    "cooperative-sticky",
                                    NULL};
    rd_kafka_t *rk = make(RD_KAFKA_CONSUMER, rd_kafka_conf_new(), settings);
    rd_kafka_message_t **messages = calloc(b->batch, sizeof(rd_kafka_message_t *));
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(topics, b->name, RD_KAFKA_PARTITION_UA);
    if (rk && messages && !rd_kafka_subscribe(rk, topics))
        receive_each(b, rk, messages, &t);
    bool done = t.count >= b->count;
    if (done)
        tally_print(&t);
    else if (rk)
        bare_failed("receive", "not all came in time");
    rd_kafka_topic_partition_list_destroy(topics);
    if (rk) {
        rd_kafka_consumer_close(rk);
        rd_kafka_destroy(rk);
    }
    free(messages);
    return !done;
}

int main(int argc, char **argv)
{
    struct bare b;
    if (!bare_parse(&b, argc, argv))
        return 2;
    return b.out ? send_all(&b) : receive_all(&b);
}
