/* allowed.h - whether this user may use a topic at all. */
#ifndef CONVEYOR_BRIDGE_KAFKA_ALLOWED_H
#define CONVEYOR_BRIDGE_KAFKA_ALLOWED_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stdint.h>

enum { KAFKA_TOPIC_MAX = 250 };

struct kafka_verdict {
    char topic[KAFKA_TOPIC_MAX];
    bool refused;
    int64_t until_ns; /* the brokers are asked again after that */
};

struct kafka_allowed {
    struct kafka_verdict *verdicts; /* KAFKA_VERDICTS of them, found by a hash of the name */
};

/* False without memory. In both cases it can be ended. */
bool kafka_allowed_begin(struct kafka_allowed *allowed);
void kafka_allowed_end(struct kafka_allowed *allowed);

/* False if the brokers say that this user may not use the topic. The library tells of that only what comes after the
 * topic's partitions are known: a message to a topic that is refused before would wait in its queue for ever. */
bool kafka_allowed(struct kafka_allowed *allowed, rd_kafka_t *client, const char *topic, int64_t now);

#endif
