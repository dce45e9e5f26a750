/* producer.h - a client of the library that writes to topics, and its reports of what became of each message. */
#ifndef CONVEYOR_BRIDGE_KAFKA_PRODUCER_H
#define CONVEYOR_BRIDGE_KAFKA_PRODUCER_H

#include "kafka_bridge.h"

struct kafka_producer {
    rd_kafka_t *client; /* NULL: there is none */
    rd_kafka_queue_t *reports;
};

/* Makes it; `event` becomes readable when there are reports. `single`: a batch is one message. The exit status, after a
 * complaint if it is not 0. */
int kafka_producer_make(struct kafka_producer *producer, const struct bridge *bridge, int event, bool single);

/* What is on its way ends, and says so in the reports. */
void kafka_producer_purge(struct kafka_producer *producer);

/* It reads no payload after this. */
void kafka_producer_drop(struct kafka_producer *producer);

#endif
