/* topic.h - how brokers keep a topic, and what that means for a bridge. */
#ifndef CONVEYOR_BRIDGE_KAFKA_TOPIC_H
#define CONVEYOR_BRIDGE_KAFKA_TOPIC_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>

struct kafka_topic {
    const char *name;
    int partitions, replicas;
    bool known;             /* the brokers have told the rest */
    int insync;             /* min.insync.replicas */
    bool unclean, compacts; /* unclean.leader.election.enable, cleanup.policy has compact in it */
    long long retention_ms; /* -1: for ever */
};

/* Asks the brokers for the rest; nothing is known after a few seconds without an answer. */
void kafka_topic_ask(struct kafka_topic *topic, rd_kafka_t *rk);

/* Notes one setting of the topic; those that say nothing here are passed over. */
void kafka_topic_set(struct kafka_topic *topic, const char *name, const char *value);

/* Says what holds and what does not. False if something breaks a promise. */
bool kafka_topic_say(const struct kafka_topic *topic);

#endif
