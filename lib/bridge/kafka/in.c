/* in.c - from a topic to a stage.
 *
 * Each partition is a source of its own, and a message's offset + 1 its position. The group is told to go on behind
 * what is settled here, once a second: if this machine dies, what was not settled comes again. A bridge that starts
 * again goes on behind what the segment has accepted, if that is more: none comes twice.
 *
 * When a partition goes to another member, what came from it is drained for a bounded time first. The group's own
 * queue is served all the while, also when there is no room.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "kafka_bridge.h"
#include "link.h"
#include "metrics.h"
#include "part.h"
#include "pause.h"
#include "signals.h"
#include "text.h"

#define MILLISECOND INT64_C(1000000)
#define COMMIT_SLICE (1000 * MILLISECOND)
#define LOOK_LEAST (100 * MILLISECOND)
#define LOOK_MOST (400 * MILLISECOND) /* where nothing is settled, as each look reads all units */
#define ROOM_LEAST (5 * MILLISECOND)
#define ROOM_MOST (20 * MILLISECOND)
#define IDLE_SLICE (100 * MILLISECOND)
#define OPEN_SLICE (200 * MILLISECOND)
enum { READ_AT_ONCE = 1000, COMMITTED_WAIT_MS = 10000 };

struct in {
    struct bridge *bridge;
    rd_kafka_t *consumer;
    rd_kafka_queue_t *queue;
    struct part *parts;
    size_t count;
    struct bridge_intake intake;
    struct kafka_link link;
    int event;
    struct bridge_pause look, room; /* between looks at what is settled, and for room */
    int64_t next_commit_ns, next_look_ns, next_open_ns;
};

static struct part *find(struct in *in, int32_t number)
{
    for (size_t i = 0; i < in->count; i++)
        if (in->parts[i].number == number)
            return &in->parts[i];
    return NULL;
}

/* Tells the group how far each partition is settled. False if it was asked to wait and the group did not take it. */
static bool commit(struct in *in, bool wait)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)in->count + 1);
    for (size_t i = 0; i < in->count; i++) {
        struct part *p = &in->parts[i];
        if (p->settled <= p->told)
            continue;
        rd_kafka_topic_partition_list_add(list, in->bridge->url.path, p->number)->offset = (int64_t)p->settled;
        p->told = wait ? p->told : p->settled; /* if the answer says no it is told again: not_told */
    }
    bool good = !list->cnt || !rd_kafka_commit(in->consumer, list, !wait);
    rd_kafka_topic_partition_list_destroy(list);
    return good;
}

/* The group did not take it, as while it is being rebalanced. */
static void not_told(struct in *in, rd_kafka_event_t *event)
{
    if (rd_kafka_event_error(event))
        for (size_t i = 0; i < in->count; i++)
            in->parts[i].told = 0;
}

/* *moved: whether more is settled than before. */
static int look_at_all(struct in *in, bool *moved)
{
    int error = 0;
    for (size_t i = 0; !error && i < in->count; i++) {
        struct part *p = &in->parts[i];
        uint64_t before = p->settled;
        if (before < p->accepted)
            error = part_look(p, in->bridge);
        *moved |= p->settled != before;
    }
    return error;
}

static bool all_settled(const struct in *in)
{
    for (size_t i = 0; i < in->count; i++)
        if (in->parts[i].settled < in->parts[i].accepted)
            return false;
    return true;
}

/* Waits a bounded time until all that came in is settled; tells the group. */
static int drain(struct in *in)
{
    int64_t until = cli_now_ns() + (int64_t)(in->bridge->drain_seconds * 1e9);
    int error;
    for (size_t i = 0; i < in->count; i++)
        part_forget(&in->parts[i]);
    bool moved = false;
    while (!(error = look_at_all(in, &moved)) && !all_settled(in) && cli_now_ns() < until && cli_signals() < 2)
        cli_sleep(20 * MILLISECOND);
    while (!commit(in, true) && cli_now_ns() < until && cli_signals() < 2)
        cli_sleep(100 * MILLISECOND);
    return error;
}

/* Where a partition begins: behind what the segment has, or what the group was told, whichever is more. */
static int64_t start_of(const struct part *p, int64_t told)
{
    int64_t has = p->open ? (int64_t)p->accepted : 0;
    return told >= 0 ? (told > has ? told : has) : has > 0 ? has : RD_KAFKA_OFFSET_BEGINNING;
}

static int add(struct in *in, int32_t number, int64_t *offset)
{
    struct part *more = realloc(in->parts, (in->count + 1) * sizeof *more);
    if (!more)
        return CVB_ESYSTEM;
    in->parts = more;
    struct part *p = &in->parts[in->count];
    *p = (struct part){.number = number, .most = READ_AT_ONCE};
    p->waiting = calloc(p->most, sizeof(rd_kafka_message_t *));
    if (!p->waiting)
        return CVB_ESYSTEM;
    in->count++;
    int error = part_open(p, in->bridge);
    *offset = p->start = start_of(p, *offset);
    return error == CVB_EBUSY ? 0 : error; /* it is tried again, and what comes twice is dropped by its position */
}

