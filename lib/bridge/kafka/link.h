/* link.h - whether the brokers are there, and what they say if not. */
#ifndef CONVEYOR_BRIDGE_KAFKA_LINK_H
#define CONVEYOR_BRIDGE_KAFKA_LINK_H

#include "kafka_bridge.h"

enum { KAFKA_LINK_EVENTS = RD_KAFKA_EVENT_ERROR | RD_KAFKA_EVENT_STATS };

struct kafka_link {
    struct bridge *bridge;
    bool met;      /* a broker has answered */
    bool down;     /* no broker is connected, or none lets this bridge in */
    bool refused;  /* one is there and does not let this bridge in, or do what it must: told until another answers */
    bool missing;  /* in: there was no such topic, which was told */
    bool over;     /* that does not mend itself: the bridge ends, which was told */
    char why[500]; /* what the library said last, and what that means */
};

/* Handles an event of one of KAFKA_LINK_EVENTS; others are passed over. What is wrong is told once, until it is over or
 * something else is. */
void kafka_link_event(struct kafka_link *link, rd_kafka_event_t *event);

/* An error of the library, which ended a producer perhaps. */
void kafka_link_error(struct kafka_link *link, rd_kafka_resp_err_t error, const char *text);

/* A broker has answered. */
void kafka_link_up(struct kafka_link *link);

/* Asks the brokers for a moment, if none is known to be there. True if one is. */
bool kafka_link_ask(struct kafka_link *link, rd_kafka_t *client);

/* The exit status of a bridge that has ended with `status`: another one, after a complaint, if it ended because it was
 * idle and no broker has ever answered. */
int kafka_link_status(struct kafka_link *link, rd_kafka_t *client, int status);

/* True if a broker has answered, and nothing else is known since. */
bool kafka_link_is_up(const struct kafka_link *link);

/* What an error of the library means, and what to do; NULL if it says nothing about the connection. */
const char *kafka_link_meaning(const struct bridge *bridge, rd_kafka_resp_err_t error, const char *text);

#endif
