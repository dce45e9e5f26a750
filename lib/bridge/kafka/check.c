/* check.c - what holds and what is not promised with this topic. */
#include <stdio.h>
#include <string.h>

#include "kafka_bridge.h"
#include "text.h"

enum { ANSWER_MS = 10000 };

static const rd_kafka_metadata_topic_t *topic_of(const rd_kafka_metadata_t *all, const char *name)
{
    for (int i = 0; i < all->topic_cnt; i++)
        if (!strcmp(all->topics[i].topic, name))
            return &all->topics[i];
    return NULL;
}

static bool say_topic(const struct bridge *b, const rd_kafka_metadata_topic_t *t)
{
    int replicas = 1 << 30;
    for (int i = 0; i < t->partition_cnt; i++)
        if (t->partitions[i].replica_cnt < replicas)
            replicas = t->partitions[i].replica_cnt;
    printf("note    topic '%s' has %d partitions with %d replicas at least: acks=all waits for min.insync.replicas of "
           "them, see the brokers' settings\n",
           t->topic, t->partition_cnt, replicas);
    if (!b->from) {
        puts("holds   a record is settled when the brokers have acknowledged it: none is missing after a kill of the "
             "bridge or of a broker\nnote    after a kill of the bridge some come twice, with the same conveyor-id");
        return true;
    }
    puts("holds   after a kill of the bridge, of a worker or of a broker none is missing, none twice in the segment");
    if (b->buffered)
        puts("broken  --ack buffered: what is in the segment is lost if this machine dies");
    else
        puts("holds   the group goes on behind what is settled here: if this machine dies the rest comes again");
    return !b->buffered;
}

int kafka_bridge_check(struct bridge *b)
{
    char why[300];
    const rd_kafka_metadata_t *all = NULL;
    rd_kafka_conf_t *c = kafka_bridge_config(b);
    rd_kafka_t *rk = c ? rd_kafka_new(RD_KAFKA_PRODUCER, c, why, sizeof why) : NULL;
    if (!rk)
        return CLI_USAGE;
    rd_kafka_resp_err_t error = rd_kafka_metadata(rk, 1, NULL, &all, ANSWER_MS);
    const rd_kafka_metadata_topic_t *t = error || strchr(b->url.path, '{') ? NULL : topic_of(all, b->url.path);
    bool good = false;
    if (error)
        cli_complain("no broker answers at kafka://%s: %s", b->url.host[0], rd_kafka_err2str(error));
    else if (!t && !strchr(b->url.path, '{'))
        cli_complain("there is no topic '%s': a bridge makes none, make it first", b->url.path);
    else
        good = !t || say_topic(b, t);
    if (all)
        rd_kafka_metadata_destroy(all);
    rd_kafka_destroy(rk);
    return good ? cli_close_output() : CLI_FAILED;
}
