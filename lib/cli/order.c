/* order.c - in which order `top` shows the rows of a table: by any of its columns. */
#include <stdlib.h>
#include <string.h>

#include "top.h"

const char *const cli_order_name[CLI_ORDERS] = {
    [CLI_BY_AGE] = "first use",   [CLI_BY_NAME] = "name",         [CLI_BY_FILL] = "fill",
    [CLI_BY_RATE] = "rate",       [CLI_BY_HELD] = "queued",       [CLI_BY_LEASED] = "leased",
    [CLI_BY_CREDITS] = "credits", [CLI_BY_SIGNAL] = "signal",     [CLI_BY_IN] = "in/s",
    [CLI_BY_OUT] = "out/s",       [CLI_BY_RETRY] = "retry/s",     [CLI_BY_STALL] = "stall",
    [CLI_BY_OLDEST] = "oldest",   [CLI_BY_P99] = "p99",           [CLI_BY_PENDING] = "pending",
    [CLI_BY_IDLE] = "idle",       [CLI_BY_RESERVED] = "reserved", [CLI_BY_COMMAND] = "command"};

static double key_of_stage(enum cli_order order, const struct cli_stage *s)
{
    switch (order) {
    case CLI_BY_HELD:
        return s->holds.queued;
    case CLI_BY_LEASED:
        return s->holds.leased;
    case CLI_BY_SIGNAL:
        return s->signal;
    case CLI_BY_OLDEST:
        return (double)s->age.record_ns;
    case CLI_BY_P99:
        return (double)s->waits.p99_ns;
    default:
        return 0;
    }
}

static double key_of_source(enum cli_order order, const struct cli_source *s)
{
    switch (order) {
    case CLI_BY_HELD:
        return s->buffered;
    case CLI_BY_CREDITS:
        return (double)s->credits;
    case CLI_BY_SIGNAL:
        return s->backpressure.signal;
    case CLI_BY_OLDEST:
        return (double)s->age.record_ns;
    case CLI_BY_PENDING:
        return (double)s->progress.live;
    default:
        return 0;
    }
}

static double key_of_peer(enum cli_order order, const struct cli_peer *p)
{
    switch (order) {
    case CLI_BY_NAME: /* the lowest pid first, as names have it */
        return -(double)p->peer.pid;
    case CLI_BY_LEASED:
        return p->holds.leased;
    case CLI_BY_RESERVED:
        return p->holds.reserved;
    case CLI_BY_SIGNAL: /* dead, stopped, alive */
        return p->peer.state;
    case CLI_BY_OLDEST:
        return (double)p->age.lease_ns;
    case CLI_BY_IDLE:
        return (double)p->peer.idle_ns;
    default:
        return 0;
    }
}

/* 0 if the table has no such column. */
static double key_of(enum cli_order order, const struct cli_row *r)
{
    switch (order) {
    case CLI_BY_FILL:
        return r->fill;
    case CLI_BY_RATE:
        return r->rate.in + r->rate.out;
    case CLI_BY_IN:
        return r->rate.in;
    case CLI_BY_OUT:
        return r->rate.out;
    case CLI_BY_RETRY:
        return r->rate.again;
    case CLI_BY_STALL:
        return r->rate.stalled;
    default:
        return r->stage    ? key_of_stage(order, r->stage)
               : r->source ? key_of_source(order, r->source)
                           : key_of_peer(order, r->peer);
    }
}

/* What is to be in the order of the alphabet, or NULL. */
static const char *text_of(enum cli_order order, const struct cli_row *r)
{
    if (order == CLI_BY_NAME)
        return r->name;
    return order == CLI_BY_COMMAND && r->peer ? r->peer->command : NULL;
}

/* Rows that are alike stay in the order of their first use. */
static int compare(const void *one, const void *other)
{
    const struct cli_row *a = one, *b = other;
    const struct cli_top *t = a->top;
    const char *text = text_of(t->order, a);
    const double x = key_of(t->order, a), y = key_of(t->order, b);
    int way = text ? strcmp(text, text_of(t->order, b)) : x < y ? 1 : x > y ? -1 : 0;
    if (t->reverse)
        way = -way;
    return way ? way : a->index < b->index ? -1 : 1;
}

void cli_top_sort(const struct cli_top *t, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        t->rows[i].top = t;
        t->rows[i].index = i;
    }
    qsort(t->rows, count, sizeof *t->rows, compare);
}
