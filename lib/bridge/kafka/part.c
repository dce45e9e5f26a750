/* part.c - a partition that this bridge has been given.
 *
 * Its queue is read only when all that came before is put: pausing it would throw away what was fetched. */
#include "part.h"

#include <conveyor/progress.h>
#include <conveyor/segment.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "refuse.h"
#include "text.h"

enum { SEEK_MS = 1000 };

int part_open(struct part *p, struct bridge *b)
{
    char name[CVB_NAME_MAX + 16];
    snprintf(name, sizeof name, "%s.%" PRId32, b->source_name, p->number);
    int error = cvb_source(b->handle, name, &p->source);
    if (error) {
        cli_progress_break(&b->progress);
        cli_name_failed(b->segment, "source", "source", name, error);
        return BRIDGE_STOPPED;
    }
    error = cvb_source_open(b->handle, p->source, &p->accepted);
    p->open = !error;
    return error;
}

bool part_begin(struct part *p, rd_kafka_t *consumer, const char *topic)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *at = rd_kafka_topic_partition_list_add(list, topic, p->number);
    at->offset = p->accepted && (int64_t)p->accepted > p->start ? (int64_t)p->accepted : p->start;
    part_forget(p);
    rd_kafka_queue_forward(p->queue, NULL);
    rd_kafka_error_t *error = rd_kafka_seek_partitions(consumer, list, SEEK_MS);
    p->ready = !error && !at->err;
    rd_kafka_error_destroy(error);
    rd_kafka_topic_partition_list_destroy(list);
    return p->ready;
}

void part_forget(struct part *p)
{
    while (p->first < p->count)
        rd_kafka_message_destroy(p->waiting[p->first++]);
    p->first = p->count = 0;
}

void part_close(struct part *p, struct bridge *b)
{
    part_forget(p);
    if (p->open)
        cvb_source_close(b->handle, p->source);
    if (p->queue)
        rd_kafka_queue_destroy(p->queue);
    free(p->waiting);
}

/* Messages that are in the segment already, and what is no message. */
static bool is_new(const struct part *p, const rd_kafka_message_t *m)
{
    return !m->err && (uint64_t)m->offset + 1 > p->accepted;
}

void part_read(struct part *p)
{
    if (!p->open || !p->ready || p->first < p->count)
        return;
    ssize_t n = rd_kafka_consume_batch_queue(p->queue, 0, p->waiting, p->most);
    p->first = p->count = 0;
    for (ssize_t i = 0; i < n; i++)
        if (is_new(p, p->waiting[i]))
            p->waiting[p->count++] = p->waiting[i];
        else
            rd_kafka_message_destroy(p->waiting[i]);
}

static int refused(const struct part *p, struct bridge_intake *intake, int why)
{
    char what[120];
    const rd_kafka_message_t *m = p->waiting[p->first];
    snprintf(what, sizeof what, "message %" PRId64 " of partition %" PRId32, m->offset, p->number);
    return bridge_refuse(intake, why, what, m->len);
}

/* What a message has besides its body. What the envelope points to lives as long as the message. */
static void wrap(struct bridge_envelope *e, const rd_kafka_message_t *m)
{
    rd_kafka_headers_t *all = NULL;
    const char *name, *topic = rd_kafka_topic_name(m->rkt);
    const void *value;
    size_t size;
    int64_t stored_ms = rd_kafka_message_timestamp(m, NULL);
    snprintf(e->origin, sizeof e->origin, "kafka:%s", topic);
    snprintf(e->id, sizeof e->id, "%s.%" PRId32 ".%" PRId64 ".%" PRId64, topic, m->partition, m->offset, stored_ms);
    e->place = "topic";
    e->where = topic;
    e->partition = m->partition;
    e->timestamp_ns = stored_ms > 0 ? (uint64_t)stored_ms * 1000000 : 0;
    e->key = (struct bridge_text){m->key, m->key_len};
    if (rd_kafka_message_headers(m, &all))
        return;
    while (e->header_count < BRIDGE_HEADERS_MAX && !rd_kafka_header_get_all(all, e->header_count, &name, &value, &size))
        e->headers[e->header_count++] = (struct bridge_header){bridge_text_of(name), {value, size}};
    e->cut = rd_kafka_header_cnt(all) > BRIDGE_HEADERS_MAX;
}

static size_t gather(struct part *p, struct bridge_intake *intake)
{
    size_t most = p->open ? bridge_intake_most(intake, p->count - p->first) : 0;
    for (size_t i = 0; i < most; i++) {
        const rd_kafka_message_t *m = p->waiting[p->first + i];
        bridge_intake_fill(intake, i, p->source, (uint64_t)m->offset + 1, m->payload, m->len);
        struct bridge_envelope *e = bridge_intake_envelope(intake);
        if (e) {
            wrap(e, m);
            bridge_intake_seal(intake, i);
        }
    }
    return most;
}

/* The first `count` that wait are in. */
static void are_in(struct part *p, int count)
{
    for (int i = 0; i < count; i++) {
        p->accepted = (uint64_t)p->waiting[p->first]->offset + 1;
        rd_kafka_message_destroy(p->waiting[p->first++]);
    }
}

int part_put(struct part *p, struct bridge_intake *intake)
{
    int why = 0, opens = p->open && p->first < p->count ? bridge_intake_opens(intake, p->source) : 0;
    if (opens <= 0)
        return opens;
    int n = bridge_intake_put(intake, gather(p, intake), &why);
    are_in(p, n);
    if (n < 0 || !why)
        return n;
    int more = refused(p, intake, why);
    are_in(p, more);
    return more < 0 ? more : n + more;
}

int part_look(struct part *p, struct bridge *b)
{
    struct cvb_progress progress;
    if (!p->open)
        return 0;
    int error = cvb_source_progress(b->handle, p->source, &progress);
    p->settled = error ? p->settled : b->buffered ? p->accepted : progress.settled;
    return error;
}

uint64_t part_lag(const struct part *p, rd_kafka_t *consumer, const char *topic)
{
    int64_t low, high;
    if (rd_kafka_get_watermark_offsets(consumer, topic, p->number, &low, &high))
        return 0;
    int64_t from = (int64_t)p->accepted; /* what is not known is below 0 */
    from = p->start > from ? p->start : from;
    from = low > from ? low : from;
    return high > from ? (uint64_t)(high - from) : 0;
}
