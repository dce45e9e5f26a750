/* allowed.c - whether this user may use a topic at all: asked when it is used first, and now and then while it may not.
 */
#include "allowed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND INT64_C(1000000000)
#define REFUSED_NS (5 * SECOND) /* an operator may permit it meanwhile */
#define UNKNOWN_NS SECOND       /* the brokers did not answer: what is sent waits for them anyway */
enum { KAFKA_VERDICTS = 1024, ASK_MS = 200 };

bool kafka_allowed_begin(struct kafka_allowed *a)
{
    a->verdicts = calloc(KAFKA_VERDICTS, sizeof *a->verdicts);
    return a->verdicts;
}

void kafka_allowed_end(struct kafka_allowed *a) { free(a->verdicts); }

/* What the brokers say; __TIMED_OUT and the like if they do not. */
static rd_kafka_resp_err_t ask(rd_kafka_t *client, const char *name)
{
    const rd_kafka_metadata_t *answer = NULL;
    rd_kafka_topic_t *topic = rd_kafka_topic_new(client, name, NULL);
    if (!topic)
        return rd_kafka_last_error();
    rd_kafka_resp_err_t error = rd_kafka_metadata(client, 0, topic, &answer, ASK_MS);
    if (!error && answer->topic_cnt)
        error = answer->topics[0].err;
    if (answer)
        rd_kafka_metadata_destroy(answer);
    rd_kafka_topic_destroy(topic);
    return error;
}

static struct kafka_verdict *find(const struct kafka_allowed *a, const char *topic)
{
    uint32_t hash = 2166136261; /* FNV-1a */
    for (const char *at = topic; *at; at++)
        hash = (hash ^ (uint8_t)*at) * 16777619;
    return &a->verdicts[hash % KAFKA_VERDICTS];
}

bool kafka_allowed(struct kafka_allowed *a, rd_kafka_t *client, const char *topic, int64_t now)
{
    struct kafka_verdict *v = find(a, topic);
    if (now < v->until_ns && !strcmp(v->topic, topic))
        return !v->refused;
    rd_kafka_resp_err_t error = ask(client, topic);
    snprintf(v->topic, sizeof v->topic, "%s", topic);
    v->refused = error == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    v->until_ns = v->refused ? now + REFUSED_NS : error ? now + UNKNOWN_NS : INT64_MAX;
    return !v->refused;
}
