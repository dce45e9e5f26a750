/* stat.c - what a segment holds, or all of this machine, for people, for scripts and for a monitoring system. */
#include <conveyor/segment.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "options.h"
#include "prometheus.h"
#include "rates.h"
#include "signals.h"
#include "table.h"
#include "text.h"

/* A segment and what was seen of it. */
struct seen {
    char *name;
    struct cvb_handle *handle;
    struct cli_snapshot was, now; /* was: with --interval only */
    int64_t was_ns, now_ns;
    bool known; /* now is */
};

struct stat {
    bool json, prometheus, all;
    double interval; /* seconds; 0: one look */
    struct seen *seen;
    size_t count;
};

static int add(const char *name, const struct cvb_settings *settings, uint64_t bytes, void *data)
{
    struct stat *s = data;
    (void)settings;
    (void)bytes;
    struct seen *more = realloc(s->seen, (s->count + 1) * sizeof *more);
    if (!more)
        return CVB_ESYSTEM;
    s->seen = more;
    more[s->count] = (struct seen){.name = strdup(name)};
    return more[s->count++].name ? 0 : CVB_ESYSTEM;
}

/* One that has gone since it was listed is left out; of the others of --all those behind a complaint are. */
static int look(struct stat *s, struct seen *x)
{
    int error = x->handle ? 0 : cvb_observe(x->name, &x->handle);
    if (error)
        return s->all && error == CVB_ENOENT ? 0 : cli_segment_failed(x->name, error);
    cli_snapshot_free(&x->was);
    x->was = x->now;
    x->was_ns = x->now_ns;
    x->now = (struct cli_snapshot){0};
    error = cli_snapshot_whole(x->handle, x->name, &x->now);
    x->now_ns = cli_now_ns();
    x->known = !error;
    return error ? cli_segment_failed(x->name, error) : 0;
}

static int look_at_all(struct stat *s)
{
    int status = 0;
    for (size_t i = 0; i < s->count; i++) {
        int one = look(s, &s->seen[i]);
        status = one ? one : status;
    }
    return status;
}

static double seconds_of(const struct seen *x) { return x->was_ns ? (double)(x->now_ns - x->was_ns) / 1e9 : 0; }

static json_t *object(const struct seen *x)
{
    json_t *one = cli_json_stat(x->name, &x->now);
    if (x->was_ns)
        cli_rates_json(one, &x->was, &x->now, seconds_of(x));
    return one;
}

static int print_json(const struct stat *s)
{
    if (!s->all)
        return cli_json_print(object(&s->seen[0]));
    json_t *array = json_array();
    for (size_t i = 0; i < s->count; i++)
        if (s->seen[i].known)
            json_array_append_new(array, object(&s->seen[i]));
    return cli_json_print(json_pack("{s:i,s:o}", "version", 1, "segments", array));
}

static int print_prometheus(const struct stat *s)
{
    struct cli_shown *shown = calloc(s->count + 1, sizeof *shown);
    size_t count = 0;
    for (size_t i = 0; shown && i < s->count; i++)
        if (s->seen[i].known)
            shown[count++] = (struct cli_shown){s->seen[i].name, &s->seen[i].now};
    if (!shown || !cli_prometheus_print(shown, count))
        cli_complain("out of memory");
    free(shown);
    return cli_close_output();
}

static int print(const struct stat *s)
{
    const char *between = "";
    if (s->json)
        return print_json(s);
    if (s->prometheus)
        return print_prometheus(s);
    for (size_t i = 0; i < s->count; i++) {
        const struct seen *x = &s->seen[i];
        if (!x->known)
            continue;
        fputs(between, stdout);
        between = "\n\n";
        cli_table_print(x->name, &x->now);
        if (x->was_ns)
            cli_rates_print(&x->was, &x->now, seconds_of(x));
    }
    return cli_close_output();
}

/* Two looks if rates are asked for; a signal shortens the time between them. */
static int show(struct stat *s)
{
    int status = look_at_all(s);
    if (s->interval > 0 && (!status || s->all)) {
        cli_sleep((int64_t)(s->interval * 1e9));
        int again = look_at_all(s);
        status = again ? again : status;
    }
    if (status && !s->all)
        return status;
    int printed = print(s);
    return printed ? printed : status;
}

static void free_all(struct stat *s)
{
    for (size_t i = 0; i < s->count; i++) {
        cvb_detach(s->seen[i].handle);
        cli_snapshot_free(&s->seen[i].was);
        cli_snapshot_free(&s->seen[i].now);
        free(s->seen[i].name);
    }
    free(s->seen);
}

static bool is_given(int argc, char **argv, const char *option)
{
    for (int i = 1; i < argc; i++)
        if (!strcmp(argv[i], option))
            return true;
    return false;
}

static int run(const struct cli_command *self, int argc, char **argv)
{
    struct stat s = {0};
    const char *segment = NULL;
    const struct cli_option options[] = {
        {"json", CLI_FLAG, NULL, "as one JSON object", &s.json, 0, 0},
        {"prometheus", CLI_FLAG, NULL, "in Prometheus' text format", &s.prometheus, 0, 0},
        {"interval", CLI_REAL, "SECONDS", "look twice, so far apart, and show rates too", &s.interval, 0.01, 86400},
        {"all", CLI_FLAG, NULL, "all segments of this machine, instead of SEG", &s.all, 0, 0}};
    int status = cli_parse(self, argc, argv, options, sizeof options / sizeof options[0], &segment,
                           is_given(argc, argv, "--all") ? 0 : 1);
    if (status != CLI_GO)
        return status;
    if (s.prometheus && (s.json || s.interval > 0)) {
        cli_complain("--prometheus excludes --json and --interval");
        return CLI_USAGE;
    }
    if (s.interval > 0)
        cli_note_signals();
    int error = s.all ? cvb_list(add, &s) : add(segment, NULL, 0, &s);
    status = error ? cli_segment_failed(s.all ? "*" : segment, error) : show(&s);
    free_all(&s);
    return status;
}

const struct cli_command cli_stat = {
    "stat", "SEG | --all [--json | --prometheus] [--interval SECONDS]",
    "show stages, sources, limits, fill, credits, leases, waits and handles",
    "Counts are since the segment was made. It needs permission to read the segment, and takes no handle. --interval\n"
    "looks twice, and shows what happened in between, a second: records put, acked or forwarded, and returned or\n"
    "delivered again.",
    run};
