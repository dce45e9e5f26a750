/* link.h - whether the brokers are there, and what they say if not. */
#ifndef CONVEYOR_BRIDGE_KAFKA_LINK_H
#define CONVEYOR_BRIDGE_KAFKA_LINK_H

#include "kafka_bridge.h"

enum { KAFKA_LINK_EVENTS = RD_KAFKA_EVENT_ERROR | RD_KAFKA_EVENT_STATS };

struct kafka_link {
    struct bridge *bridge;
    bool down;     /* no broker is connected, or none lets this bridge in */
    char why[500]; /* what the library said last, and what that means */
};

/* Handles an event of one of KAFKA_LINK_EVENTS; others are passed over. What is wrong is told once, until it is over or
 * something else is. */
void kafka_link_event(struct kafka_link *link, rd_kafka_event_t *event);

/* A broker has answered. */
void kafka_link_up(struct kafka_link *link);

/* What an error of the library means, and what to do; NULL if it says nothing about the connection. */
const char *kafka_link_meaning(const struct bridge *bridge, rd_kafka_resp_err_t error, const char *text);

#endif
