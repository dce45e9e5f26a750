/* kafka_bridge.h - the ways of conveyor-bridge-kafka. */
#ifndef CONVEYOR_BRIDGE_KAFKA_H
#define CONVEYOR_BRIDGE_KAFKA_H

#include <librdkafka/rdkafka.h>

#include "bridge.h"

/* config.c: what is the same for both ways: brokers, security, --option. NULL after a complaint. */
rd_kafka_conf_t *kafka_bridge_config(const struct bridge *bridge);

/* Sets an option of the library; false after a complaint. */
bool kafka_bridge_set(rd_kafka_conf_t *config, const char *name, const char *value);

/* Each carries records until it is told to end; the exit status. */
int kafka_bridge_in(struct bridge *bridge);
int kafka_bridge_out(struct bridge *bridge);

/* check.c: says what holds and what is not promised; the exit status. */
int kafka_bridge_check(struct bridge *bridge);

#endif
