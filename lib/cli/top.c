/* top.c - what happens in a segment, live: fill, rates, leases, credits, signals, handles. On a terminal a picture that
 * is drawn anew; else a line each time. */
#include "top.h"

#include <conveyor/segment.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"
#include "removed.h"
#include "signals.h"
#include "text.h"

/* Nanoseconds from one look at the window's size, and at the segment's name, to the next. */
#define LOOK_SLICE INT64_C(200000000)

static bool draw(struct cli_top *t)
{
    struct cli_screen screen;
    if (!cli_screen_begin(&screen))
        return false;
    t->window = screen.window;
    if (t->help)
        cli_help_draw(screen.lines, screen.window, &t->help_line);
    else
        cli_top_draw(screen.lines, t, screen.window);
    return cli_screen_show(&screen);
}

static bool print_line(const struct cli_top *t)
{
    char clock[16];
    struct cli_rates sum = {0};
    for (size_t i = 0; i < t->now.stage_count && i < t->was.stage_count; i++) {
        struct cli_rates r = cli_rates_between(&t->was.stages[i].counts, &t->now.stages[i].counts, t->seconds);
        sum.in += r.in;
        sum.out += r.out;
        sum.again += r.again;
        sum.stalled += r.stalled;
    }
    printf("%s buffered %u (%.1f %%) queued %u leased %u in %.0f/s out %.0f/s retried %.0f/s stalled %.0f %% handles "
           "%zu\n",
           cli_wall_clock(clock, sizeof clock), t->now.buffered, t->now.utilization * 100, t->now.total.queued,
           t->now.total.leased, sum.in, sum.out, sum.again, sum.stalled * 100, t->now.peer_count);
    return !fflush(stdout);
}

static int look(struct cli_top *t)
{
    cli_snapshot_free(&t->was);
    t->was = t->now;
    t->was_ns = t->now_ns;
    t->now = (struct cli_snapshot){0};
    int error = cli_snapshot_whole(t->handle, t->segment, &t->now);
    t->now_ns = cli_now_ns();
    t->seconds = t->was_ns ? (double)(t->now_ns - t->was_ns) / 1e9 : 0;
    return error;
}

static bool is_removed(struct cli_top *t)
{
    t->removed |= cli_is_removed(t->handle, &t->next_look_ns);
    return t->removed;
}

static bool is_resized(const struct cli_top *t)
{
    const struct cli_window now = cli_screen_window();
    return now.rows != t->window.rows || now.columns != t->window.columns;
}

/* A key of the filter's text; Enter ends it, Escape takes it away. */
static void type(struct cli_top *t, int key)
{
    size_t n = strlen(t->filter);
    if (key == '\r' || key == '\n' || key == CLI_KEY_ESCAPE)
        t->typing = false;
    if (key == CLI_KEY_ESCAPE)
        t->filter[0] = 0;
    else if ((key == 127 || key == 8) && n)
        t->filter[n - 1] = 0;
    else if (key >= 32 && key < 256 && key != 127 && n < sizeof t->filter - 1)
        t->filter[n] = (char)key, t->filter[n + 1] = 0;
}

/* So many rows further down, but not above the first. */
static size_t moved(size_t at, int rows)
{
    const size_t n = (size_t)abs(rows);
    return rows > 0 ? at + n : at > n ? at - n : 0;
}

/* The help, or the tables. */
static void scroll(struct cli_top *t, int rows)
{
    if (t->help) {
        t->help_line = moved(t->help_line, rows);
        return;
    }
    size_t n = t->now.source_count > t->now.peer_count ? t->now.source_count : t->now.peer_count;
    n = n > t->now.stage_count ? n : t->now.stage_count;
    t->scroll = moved(t->scroll, rows);
    t->scroll = t->scroll < n ? t->scroll : n ? n - 1 : 0;
}

/* How many rows a key scrolls down; negative: up; 0: it is another key. */
static int rows_of(int key)
{
    return key == 'j' || key == CLI_KEY_DOWN        ? 1
           : key == 'k' || key == CLI_KEY_UP        ? -1
           : key == ' ' || key == CLI_KEY_PAGE_DOWN ? 10
           : key == 'b' || key == CLI_KEY_PAGE_UP   ? -10
                                                    : 0;
}

