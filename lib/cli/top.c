/* top.c - what happens in a segment, live: fill, rates, leases, credits, signals, handles. On a terminal a picture that
 * is drawn anew; else a line each time. */
#include <conveyor/segment.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "options.h"
#include "screen.h"
#include "signals.h"
#include "snapshot.h"
#include "table.h"
#include "text.h"

enum { BAR = 20, NAME = 16 };
enum order { BY_AGE, BY_NAME, BY_FILL, BY_RATE, ORDERS };
static const char *const order_name[ORDERS] = {"first use", "name", "fill", "rate"};

struct rates {
    double in, out, again, stalled; /* records a second; stalled: a part of the time */
};

struct row {
    const struct cli_stage *stage;
    const struct cli_source *source;
    const char *name;
    double fill;
    struct rates rate;
};

struct top {
    const char *segment;
    struct cvb_handle *handle;
    struct cli_snapshot was, now;
    double seconds; /* from was to now */
    int64_t was_ns, now_ns;
    enum order order;
};

static struct rates rates_between(const struct cvb_counts *was, const struct cvb_counts *now, double seconds)
{
    if (!was || seconds <= 0)
        return (struct rates){0};
    return (struct rates){.in = (double)(now->accepted - was->accepted) / seconds,
                          .out = (double)(now->acked - was->acked + now->forwarded - was->forwarded) / seconds,
                          .again =
                              (double)(now->returned - was->returned + now->redelivered - was->redelivered) / seconds,
                          .stalled = (double)(now->stalled_ns - was->stalled_ns) / 1e9 / seconds};
}

static int compare(enum order order, const struct row *a, const struct row *b)
{
    double x = order == BY_FILL ? a->fill : a->rate.in + a->rate.out;
    double y = order == BY_FILL ? b->fill : b->rate.in + b->rate.out;
    return order == BY_AGE ? 0 : order == BY_NAME ? strcmp(a->name, b->name) : x < y ? 1 : x > y ? -1 : 0;
}

/* Insertion: there are few rows, and equal ones stay as they are. */
static void sort(struct row *rows, size_t count, enum order order)
{
    for (size_t i = 1; i < count; i++)
        for (size_t j = i; j && compare(order, &rows[j - 1], &rows[j]) > 0; j--) {
            struct row kept = rows[j];
            rows[j] = rows[j - 1];
            rows[j - 1] = kept;
        }
}

static void print_bar(FILE *f, double part)
{
    int full = (int)(part * BAR + 0.5);
    fputc('[', f);
    for (int i = 0; i < BAR; i++)
        fputc(i < full ? '#' : '.', f);
    fprintf(f, "] %5.1f %%", part * 100);
}

static void print_name(FILE *f, const char *name)
{
    int pad = NAME - cli_width(name);
    fprintf(f, "%s%*s", name, pad > 0 ? pad : 0, "");
}

static void draw_stages(FILE *f, const struct top *t, struct row *rows)
{
    size_t n = t->now.stage_count;
    for (size_t i = 0; i < n; i++) {
        const struct cli_stage *s = &t->now.stages[i];
        const struct cvb_counts *was = i < t->was.stage_count ? &t->was.stages[i].counts : NULL;
        rows[i] = (struct row){
            .stage = s, .name = s->name, .fill = s->utilization, .rate = rates_between(was, &s->counts, t->seconds)};
    }
    sort(rows, n, t->order);
    fprintf(f, "\n%-*s %-*s %8s %8s %10s %10s %9s %6s  %s\n", NAME, "STAGE", BAR + 10, "fill", "queued", "leased",
            "in/s", "out/s", "retried/s", "dead", "signal");
    for (size_t i = 0; i < n; i++) {
        const struct row *r = &rows[i];
        print_name(f, r->name);
        fputc(' ', f);
        print_bar(f, r->fill);
        fprintf(f, " %8u %8u %10.0f %10.0f %9.0f %6llu  %s\n", r->stage->holds.queued, r->stage->holds.leased,
                r->rate.in, r->rate.out, r->rate.again, (unsigned long long)r->stage->counts.dead_lettered,
                cli_signal_name(r->stage->signal));
    }
}

static void draw_sources(FILE *f, const struct top *t, struct row *rows)
{
    size_t n = t->now.source_count;
    for (size_t i = 0; i < n; i++) {
        const struct cli_source *s = &t->now.sources[i];
        const struct cvb_counts *was = i < t->was.source_count ? &t->was.sources[i].counts : NULL;
        rows[i] = (struct row){.source = s,
                               .name = s->name,
                               .fill = (double)s->buffered / t->now.settings.max_per_source,
                               .rate = rates_between(was, &s->counts, t->seconds)};
    }
    sort(rows, n, t->order);
    fprintf(f, "\n%-*s %-*s %8s %8s %10s %10s %9s\n", NAME, "SOURCE", BAR + 10, "fill", "buffered", "credits", "in/s",
            "stalled", "signal");
    for (size_t i = 0; i < n; i++) {
        const struct cli_source *s = rows[i].source;
        print_name(f, s->name);
        fputc(' ', f);
        print_bar(f, rows[i].fill);
        fprintf(f, " %8u %8lld %10.0f %8.0f %% %9s", s->buffered, (long long)s->credits, rows[i].rate.in,
                rows[i].rate.stalled * 100, cli_signal_name(s->backpressure.signal));
        if (s->backpressure.signal == CVB_SIGNAL_SLOW_DOWN)
            fprintf(f, " (%u ms)", s->backpressure.delay_ms);
        fputc('\n', f);
    }
}

