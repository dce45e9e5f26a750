/* picture.c - the picture of `top`: a table each of stages, sources and handles, as wide and as high as the window. */
#include <stdbool.h>
#include <string.h>

#include "top.h"
#include "units.h"
#include "width.h"

static const char *const order_name[CLI_ORDERS] = {"first use", "name", "fill",  "rate",
                                                   "queued",    "in/s", "out/s", "retry/s"};

/* How wide the columns are; what does not fit is cut on the right, so what matters most stands on the left. */
struct widths {
    int name, bar, signal, count, rate;
};
enum { PERCENT = 10 }; /* "[] 100.0 %" */
static const struct widths wide = {16, 20, 18, 8, 10}, narrow = {12, 8, 9, 7, 8};

static double key_of(enum cli_order order, const struct cli_row *r)
{
    switch (order) {
    case CLI_BY_FILL:
        return r->fill;
    case CLI_BY_RATE:
        return r->rate.in + r->rate.out;
    case CLI_BY_HELD:
        return r->held;
    case CLI_BY_IN:
        return r->rate.in;
    case CLI_BY_OUT:
        return r->rate.out;
    case CLI_BY_RETRY:
        return r->rate.again;
    default:
        return 0;
    }
}

static int compare(const struct cli_top *t, const struct cli_row *a, const struct cli_row *b)
{
    double x = key_of(t->order, a), y = key_of(t->order, b);
    int way = t->order == CLI_BY_NAME ? strcmp(a->name, b->name) : x < y ? 1 : x > y ? -1 : 0;
    return t->reverse ? -way : way;
}

/* Insertion: there are few rows, and equal ones stay as they are. */
static void sort(const struct cli_top *t, struct cli_row *rows, size_t count)
{
    for (size_t i = 1; i < count; i++)
        for (size_t j = i; j && compare(t, &rows[j - 1], &rows[j]) > 0; j--) {
            struct cli_row kept = rows[j];
            rows[j] = rows[j - 1];
            rows[j - 1] = kept;
        }
}

static void print_bar(FILE *f, double part, int width)
{
    int full = (int)(part * width + 0.5);
    fputs(" [", f);
    for (int i = 0; i < width; i++)
        fputc(i < full ? '#' : '.', f);
    fprintf(f, "] %5.1f %%", part * 100);
}

/* A name, blanks up to the width of its column, and a tilde for what is longer. */
static void print_name(FILE *f, const char *name, int width)
{
    int columns = cli_width(name), left = columns > width ? width - 1 : columns;
    size_t bytes = 0;
    for (int seen = 0; name[bytes] && (seen += ((unsigned char)name[bytes] & 0xc0) != 0x80) <= left;)
        bytes++;
    fprintf(f, "%.*s%s%*s", (int)bytes, name, columns > width ? "~" : "", columns > width ? 0 : width - columns, "");
}

/* The delay too, where there is room. */
static void print_signal(FILE *f, const struct widths *w, enum cvb_signal signal, uint32_t delay_ms)
{
    char text[32];
    int n = snprintf(text, sizeof text, "%s", cli_signal_name(signal));
    if (delay_ms)
        snprintf(text + n, sizeof text - (size_t)n, " (%u ms)", delay_ms);
    fprintf(f, "  %-*.*s", w->signal, w->signal, text);
}

/* The first line of a table. */
static void print_heading(FILE *f, const struct widths *w, const char *what, const char *const columns[7])
{
    fprintf(f, "\n%-*s %-*s  %-*s %*s %*s %*s %*s %*s %*s %*s\n", w->name, what, w->bar + PERCENT, "fill", w->signal,
            "signal", w->count, columns[0], w->count, columns[1], w->rate, columns[2], w->rate, columns[3], w->rate,
            columns[4], w->rate, columns[5], w->rate, columns[6]);
}

static void print_more(FILE *f, size_t count, size_t shown)
{
    if (shown < count)
        fprintf(f, "and %zu more\n", count - shown);
}

/* True if the filter lets the name through. */
static bool passes(const struct cli_top *t, const char *name) { return strstr(name, t->filter); }

/* Colours the line that begins. */
static void print_colour(FILE *f, int colour)
{
    if (colour)
        fputc(colour, f);
}

static int colour_of(enum cvb_signal signal)
{
    return signal == CVB_SIGNAL_PAUSE ? CLI_RED : signal == CVB_SIGNAL_SLOW_DOWN ? CLI_YELLOW : 0;
}

/* What waits for long is yellow, unless the signal says more. */
static int colour_with_age(const struct cli_top *t, enum cvb_signal signal, const struct cvb_age *age)
{
    const int colour = colour_of(signal);
    return colour ? colour : (double)age->record_ns >= t->old_after * 1e9 ? CLI_YELLOW : 0;
}