/* Each key but those that scroll ends the help. */
static void serve(struct cli_top *t, int key)
{
    const int rows = t->typing ? 0 : rows_of(key);
    if (!rows) {
        t->help = key == '?' && !t->help && !t->typing;
        t->help_line = 0;
    }
    if (t->typing)
        type(t, key);
    else if (key == '/')
        t->typing = true;
    else if (key == CLI_KEY_ESCAPE)
        t->filter[0] = 0;
    else if (key == 's' || key == 'S')
        t->order = (t->order + (key == 's' ? 1 : CLI_ORDERS - 1)) % CLI_ORDERS;
    else if (key == 'r')
        t->reverse = !t->reverse;
    else if (rows)
        scroll(t, rows);
}

/* Sleeps until the next picture is due, serving keys; true if it is time to go. */
static bool pause_until(struct cli_top *t, bool terminal, int64_t due)
{
    for (int64_t left; !cli_signals() && (left = due - cli_now_ns()) > 0;) {
        if (is_removed(t))
            return true;
        left = left < LOOK_SLICE ? left : LOOK_SLICE;
        if (!terminal) {
            cli_sleep(left);
            continue;
        }
        int key = cli_screen_key(left);
        if (!t->typing && (key == 'q' || key == 'Q'))
            return true;
        if (key)
            serve(t, key);
        if ((key || is_resized(t)) && !draw(t))
            return true;
    }
    return cli_signals() || is_removed(t);
}

static int loop(struct cli_top *t, bool terminal, double interval, uint32_t count)
{
    for (uint32_t i = 1;; i++) {
        int error = look(t);
        if (error)
            return error;
        if (!(terminal ? draw(t) : print_line(t)) || i == count)
            return 0;
        if (pause_until(t, terminal, t->now_ns + (int64_t)(interval * 1e9)))
            return 0;
    }
}

static int show(struct cli_top *t, double interval, uint32_t count)
{
    struct cvb_settings settings;
    int error = cvb_settings_of(t->handle, &settings);
    const size_t most = error ? 0 : (size_t)settings.max_stages + settings.max_sources + settings.max_handles;
    t->rows = most ? calloc(most, sizeof *t->rows) : NULL;
    if (!t->rows)
        return error ? error : CVB_ESYSTEM;
    bool terminal = cli_screen_open();
    error = loop(t, terminal, interval, count);
    if (terminal)
        cli_screen_close();
    free(t->rows);
    cli_snapshot_free(&t->was);
    cli_snapshot_free(&t->now);
    return error;
}

static int run(const struct cli_command *self, int argc, char **argv)
{
    struct cli_top t = {.hung_after = 60, .old_after = 300};
    double interval = 1;
    uint32_t count = 0;
    const struct cli_option options[] = {
        {"interval", CLI_REAL, "SECONDS", "time from one look to the next (1)", &interval, 0.05, 86400},
        {"hung-after", CLI_REAL, "SECONDS", "colour who holds records and makes no call for so long (60)",
         &t.hung_after, 0.01, 1e6},
        {"old-after", CLI_REAL, "SECONDS", "colour what has a record that waits for so long (300)", &t.old_after, 0.01,
         1e9},
        {"count", CLI_WHOLE, "N", "end after N looks", &count, 1, UINT32_MAX}};
    int status = cli_parse(self, argc, argv, options, sizeof options / sizeof options[0], &t.segment, 1);
    if (status != CLI_GO)
        return status;
    cli_note_signals();
    status = cli_observe(t.segment, &t.handle);
    if (status)
        return status;
    int error = show(&t, interval, count);
    cvb_detach(t.handle);
    if (error)
        return cli_segment_failed(t.segment, error);
    status = cli_close_output();
    if (status || !t.removed)
        return status;
    cli_complain_removed(t.segment);
    return CLI_FAILED;
}

const struct cli_command cli_top = {
    "top", "SEG [--interval SECONDS] [--hung-after SECONDS] [--old-after SECONDS] [--count N]",
    "stat, live, on a terminal",
    "Stages, sources and handles with their fill, signals and rates. in/s counts records put, out/s acked or\n"
    "forwarded, retry/s returned or delivered again. Keys: s sorts by first use, name, or any other column in turn,\n"
    "r turns the order; / filters by name; arrows, j, k, space and b scroll; ? helps; q quits. Red is what is told\n"
    "to pause, dead letters, and what is stopped or dead; yellow what is told to slow down, hangs or is old; no\n"
    "colours where NO_COLOR is set. Without a terminal, and where TERM is dumb, it prints a line each time.",
    run};
