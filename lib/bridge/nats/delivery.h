/* delivery.h - what a pull request brings: messages, and what the server says about the request. */
#ifndef CONVEYOR_BRIDGE_NATS_DELIVERY_H
#define CONVEYOR_BRIDGE_NATS_DELIVERY_H

#include <nats/nats.h>
#include <stdbool.h>
#include <stdint.h>

enum nats_delivered { NATS_DELIVERED, NATS_HEARTBEAT, NATS_REQUEST_OVER, NATS_CONSUMER_GONE, NATS_STANDING };

/* Which of them it is. */
enum nats_delivered nats_delivered(natsMsg *message);

/* Of a request that is over: how many of its messages have not come. False if the server does not say. */
bool nats_request_rest(natsMsg *message, uint64_t *rest);

/* What the reply subject of a delivered message says. */
struct nats_numbers {
    uint64_t in_stream, of_delivery;
    uint64_t stored_ns; /* when the stream got it, since 1970 */
};

/* False if it has none. */
bool nats_numbers(natsMsg *message, struct nats_numbers *numbers);

/* How the consumer stands, as the server answers to $JS.API.CONSUMER.INFO. */
struct nats_standing {
    bool known;
    uint64_t pending; /* messages of the stream that it has given to nobody */
    int64_t ack_wait_ns, max_ack_pending;
};

/* Reads such an answer; nothing changes if it is none. */
void nats_read_standing(natsMsg *message, struct nats_standing *standing);

#endif