/* Dead letters need somebody as much as a pause does. */
static int colour_of_stage(const struct cli_top *t, const struct cli_stage *s)
{
    return s->id == CVB_STAGE_DEAD_LETTER && s->holds.queued ? CLI_RED : colour_with_age(t, s->signal, &s->age);
}

static int colour_of_peer(const struct cli_top *t, const struct cli_peer *p)
{
    return p->peer.state != CVB_PEER_ALIVE ? CLI_RED : cli_hangs(p, t->hung_after) ? CLI_YELLOW : 0;
}

static void draw_stages(FILE *f, const struct cli_top *t, const struct widths *w)
{
    size_t n = 0;
    for (size_t i = 0; i < t->now.stage_count; i++) {
        const struct cli_stage *s = &t->now.stages[i];
        const struct cvb_counts *was = i < t->was.stage_count ? &t->was.stages[i].counts : NULL;
        if (passes(t, s->name))
            t->rows[n++] = (struct cli_row){.stage = s,
                                            .name = s->name,
                                            .fill = s->utilization,
                                            .held = s->holds.queued,
                                            .rate = cli_rates_between(was, &s->counts, t->seconds)};
    }
    sort(t, t->rows, n);
    char age[CLI_AGE_BYTES], p99[CLI_AGE_BYTES];
    print_heading(f, w, "STAGE",
                  (const char *const[]){"queued", "leased", "in/s", "out/s", "retry/s", "oldest", "p99"});
    for (size_t i = 0; i < n; i++) {
        const struct cli_row *r = &t->rows[i];
        print_colour(f, colour_of_stage(t, r->stage));
        print_name(f, r->name, w->name);
        print_bar(f, r->fill, w->bar);
        print_signal(f, w, r->stage->signal, 0);
        fprintf(f, " %*u %*u %*.0f %*.0f %*.0f %*s %*s\n", w->count, r->stage->holds.queued, w->count,
                r->stage->holds.leased, w->rate, r->rate.in, w->rate, r->rate.out, w->rate, r->rate.again, w->rate,
                cli_age(r->stage->age.record_ns, age), w->rate, cli_age(r->stage->waits.p99_ns, p99));
    }
}

/* Rows from t->scroll on, `most` of n: the first that is shown, and *end behind the last. */
static size_t shown_from(const struct cli_top *t, size_t n, size_t most, size_t *end)
{
    size_t first = n <= most ? 0 : t->scroll < n - most ? t->scroll : n - most;
    *end = n - first > most ? first + most : n;
    return first;
}

static void draw_sources(FILE *f, const struct cli_top *t, const struct widths *w, size_t most)
{
    size_t n = 0, end;
    for (size_t i = 0; i < t->now.source_count; i++) {
        const struct cli_source *s = &t->now.sources[i];
        const struct cvb_counts *was = i < t->was.source_count ? &t->was.sources[i].counts : NULL;
        if (passes(t, s->name))
            t->rows[n++] = (struct cli_row){.source = s,
                                            .name = s->name,
                                            .fill = (double)s->buffered / s->limit,
                                            .held = s->buffered,
                                            .rate = cli_rates_between(was, &s->counts, t->seconds)};
    }
    sort(t, t->rows, n);
    char age[CLI_AGE_BYTES];
    print_heading(f, w, "SOURCE", (const char *const[]){"buffered", "credits", "in/s", "stalled", "oldest", "", ""});
    for (size_t i = shown_from(t, n, most, &end); i < end; i++) {
        const struct cli_row *r = &t->rows[i];
        const struct cvb_backpressure *b = &r->source->backpressure;
        print_colour(f, colour_with_age(t, b->signal, &r->source->age));
        print_name(f, r->name, w->name);
        print_bar(f, r->fill, w->bar);
        print_signal(f, w, b->signal, b->signal == CVB_SIGNAL_SLOW_DOWN ? b->delay_ms : 0);
        fprintf(f, " %*u %*lld %*.0f %*.0f %% %*s\n", w->count, r->source->buffered, w->count,
                (long long)r->source->credits, w->rate, r->rate.in, w->rate - 2, r->rate.stalled * 100, w->rate,
                cli_age(r->source->age.record_ns, age));
    }
    print_more(f, n, end);
}

/* The counts of the same process at the former look. */
static const struct cvb_counts *former_counts(const struct cli_top *t, const struct cli_peer *now)
{
    for (size_t i = 0; i < t->was.peer_count; i++)
        if (t->was.peers[i].seat == now->seat && t->was.peers[i].peer.pid == now->peer.pid)
            return &t->was.peers[i].counts;
    return NULL;
}