static void drop(struct in *in, int32_t number)
{
    struct part *p = find(in, number);
    if (!p)
        return;
    part_close(p, in->bridge);
    *p = in->parts[--in->count];
}

/* The partition's messages come by a queue of its own. */
static void split_queue(struct in *in, int32_t number)
{
    uint64_t one = 1;
    struct part *p = find(in, number);
    p->queue = rd_kafka_queue_get_partition(in->consumer, in->bridge->url.path, number);
    rd_kafka_queue_io_event_enable(p->queue, in->event, &one, sizeof one);
}

static int assign(struct in *in, rd_kafka_topic_partition_list_t *list)
{
    int error = 0;
    rd_kafka_committed(in->consumer, list, COMMITTED_WAIT_MS);
    for (int i = 0; !error && i < list->cnt; i++)
        error = add(in, list->elems[i].partition, &list->elems[i].offset);
    /* Also after an error: the group waits for it. */
    rd_kafka_error_t *e = rd_kafka_incremental_assign(in->consumer, list);
    rd_kafka_error_destroy(e);
    for (int i = 0; !error && i < list->cnt; i++)
        split_queue(in, list->elems[i].partition);
    in->next_open_ns = 0;
    return error;
}

static int rebalance(struct in *in, rd_kafka_event_t *event)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_event_topic_partition_list(event);
    if (rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
        kafka_link_up(&in->link);
        return assign(in, list);
    }
    int error = rd_kafka_assignment_lost(in->consumer) ? 0 : drain(in);
    for (int i = 0; i < list->cnt; i++)
        drop(in, list->elems[i].partition);
    rd_kafka_error_t *e = rd_kafka_incremental_unassign(in->consumer, list);
    rd_kafka_error_destroy(e);
    return error;
}

/* Messages that came by the group's queue: their partitions begin anew. */
static void came_astray(struct in *in, rd_kafka_event_t *event)
{
    const rd_kafka_message_t *m;
    while ((m = rd_kafka_event_message_next(event))) {
        struct part *p = find(in, m->partition);
        if (p)
            p->ready = false;
    }
}

static int serve_group(struct in *in)
{
    eventfd_t ignored;
    rd_kafka_event_t *event;
    int error = 0;
    eventfd_read(in->event, &ignored);
    while (!error && (event = rd_kafka_queue_poll(in->queue, 0))) {
        if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_REBALANCE)
            error = rebalance(in, event);
        else if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_OFFSET_COMMIT)
            not_told(in, event);
        else if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_FETCH)
            came_astray(in, event);
        kafka_link_event(&in->link, event);
        rd_kafka_event_destroy(event);
    }
    return !error && in->link.over ? BRIDGE_STOPPED : error;
}

static int begin_parts(struct in *in, int64_t now)
{
    if (now < in->next_open_ns)
        return 0;
    in->next_open_ns = now + OPEN_SLICE;
    for (size_t i = 0; i < in->count; i++) {
        int error = in->parts[i].open ? 0 : part_open(&in->parts[i], in->bridge);
        if (error && error != CVB_EBUSY)
            return error;
        if (!in->parts[i].ready && !part_begin(&in->parts[i], in->consumer, in->bridge->url.path))
            in->next_open_ns = now + ROOM_LEAST;
    }
    return 0;
}

/* How many were put, or an error. */
static int put_all(struct in *in, bool *more)
{
    int done = 0;
    for (size_t i = 0; i < in->count; i++) {
        part_read(&in->parts[i]);
        int n = part_put(&in->parts[i], &in->intake);
        if (n < 0)
            return n;
        done += n;
        if (n)
            kafka_link_up(&in->link);
        *more |= in->parts[i].first < in->parts[i].count;
    }
    return done;
}

static int tell_settled(struct in *in, int64_t now)
{
    int error = 0;
    if (now >= in->next_look_ns) {
        bool moved = false;
        error = look_at_all(in, &moved);
        if (moved)
            bridge_pause_ends(&in->look);
        in->next_look_ns = now + (moved ? LOOK_LEAST : bridge_pause_ns(&in->look));
    }
    if (!error && now >= in->next_commit_ns) {
        in->next_commit_ns = now + COMMIT_SLICE;
        commit(in, false);
    }
    return error;
}

