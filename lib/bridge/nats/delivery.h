/* delivery.h - what a pull request brings: messages, and what the server says about the request. */
#ifndef CONVEYOR_BRIDGE_NATS_DELIVERY_H
#define CONVEYOR_BRIDGE_NATS_DELIVERY_H

#include <nats/nats.h>
#include <stdbool.h>
#include <stdint.h>
#include <urcu/wfcqueue.h>

/* On its way from the library's thread to the loop. */
struct nats_delivery {
    struct cds_wfcq_node node;
    natsMsg *message;
};

enum nats_delivered { NATS_DELIVERED, NATS_HEARTBEAT, NATS_REQUEST_OVER, NATS_CONSUMER_GONE };

/* Which of them it is. */
enum nats_delivered nats_delivered(natsMsg *message);

/* What the reply subject of a delivered message says. */
struct nats_numbers {
    uint64_t in_stream, of_delivery;
    uint64_t stored_ns; /* when the stream got it, since 1970 */
    uint64_t pending;   /* how many more the consumer has for us */
};

/* False if it has none. */
bool nats_numbers(natsMsg *message, struct nats_numbers *numbers);

#endif