static void draw_handles(FILE *f, const struct cli_top *t, const struct widths *w, size_t most)
{
    size_t n = t->now.peer_count, end;
    char oldest[CLI_AGE_BYTES], idle[CLI_AGE_BYTES];
    fprintf(f, "\n%-*s %-8s %8s %8s %9s %9s %*s %*s %*s  %s\n", w->name, "HANDLE (PID)", "state", "leased", "reserved",
            "oldest", "idle", w->rate, "in/s", w->rate, "out/s", w->rate, "retry/s", "command");
    for (size_t i = shown_from(t, n, most, &end); i < end; i++) {
        const struct cli_peer *p = &t->now.peers[i];
        struct cli_rates rate = cli_rates_between(former_counts(t, p), &p->counts, t->seconds);
        print_colour(f, colour_of_peer(t, p));
        fprintf(f, "%-*d %-8s %8u %8u %9s %9s %*.0f %*.0f %*.0f  %s\n", w->name, (int)p->peer.pid,
                cli_state_name(p->peer.state), p->holds.leased, p->holds.reserved, cli_age(p->age.lease_ns, oldest),
                cli_age(p->peer.idle_ns, idle), w->rate, rate.in, w->rate, rate.out, w->rate, rate.again, p->command);
    }
    print_more(f, n, end);
}

/* How many sources there is room for beside the stages, with at least a third of the rest for handles; what one of the
 * two does not need is the other's. */
static size_t room_for_sources(const struct cli_top *t, size_t room)
{
    size_t handles = t->now.peer_count < room / 3 ? t->now.peer_count : room / 3;
    return t->now.source_count < room - handles ? t->now.source_count : room - handles;
}

/* The columns with names as wide as the longest one, where there is room. */
static struct widths choose_widths(const struct cli_top *t, unsigned columns)
{
    struct widths w = columns < 120 ? narrow : wide;
    int rest = w.bar + PERCENT + 4 + w.signal + 2 * (w.count + 1) + 5 * (w.rate + 1), longest = w.name;
    for (size_t i = 0; i < t->now.stage_count; i++)
        longest = cli_width(t->now.stages[i].name) > longest ? cli_width(t->now.stages[i].name) : longest;
    for (size_t i = 0; i < t->now.source_count; i++)
        longest = cli_width(t->now.sources[i].name) > longest ? cli_width(t->now.sources[i].name) : longest;
    int room = (int)columns - rest;
    w.name = room < w.name ? w.name : room < longest ? room : longest;
    return w;
}

static void draw_help(FILE *f)
{
    fputs("s, S      sort by the next, the former column    r  turn the order\n"
          "/         filter by name: Enter ends, Escape takes it away\n"
          "arrows    scroll; also j, k, and by tens space, b, the page keys\n"
          "?         this text, and back                    q  quit\n\n"
          "in/s      records put           out/s   acked or forwarded\n"
          "retry/s   returned, or delivered again after a death\n"
          "stalled   the part of the time that a source waited for room\n"
          "red       told to pause; dead letters; stopped or dead processes\n"
          "yellow    told to slow down; the oldest record waits for long; holds records and makes no call\n"
          "oldest    how long the oldest record is there, or the oldest lease is held\n"
          "p99       in the stage, of what was taken lately      idle  since the last call\n",
          f);
}

void cli_top_draw(FILE *f, const struct cli_top *t, struct cli_window window)
{
    char clock[16];
    const struct widths chosen = choose_widths(t, window.columns), *w = &chosen;
    size_t fixed = t->now.stage_count + 11, room = window.rows > fixed + 4 ? window.rows - fixed : 4;
    size_t sources = room_for_sources(t, room);
    if (t->help) {
        draw_help(f);
        return;
    }
    fprintf(f, "%s  by %s%s (s: by another, q: quit, ?: help)  %s%s%s%ssegment %s\n\n",
            cli_wall_clock(clock, sizeof clock), order_name[t->order], t->reverse ? ", turned" : "",
            t->typing || *t->filter ? "filter /" : "", t->filter, t->typing ? "_" : "",
            t->typing || *t->filter ? "  " : "", t->segment);
    print_name(f, "all records", w->name);
    print_bar(f, t->now.utilization, w->bar);
    fprintf(f, "  %u queued, %u leased, of %u; %u dead letter%s\n", t->now.total.queued, t->now.total.leased,
            t->now.limit, t->now.stages[CVB_STAGE_DEAD_LETTER].holds.queued,
            cli_s(t->now.stages[CVB_STAGE_DEAD_LETTER].holds.queued));
    draw_stages(f, t, w);
    draw_sources(f, t, w, sources);
    draw_handles(f, t, w, room - sources);
}