static void draw_handles(FILE *f, const struct top *t)
{
    fprintf(f, "\n%-*s %8s %8s  %s\n", NAME, "HANDLE (PID)", "leased", "reserved", "state");
    for (size_t i = 0; i < t->now.peer_count; i++) {
        const struct cli_peer *p = &t->now.peers[i];
        fprintf(f, "%-*d %8u %8u  %s\n", NAME, (int)p->peer.pid, p->holds.leased, p->holds.reserved,
                cli_state_name(p->peer.state));
    }
}

static const char *wall_clock(char *text, size_t size)
{
    time_t now = time(NULL);
    struct tm parts;
    localtime_r(&now, &parts);
    strftime(text, size, "%H:%M:%S", &parts);
    return text;
}

static bool draw(const struct top *t, struct row *rows)
{
    char clock[16];
    struct cli_screen screen;
    if (!cli_screen_begin(&screen))
        return false;
    FILE *f = screen.lines;
    fprintf(f, "%s  by %s (s: by another, q: quit)  segment %s\n\n", wall_clock(clock, sizeof clock),
            order_name[t->order], t->segment);
    print_name(f, "all records");
    fputc(' ', f);
    print_bar(f, t->now.utilization);
    fprintf(f, " %8u %8u of %u\n", t->now.total.queued, t->now.total.leased, t->now.settings.max_total_records);
    draw_stages(f, t, rows);
    draw_sources(f, t, rows);
    draw_handles(f, t);
    return cli_screen_show(&screen);
}

static bool print_line(const struct top *t)
{
    char clock[16];
    struct rates sum = {0};
    for (size_t i = 0; i < t->now.stage_count && i < t->was.stage_count; i++) {
        struct rates r = rates_between(&t->was.stages[i].counts, &t->now.stages[i].counts, t->seconds);
        sum.in += r.in;
        sum.out += r.out;
        sum.again += r.again;
        sum.stalled += r.stalled;
    }
    printf("%s buffered %u (%.1f %%) queued %u leased %u in %.0f/s out %.0f/s retried %.0f/s stalled %.0f %% handles "
           "%zu\n",
           wall_clock(clock, sizeof clock), t->now.buffered, t->now.utilization * 100, t->now.total.queued,
           t->now.total.leased, sum.in, sum.out, sum.again, sum.stalled * 100, t->now.peer_count);
    return !fflush(stdout);
}

static int look(struct top *t)
{
    cli_snapshot_free(&t->was);
    t->was = t->now;
    t->was_ns = t->now_ns;
    t->now = (struct cli_snapshot){0};
    int error = cli_snapshot_take(t->handle, &t->now);
    t->now_ns = cli_now_ns();
    t->seconds = t->was_ns ? (double)(t->now_ns - t->was_ns) / 1e9 : 0;
    return error;
}

/* Sleeps until the next picture is due, serving keys; true if it is time to go. */
static bool pause_until(struct top *t, struct row *rows, bool terminal, int64_t due)
{
    for (int64_t left; !cli_signals() && (left = due - cli_now_ns()) > 0;) {
        if (!terminal) {
            cli_sleep(left);
            continue;
        }
        int key = cli_screen_key(left);
        if (key == 'q' || key == 'Q')
            return true;
        if (key == 's' || key == 'S') {
            t->order = (t->order + 1) % ORDERS;
            if (!draw(t, rows))
                return true;
        }
    }
    return cli_signals();
}

static int loop(struct top *t, struct row *rows, bool terminal, double interval, uint32_t count)
{
    for (uint32_t i = 1;; i++) {
        int error = look(t);
        if (error)
            return error;
        if (!(terminal ? draw(t, rows) : print_line(t)) || i == count)
            return 0;
        if (pause_until(t, rows, terminal, t->now_ns + (int64_t)(interval * 1e9)))
            return 0;
    }
}

static int show(struct top *t, double interval, uint32_t count)
{
    struct cvb_settings settings;
    int error = cvb_settings_of(t->handle, &settings);
    struct row *rows = error ? NULL : calloc((size_t)settings.max_stages + settings.max_sources, sizeof *rows);
    if (!rows)
        return error ? error : CVB_ESYSTEM;
    bool terminal = cli_screen_open();
    error = loop(t, rows, terminal, interval, count);
    if (terminal)
        cli_screen_close();
    free(rows);
    cli_snapshot_free(&t->was);
    cli_snapshot_free(&t->now);
    return error;
}

static int run(const struct cli_command *self, int argc, char **argv)
{
    struct top t = {0};
    double interval = 1;
    uint32_t count = 0;
    const struct cli_option options[] = {
        {"interval", CLI_REAL, "SECONDS", "time from one look to the next (1)", &interval, 0.05, 86400},
        {"count", CLI_WHOLE, "N", "end after so many looks", &count, 1, UINT32_MAX}};
    int status = cli_parse(self, argc, argv, options, sizeof options / sizeof options[0], &t.segment, 1);
    if (status != CLI_GO)
        return status;
    status = cli_attach(t.segment, &t.handle);
    if (status)
        return status;
    cli_note_signals();
    int error = show(&t, interval, count);
    cvb_detach(t.handle);
    return error ? cli_segment_failed(t.segment, error) : cli_close_output();
}

const struct cli_command cli_top = {
    "top", "SEG [--interval SECONDS] [--count N]", "stat, live, on a terminal",
    "Keys: s sorts by first use, name, fill or rate in turn; q quits. Without a terminal it prints a line each time.",
    run};
