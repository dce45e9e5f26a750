/* producer.c - a client of the library that writes to topics. */
#include "producer.h"

#include <stdio.h>

#include "link.h"
#include "text.h"

static bool set_all(const struct bridge *b, rd_kafka_conf_t *c, bool single)
{
    char number[24];
    snprintf(number, sizeof number, "%u", b->window);
    return kafka_bridge_set(c, "enable.idempotence", "true") && kafka_bridge_set(c, "message.timeout.ms", "0") &&
           kafka_bridge_set(c, "queue.buffering.max.messages", number) &&
           (!single || kafka_bridge_set(c, "batch.num.messages", "1"));
}

int kafka_producer_make(struct kafka_producer *p, const struct bridge *b, int event, bool single)
{
    char why[300];
    const uint64_t one = 1;
    rd_kafka_conf_t *c = kafka_bridge_config(b);
    if (!c)
        return CLI_USAGE;
    rd_kafka_conf_set_events(c, RD_KAFKA_EVENT_DR | KAFKA_LINK_EVENTS);
    bool good = set_all(b, c, single);
    p->client = good ? rd_kafka_new(RD_KAFKA_PRODUCER, c, why, sizeof why) : NULL;
    if (!p->client) {
        rd_kafka_conf_destroy(c);
        if (good)
            cli_complain("cannot make a producer: %s", why);
        return CLI_USAGE;
    }
    p->reports = rd_kafka_queue_get_main(p->client);
    rd_kafka_queue_io_event_enable(p->reports, event, &one, sizeof one);
    return CLI_DONE;
}

void kafka_producer_purge(struct kafka_producer *p)
{
    if (p->client)
        rd_kafka_purge(p->client, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
}

void kafka_producer_drop(struct kafka_producer *p)
{
    if (!p->client)
        return;
    rd_kafka_queue_io_event_enable(p->reports, -1, NULL, 0);
    rd_kafka_queue_destroy(p->reports);
    rd_kafka_destroy(p->client);
    p->client = NULL;
}