static void tell(struct in *in)
{
    uint64_t accepted = 0, settled = 0, lag = 0;
    cli_progress_tick(&in->bridge->progress);
    if (!bridge_metrics_due(in->bridge))
        return;
    for (size_t i = 0; i < in->count; i++) {
        accepted += in->parts[i].accepted;
        settled += in->parts[i].settled;
        lag += part_lag(&in->parts[i], in->consumer, in->bridge->url.path);
    }
    const struct bridge_metric metrics[] = {
        {"records_total", "Records that were put into the stage.", (double)in->intake.done},
        {"partitions", "Partitions that this bridge has.", (double)in->count},
        {"accepted_position", "The highest positions that are in, all partitions together.", (double)accepted},
        {"settled_position", "All at or below them have left the segment, all partitions together.", (double)settled},
        {"connected", "1 if a broker is connected.", kafka_link_is_up(&in->link)},
        {"lag", "Messages of these partitions that are not in the segment.", (double)lag}};
    bridge_metrics_write(in->bridge, metrics, sizeof metrics / sizeof metrics[0]);
}

static int run(struct in *in)
{
    for (bool more = false;;) {
        int64_t now = cli_now_ns();
        int error = serve_group(in);
        if (!error)
            error = begin_parts(in, now);
        if (error || bridge_intake_is_over(&in->intake, more, now))
            return error ? error : drain(in);
        more = false;
        int n = put_all(in, &more);
        error = n < 0 ? n : tell_settled(in, now);
        if (error)
            return error;
        if (n > 0)
            bridge_pause_ends(&in->room);
        else
            cli_wait_readable(in->event, more ? bridge_pause_ns(&in->room) : IDLE_SLICE);
        tell(in);
    }
}

static int report(struct in *in, int error)
{
    return bridge_report(in->bridge, error, in->intake.removed,
                         all_settled(in) ? "" : ", not all settled yet: the rest comes again");
}

static rd_kafka_conf_t *configure(const struct bridge *b, const char *group)
{
    rd_kafka_conf_t *c = kafka_bridge_config(b);
    if (!c)
        return NULL;
    rd_kafka_conf_set_events(c, RD_KAFKA_EVENT_REBALANCE | RD_KAFKA_EVENT_OFFSET_COMMIT | KAFKA_LINK_EVENTS);
    if (kafka_bridge_set(c, "group.id", group) && kafka_bridge_set(c, "enable.auto.commit", "false") &&
        kafka_bridge_set(c, "enable.auto.offset.store", "false") && kafka_bridge_set(c, "auto.offset.reset", "error") &&
        kafka_bridge_set(c, "partition.assignment.strategy", "cooperative-sticky"))
        return c;
    rd_kafka_conf_destroy(c);
    return NULL;
}

static int subscribe(struct in *in)
{
    uint64_t one = 1;
    rd_kafka_poll_set_consumer(in->consumer);
    in->queue = rd_kafka_queue_get_consumer(in->consumer);
    rd_kafka_queue_io_event_enable(in->queue, in->event, &one, sizeof one);
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(topics, in->bridge->url.path, RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t error = rd_kafka_subscribe(in->consumer, topics);
    rd_kafka_topic_partition_list_destroy(topics);
    if (error)
        cli_complain("cannot read topic '%s': %s", in->bridge->url.path, rd_kafka_err2str(error));
    return error ? CLI_FAILED : CLI_DONE;
}

static int begin(struct in *in)
{
    char group[250], why[300];
    if (!*in->bridge->url.path || !bridge_url_query(&in->bridge->url, "group", group, sizeof group)) {
        cli_complain("--from must end with /TOPIC?group=GROUP");
        return CLI_USAGE;
    }
    rd_kafka_conf_t *c = configure(in->bridge, group);
    if (!c)
        return CLI_USAGE;
    in->consumer = rd_kafka_new(RD_KAFKA_CONSUMER, c, why, sizeof why);
    if (!in->consumer) {
        cli_complain("cannot make a consumer: %s", why);
        rd_kafka_conf_destroy(c);
        return CLI_USAGE;
    }
    in->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (!bridge_intake_begin(&in->intake, in->bridge) || in->event < 0) {
        cli_complain("cannot begin: %s", strerror(errno));
        return CLI_FAILED;
    }
    return subscribe(in);
}

static void end(struct in *in)
{
    while (in->count)
        drop(in, in->parts[0].number);
    if (in->queue)
        rd_kafka_queue_io_event_enable(in->queue, -1, NULL, 0);
    if (in->consumer)
        rd_kafka_consumer_close(in->consumer);
    if (in->queue)
        rd_kafka_queue_destroy(in->queue);
    if (in->consumer)
        rd_kafka_destroy(in->consumer);
    free(in->parts);
    bridge_intake_end(&in->intake);
    if (in->event >= 0)
        close(in->event);
}

int kafka_bridge_in(struct bridge *b)
{
    struct in in = {.bridge = b,
                    .event = -1,
                    .link.bridge = b,
                    .look = {LOOK_LEAST, LOOK_MOST, 0},
                    .room = {ROOM_LEAST, ROOM_MOST, 0}};
    int status = begin(&in);
    if (!status)
        status = kafka_link_status(&in.link, in.consumer, report(&in, run(&in)));
    end(&in);
    return status;
}
