/* picture.c - the picture of `top`: a table each of stages, sources and handles, as wide and as high as the window. */
#include <stdbool.h>
#include <string.h>

#include "grid.h"
#include "hand.h"
#include "top.h"
#include "units.h"
#include "width.h"

enum { FILL, SIGNAL, COUNT, COUNT2, RATE, RATE2, RATE3, RATE4, RATE5 };  /* of stages and sources */
enum { STATE, LEASED, RESERVED, OLDEST, IDLE, IN, OUT, RETRY, COMMAND }; /* of handles */
enum {
    BEFORE_NAMES = 7, /* ranks that go before whole names */
    LOW = 16          /* rows below which a window has no empty lines */
};

/* The columns of stages and sources, and how wide names and bars are. */
struct widths {
    int name, bar;
    unsigned shown; /* ranks */
    struct cli_column column[CLI_CELLS];
};

/* What the columns of stages and sources need in a window that has `from` columns. */
static const struct size {
    unsigned from;
    int name, signal, count, rate;
} sizes[] = {{150, 16, 20, 9, 11}, {60, 12, 11, 8, 9}, {0, 11, 7, 7, 7}};

static void print_bar(FILE *f, double part, int width)
{
    int full = (int)(part * width + 0.5);
    if (!width)
        return;
    fputs(" [", f);
    for (int i = 0; i < width; i++)
        fputc(i < full ? '#' : '.', f);
    fputc(']', f);
}

/* The delay too, where there is room. */
static void put_signal(char *cell, const struct widths *w, enum cvb_signal signal, uint32_t delay_ms)
{
    const int width = w->column[SIGNAL].width - 2;
    const bool cut = signal == CVB_SIGNAL_SLOW_DOWN && width < (int)strlen(cli_signal_name(signal));
    const int n = snprintf(cell, CLI_CELL_BYTES, "%s", cut ? "slow" : cli_signal_name(signal));
    char delay[CLI_CELL_BYTES];
    if (delay_ms && n + snprintf(delay, sizeof delay, " (%u ms)", delay_ms) <= width)
        snprintf(cell + n, CLI_CELL_BYTES - (size_t)n, "%s", delay);
}

static void put_counts(cli_cells c, const struct widths *w, double count, double count2)
{
    cli_put_number(c[COUNT], w->column[COUNT].width - 1, count);
    cli_put_number(c[COUNT2], w->column[COUNT2].width - 1, count2);
}

static void print_row(FILE *f, const struct widths *w, const char *name, double fill, cli_cells c)
{
    cli_print_name(f, name, w->name);
    print_bar(f, fill, w->bar);
    snprintf(c[FILL], CLI_CELL_BYTES, "%.1f %%", fill * 100);
    cli_print_cells(f, w->column, w->shown, c);
}

/* The first line of a table. */
static void print_heading(FILE *f, const struct widths *w, const char *what, const char *const names[CLI_CELLS])
{
    cli_cells c;
    for (int i = 0; i < CLI_CELLS; i++)
        snprintf(c[i], CLI_CELL_BYTES, "%.*s", w->column[i].width - 1 - w->column[i].left, names[i]);
    fprintf(f, "%-*s%*s", w->name, what, w->bar ? w->bar + 3 : 0, "");
    cli_print_cells(f, w->column, w->shown, c);
}

/* True if a line may be used for that; a low window has none to spare. */
static bool tells_more(const struct cli_top *t, size_t lines) { return t->window.rows >= LOW && lines > 1; }

