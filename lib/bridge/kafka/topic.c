/* topic.c - how brokers keep a topic, and what that means for a bridge. */
#include "topic.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ANSWER_MS = 5000 };

void kafka_topic_set(struct kafka_topic *t, const char *name, const char *value)
{
    t->known = true;
    if (!strcmp(name, "min.insync.replicas"))
        t->insync = atoi(value);
    else if (!strcmp(name, "unclean.leader.election.enable"))
        t->unclean = !strcmp(value, "true");
    else if (!strcmp(name, "cleanup.policy"))
        t->compacts = strstr(value, "compact");
    else if (!strcmp(name, "retention.ms"))
        t->retention_ms = atoll(value);
}

static void read_answer(struct kafka_topic *t, rd_kafka_event_t *event)
{
    size_t topics = 0, entries = 0;
    const rd_kafka_DescribeConfigs_result_t *result = rd_kafka_event_DescribeConfigs_result(event);
    const rd_kafka_ConfigResource_t **all = result ? rd_kafka_DescribeConfigs_result_resources(result, &topics) : NULL;
    if (!topics || rd_kafka_ConfigResource_error(all[0]))
        return;
    const rd_kafka_ConfigEntry_t **entry = rd_kafka_ConfigResource_configs(all[0], &entries);
    for (size_t i = 0; i < entries; i++)
        if (rd_kafka_ConfigEntry_value(entry[i]))
            kafka_topic_set(t, rd_kafka_ConfigEntry_name(entry[i]), rd_kafka_ConfigEntry_value(entry[i]));
}

void kafka_topic_ask(struct kafka_topic *t, rd_kafka_t *rk)
{
    char why[200];
    rd_kafka_queue_t *answers = rd_kafka_queue_new(rk);
    rd_kafka_ConfigResource_t *resource = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, t->name);
    rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(rk, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
    rd_kafka_AdminOptions_set_request_timeout(options, ANSWER_MS, why, sizeof why);
    rd_kafka_DescribeConfigs(rk, &resource, 1, options, answers);
    rd_kafka_event_t *event = rd_kafka_queue_poll(answers, 2 * ANSWER_MS); /* it comes, if only to say that none did */
    if (event)
        read_answer(t, event);
    rd_kafka_event_destroy(event);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_ConfigResource_destroy(resource);
    rd_kafka_queue_destroy(answers);
}

bool kafka_topic_say(const struct kafka_topic *t)
{
    printf("note    topic '%s' has %d partitions with %d replicas at least\n", t->name, t->partitions, t->replicas);
    if (!t->known) {
        puts("note    the brokers do not tell the topic's settings: acks=all waits for min.insync.replicas of them");
        return true;
    }
    printf("%-7s an acknowledged message is on %d broker%s at least (min.insync.replicas)%s\n",
           t->insync > 1 ? "holds" : "note", t->insync, t->insync == 1 ? "" : "s",
           t->insync > 1 ? "" : ": what only one has is lost with it");
    if (t->unclean)
        puts("broken  a broker that lacks acknowledged messages may become leader, and they are lost "
             "(unclean.leader.election.enable)");
    if (t->compacts)
        puts("note    of messages with one key only the last stays (cleanup.policy): others may be gone before they "
             "are read");
    if (t->retention_ms >= 0)
        printf("note    the topic forgets messages after %lld s, read or not\n", t->retention_ms / 1000);
    return !t->unclean;
}
