/* check.c - what holds and what is not promised with this topic. */
#include <stdio.h>
#include <string.h>

#include "link.h"
#include "text.h"
#include "topic.h"

enum { ANSWER_MS = 10000, REASON_MS = 2500, SLICE_MS = 250 }; /* REASON_MS: once it is told why there is no answer */

static const rd_kafka_metadata_topic_t *topic_of(const rd_kafka_metadata_t *all, const char *name)
{
    for (int i = 0; i < all->topic_cnt; i++)
        if (!strcmp(all->topics[i].topic, name))
            return &all->topics[i];
    return NULL;
}

static bool say_topic(const struct bridge *b, rd_kafka_t *rk, const rd_kafka_metadata_topic_t *found)
{
    struct kafka_topic topic = {
        .name = found->topic, .partitions = found->partition_cnt, .replicas = 1 << 30, .retention_ms = -1};
    for (int i = 0; i < found->partition_cnt; i++)
        if (found->partitions[i].replica_cnt < topic.replicas)
            topic.replicas = found->partitions[i].replica_cnt;
    kafka_topic_ask(&topic, rk);
    bool good = kafka_topic_say(&topic);
    if (!b->from) {
        puts("holds   a record is settled when the brokers have acknowledged it (acks=all): none is missing after a "
             "kill of the bridge or of a broker\n"
             "holds   the producer is idempotent: what it sends again, as after a lost connection, is stored once\n"
             "note    after a kill of the bridge some come twice, with the same conveyor-id");
        return good;
    }
    bridge_say_headers(b);
    puts("holds   after a kill of the bridge, of a worker or of a broker none is missing, none twice in the segment");
    if (b->buffered)
        puts("broken  --ack buffered: what is in the segment is lost if this machine dies");
    else
        puts("holds   the group goes on behind what is settled here: if this machine dies the rest comes again");
    return good && !b->buffered;
}

/* What the library said last about the connection. */
struct said {
    const struct bridge *bridge;
    char text[400];
    bool refused; /* waiting longer is of no use */
};

static void note_error(rd_kafka_t *rk, int error, const char *text, void *data)
{
    struct said *s = data;
    const char *meaning = kafka_link_meaning(s->bridge, error, text);
    (void)rk;
    if (!meaning || s->refused || error == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
        return;
    snprintf(s->text, sizeof s->text, "%s (%s)", meaning, text);
    s->refused = error != RD_KAFKA_RESP_ERR__TRANSPORT;
}

/* Asks until there is an answer, or a refusal. */
static rd_kafka_resp_err_t ask(rd_kafka_t *rk, const struct said *s, const rd_kafka_metadata_t **all)
{
    rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR_NO_ERROR;
    for (int waited = 0; waited < (*s->text ? REASON_MS : ANSWER_MS) && !s->refused; waited += SLICE_MS) {
        error = rd_kafka_metadata(rk, 1, NULL, all, SLICE_MS);
        if (!error)
            break;
        rd_kafka_poll(rk, 0);
    }
    return error;
}

static bool say_all(const struct bridge *b, rd_kafka_t *rk, rd_kafka_resp_err_t error, const struct said *said,
                    const rd_kafka_metadata_t *all)
{
    bool pattern = strchr(b->url.path, '{');
    const rd_kafka_metadata_topic_t *t = error || pattern ? NULL : topic_of(all, b->url.path);
    if (error)
        cli_complain("no broker answers at kafka://%s: %s", b->url.host[0],
                     *said->text ? said->text : rd_kafka_err2str(error));
    else if (!t && !pattern)
        cli_complain("there is no topic '%s': a bridge makes none, make it first", b->url.path);
    else
        return !t || say_topic(b, rk, t);
    return false;
}

int kafka_bridge_check(struct bridge *b)
{
    char why[300];
    struct said said = {.bridge = b};
    const rd_kafka_metadata_t *all = NULL;
    rd_kafka_conf_t *c = kafka_bridge_config(b);
    if (!c)
        return CLI_USAGE;
    rd_kafka_conf_set_error_cb(c, note_error);
    rd_kafka_conf_set_opaque(c, &said);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, c, why, sizeof why);
    if (!rk) {
        cli_complain("cannot make a client: %s", why);
        rd_kafka_conf_destroy(c);
        return CLI_USAGE;
    }
    rd_kafka_resp_err_t error = ask(rk, &said, &all);
    bool good = say_all(b, rk, said.refused ? RD_KAFKA_RESP_ERR__FAIL : error, &said, all);
    if (all)
        rd_kafka_metadata_destroy(all);
    rd_kafka_destroy(rk);
    return good ? cli_close_output() : CLI_FAILED;
}