static void print_more(FILE *f, const struct cli_top *t, size_t count, size_t end, size_t lines)
{
    if (end < count && tells_more(t, lines))
        fprintf(f, "and %zu more\n", count - end);
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

/* Rows from t->scroll on that a table of n rows shows in `lines` lines: *end is behind the last of them, and a line is
 * left to say how many there are beyond. */
static size_t shown_from(const struct cli_top *t, size_t n, size_t lines, size_t *end)
{
    const bool tells = n > lines && tells_more(t, lines);
    size_t most = lines - tells;
    size_t first = n <= most ? 0 : t->scroll < n - most ? t->scroll : n - most;
    *end = n - first > most ? first + most : n;
    return first;
}

static void draw_stages(FILE *f, const struct cli_top *t, const struct widths *w, size_t lines)
{
    size_t n = 0, end;
    for (size_t i = 0; i < t->now.stage_count; i++) {
        const struct cli_stage *s = &t->now.stages[i];
        const struct cvb_counts *was = i < t->was.stage_count ? &t->was.stages[i].counts : NULL;
        if (passes(t, s->name))
            t->rows[n++] = (struct cli_row){.stage = s,
                                            .name = s->name,
                                            .fill = s->utilization,
                                            .rate = cli_rates_between(was, &s->counts, t->seconds)};
    }
    cli_top_sort(t, n);
    print_heading(
        f, w, "STAGE",
        (const char *const[]){"fill", "signal", "queued", "leased", "in/s", "out/s", "retry/s", "oldest", "p99"});
    for (size_t i = shown_from(t, n, lines, &end); i < end; i++) {
        const struct cli_row *r = &t->rows[i];
        const int rate = w->column[RATE].width - 1;
        cli_cells c;
        print_colour(f, colour_of_stage(t, r->stage));
        put_signal(c[SIGNAL], w, r->stage->signal, 0);
        put_counts(c, w, r->stage->holds.queued, r->stage->holds.leased);
        cli_put_number(c[RATE], rate, r->rate.in);
        cli_put_number(c[RATE2], rate, r->rate.out);
        cli_put_number(c[RATE3], rate, r->rate.again);
        cli_age_of((uint64_t)r->stage->holds.queued + r->stage->holds.leased, r->stage->age.record_ns, c[RATE4]);
        cli_age_of(r->stage->waits.samples, r->stage->waits.p99_ns, c[RATE5]);
        print_row(f, w, r->name, r->fill, c);
    }
    print_more(f, t, n, end, lines);
}

static void draw_sources(FILE *f, const struct cli_top *t, const struct widths *w, size_t lines)
{
    size_t n = 0, end;
    for (size_t i = 0; i < t->now.source_count; i++) {
        const struct cli_source *s = &t->now.sources[i];
        const struct cli_source *earlier = cli_source_of(&t->was, s->id);
        const struct cvb_counts *was = earlier ? &earlier->counts : NULL;
        if (passes(t, s->name))
            t->rows[n++] = (struct cli_row){.source = s,
                                            .name = s->name,
                                            .fill = (double)s->buffered / s->limit,
                                            .rate = cli_rates_between(was, &s->counts, t->seconds)};
    }
    cli_top_sort(t, n);
    print_heading(
        f, w, "SOURCE",
        (const char *const[]){"fill", "signal", "records", "credits", "in/s", "stall", "oldest", "pending", ""});
    for (size_t i = shown_from(t, n, lines, &end); i < end; i++) {
        const struct cli_row *r = &t->rows[i];
        const struct cvb_backpressure *b = &r->source->backpressure;
        cli_cells c = {0};
        print_colour(f, colour_with_age(t, b->signal, &r->source->age));
        put_signal(c[SIGNAL], w, b->signal, b->signal == CVB_SIGNAL_SLOW_DOWN ? b->delay_ms : 0);
        put_counts(c, w, r->source->buffered, (double)r->source->credits);
        cli_put_number(c[RATE], w->column[RATE].width - 1, r->rate.in);
        snprintf(c[RATE2], CLI_CELL_BYTES, "%.0f %%", r->rate.stalled * 100);
        cli_age_of(r->source->buffered, r->source->age.record_ns, c[RATE3]);
        cli_put_number(c[RATE4], w->column[RATE4].width - 1, (double)r->source->progress.live);
        print_row(f, w, r->name, r->fill, c);
    }
    print_more(f, t, n, end, lines);
}

/* The counts of the same process at the former look. */
static const struct cvb_counts *former_counts(const struct cli_top *t, const struct cli_peer *now)
{
    for (size_t i = 0; i < t->was.peer_count; i++)
        if (t->was.peers[i].seat == now->seat && t->was.peers[i].peer.pid == now->peer.pid)
            return &t->was.peers[i].counts;
    return NULL;
}

static void draw_handles(FILE *f, const struct cli_top *t, const struct size *size, unsigned columns, size_t lines)
{
    const struct cli_column column[CLI_CELLS] = {[STATE] = {10, 0, true},        [LEASED] = {size->count, 3, false},
                                                 [RESERVED] = {9, 7, false},     [OLDEST] = {10, 6, false},
                                                 [IDLE] = {10, 4, false},        [IN] = {size->rate, 1, false},
                                                 [OUT] = {size->rate, 2, false}, [RETRY] = {size->rate, 8, false},
                                                 [COMMAND] = {17, 5, true}};
    int room = (int)columns - size->name;
    const unsigned shown = cli_take_columns(column, 0, CLI_CELLS, &room);
    size_t n = t->now.peer_count, end;
    for (size_t i = 0; i < n; i++) {
        const struct cli_peer *p = &t->now.peers[i];
        t->rows[i] =
            (struct cli_row){.peer = p, .rate = cli_rates_between(former_counts(t, p), &p->counts, t->seconds)};
    }
    cli_top_sort(t, n);
    fprintf(f, "%-*s", size->name, "HANDLE, PID");
    cli_print_cells(
        f, column, shown,
        (cli_cells){"state", "leased", "reserved", "oldest", "idle", "in/s", "out/s", "retry/s", "command"});
    for (size_t i = shown_from(t, n, lines, &end); i < end; i++) {
        const struct cli_peer *p = t->rows[i].peer;
        const struct cli_rates rate = t->rows[i].rate;
        cli_cells c;
        print_colour(f, colour_of_peer(t, p));
        snprintf(c[STATE], CLI_CELL_BYTES, "%s", cli_state_name(p->peer.state));
        cli_put_number(c[LEASED], size->count - 1, p->holds.leased);
        cli_put_number(c[RESERVED], column[RESERVED].width - 1, p->holds.reserved);
        cli_age_of(p->holds.leased, p->age.lease_ns, c[OLDEST]);
        cli_age(p->peer.idle_ns, c[IDLE]);
        cli_put_number(c[IN], size->rate - 1, rate.in);
        cli_put_number(c[OUT], size->rate - 1, rate.out);
        cli_put_number(c[RETRY], size->rate - 1, rate.again);
        snprintf(c[COMMAND], CLI_CELL_BYTES, "%.*s", column[COMMAND].width - 2, p->command);
        fprintf(f, "%-*d", size->name, (int)p->peer.pid);
        cli_print_cells(f, column, shown, c);
    }
    print_more(f, t, n, end, lines);
}

static int longest_name(const struct cli_top *t)
{
    int longest = 0;
    for (size_t i = 0; i < t->now.stage_count; i++)
        longest = cli_wider(longest, t->now.stages[i].name);
    for (size_t i = 0; i < t->now.source_count; i++)
        longest = cli_wider(longest, t->now.sources[i].name);
    return longest;
}

/* First the columns that matter most, then names as wide as the longest, then the other columns, then a bar. */
static struct widths choose_widths(const struct cli_top *t, const struct size *size, unsigned columns)
{
    enum { LEAST_BAR = 3, MOST_BAR = 20, BRACKETS = 3 };
    const int longest = longest_name(t);
    struct widths w = {.name = size->name,
                       .column = {[FILL] = {8, 0, false},
                                  [SIGNAL] = {size->signal, 1, true},
                                  [COUNT] = {size->count, 4, false},
                                  [COUNT2] = {size->count, 5, false},
                                  [RATE] = {size->rate, 2, false},
                                  [RATE2] = {size->rate, 3, false},
                                  [RATE3] = {size->rate, 6, false},
                                  [RATE4] = {size->rate, 7, false},
                                  [RATE5] = {size->rate, 8, false}}};
    int room = (int)columns - w.name;
    w.shown = cli_take_columns(w.column, 0, BEFORE_NAMES, &room);
    if (room > 0 && longest > w.name) {
        const int more = longest - w.name < room ? longest - w.name : room;
        w.name += more;
        room -= more;
    }
    if (w.shown == BEFORE_NAMES)
        w.shown = cli_take_columns(w.column, w.shown, CLI_CELLS, &room);
    if (room >= LEAST_BAR + BRACKETS)
        w.bar = room - BRACKETS < MOST_BAR ? room - BRACKETS : MOST_BAR;
    return w;
}

/* Lines for the rows of each table. */
struct lines {
    size_t stages, sources, handles;
};

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

/* Half for stages, or two thirds in a low window; a quarter for handles, the rest for sources; what one does not need
 * is another's. A low window has a heading of handles only if there is room for it too. */
static struct lines share_lines(const struct cli_top *t, size_t room, bool low)
{
    struct lines l = {.stages = least(t->now.stage_count, low ? (2 * room + 2) / 3 : (room + 1) / 2)};
    room -= l.stages;
    l.handles = least(t->now.peer_count, room / 2 > low ? room / 2 - low : 0);
    room -= l.handles + (low && l.handles);
    l.sources = least(t->now.source_count, room);
    room -= l.sources;
    const size_t stages = least(t->now.stage_count - l.stages, room), heading = low && !l.handles;
    l.stages += stages;
    room -= stages;
    l.handles += room > heading ? least(t->now.peer_count - l.handles, room - heading) : 0;
    return l;
}

static void draw_title(FILE *f, const struct cli_top *t)
{
    char clock[16];
    const bool filter = t->typing || *t->filter;
    fprintf(f, "%s  ", cli_wall_clock(clock, sizeof clock));
    if (filter)
        fprintf(f, "filter /%s%s  ", t->filter, t->typing ? "_" : "");
    fprintf(f, "by %s%s  segment %s  (s: by another, q: quit, ?: help)\n", cli_order_name[t->order],
            t->reverse ? ", turned" : "", t->segment);
}

static void draw_all(FILE *f, const struct cli_top *t, const struct widths *w)
{
    const uint32_t dead = t->now.stages[CVB_STAGE_DEAD_LETTER].holds.queued;
    cli_print_name(f, "all records", w->name);
    print_bar(f, t->now.utilization, w->bar);
    fprintf(f, " %5.1f %%  %u queued, %u leased, of %u; %u dead letter%s\n", t->now.utilization * 100,
            t->now.total.queued, t->now.total.leased, t->now.limit, dead, cli_s(dead));
}

/* A line for what somebody has given, if there is that and a line is left. */
static void draw_given(FILE *f, const char *kind, const char *name, bool held, const struct cvb_given *given,
                       size_t *left)
{
    char text[CLI_GIVEN_BYTES];
    if (given->signal == CVB_SIGNAL_NONE || !*left)
        return;
    fprintf(f, "by hand: %s%s%s %s %s\n", kind, *name ? " " : "", name, held ? "held," : "told",
            held ? cli_given_by(given, text) : cli_given_text(given, text));
    --*left;
}

/* Signals and holds that somebody has given, in `most` lines at most: how many lines that took. */
static size_t draw_by_hand(FILE *f, const struct cli_top *t, size_t most)
{
    size_t left = most;
    draw_given(f, "all sources", "", false, &t->now.given, &left);
    for (size_t i = 0; i < t->now.stage_count; i++) {
        draw_given(f, "stage", t->now.stages[i].name, true, &t->now.stages[i].held, &left);
        draw_given(f, "stage", t->now.stages[i].name, false, &t->now.stages[i].given, &left);
    }
    for (size_t i = 0; i < t->now.source_count; i++)
        draw_given(f, "source", t->now.sources[i].name, false, &t->now.sources[i].given, &left);
    return most - left;
}

/* A low window has no empty lines, and no heading of a table without rows. */
void cli_top_draw(FILE *f, const struct cli_top *t, struct cli_window window)
{
    const struct size *size = sizes;
    while (window.columns < size->from)
        size++;
    const struct widths w = choose_widths(t, size, window.columns);
    const bool low = window.rows < LOW;
    size_t fixed = low ? 4 : 9; /* title and sum, an empty line, two or three headings and as many empty lines */
    const char *const empty = low ? "" : "\n";
    draw_title(f, t);
    fputs(empty, f);
    draw_all(f, t, &w);
    fixed += draw_by_hand(f, t, window.rows / 8);
    const struct lines lines = share_lines(t, window.rows > fixed ? window.rows - fixed : 1, low);
    fputs(empty, f);
    draw_stages(f, t, &w, lines.stages);
    if (lines.sources || !low) {
        fputs(empty, f);
        draw_sources(f, t, &w, lines.sources);
    }
    if (lines.handles || !low) {
        fputs(empty, f);
        draw_handles(f, t, size, window.columns, lines.handles);
    }
}
