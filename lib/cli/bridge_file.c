/* bridge_file.c - the figures of bridges, from the files that they write (conveyor bridge --metrics). */
#include "bridge_file.h"

#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "signals.h"
#include "text.h"

#define PREFIX "conveyor_bridge_"
#define SILENT_SECONDS 10.0             /* a bridge writes once a second, if it is not kept from the processor */
#define WAIT_NS INT64_C(3000000000)     /* for the next time that it does */
#define LOOK_SLICE_NS INT64_C(50000000) /* between looks whether it has */
enum { LINE_BYTES = 2048 };

static const struct {
    const char *name;
    size_t offset;
} known[] = {{"connected", offsetof(struct cli_bridge_figures, connected)},
             {"blocked", offsetof(struct cli_bridge_figures, blocked)},
             {"on_their_way", offsetof(struct cli_bridge_figures, on_their_way)},
             {"lag", offsetof(struct cli_bridge_figures, lag)},
             {"waiting", offsetof(struct cli_bridge_figures, waiting)},
             {"unsettled", offsetof(struct cli_bridge_figures, unsettled)},
             {"unsettled_seconds", offsetof(struct cli_bridge_figures, unsettled_seconds)},
             {"ack_wait_seconds", offsetof(struct cli_bridge_figures, ack_wait_seconds)},
             {"max_ack_pending", offsetof(struct cli_bridge_figures, max_ack_pending)}};
enum { KNOWN = sizeof known / sizeof known[0] };

static double *figure(struct cli_bridge_figures *f, size_t i) { return (double *)((char *)f + known[i].offset); }

/* Copies the value of a label, without the escapes; "" if there is none. */
static void read_label(const char *labels, const char *name, char *value, size_t size)
{
    char wanted[32];
    snprintf(wanted, sizeof wanted, "%s=\"", name);
    const char *at = strstr(labels, wanted);
    size_t n = 0;
    for (at = at ? at + strlen(wanted) : ""; *at && *at != '"' && n + 1 < size; at++) {
        at += *at == '\\' && at[1];
        value[n++] = *at;
    }
    value[n] = 0;
}

/* A line is NAME{LABELS} VALUE. Others, as comments, are passed over. */
static void read_line(char *line, struct cli_bridge *b, struct cli_bridge_figures *f)
{
    char *open = strchr(line, '{'), *close = open ? strrchr(open, '}') : NULL;
    if (strncmp(line, PREFIX, strlen(PREFIX)) || !close)
        return;
    *open = *close = 0;
    read_label(open + 1, "segment", b->segment, sizeof b->segment);
    read_label(open + 1, "stage", b->stage, sizeof b->stage);
    read_label(open + 1, "direction", b->direction, sizeof b->direction);
    for (size_t i = 0; i < KNOWN; i++)
        if (!strcmp(line + strlen(PREFIX), known[i].name))
            *figure(f, i) = strtod(close + 1, NULL);
}

static double seconds_between(const struct timespec *from, const struct timespec *to)
{
    return (double)(to->tv_sec - from->tv_sec) + (double)(to->tv_nsec - from->tv_nsec) / 1e9;
}

/* False with errno if there is no such file. */
static bool read_file(struct cli_bridge *b, struct cli_bridge_figures *f)
{
    char line[LINE_BYTES];
    struct stat s;
    struct timespec now;
    FILE *file = fopen(b->path, "re");
    if (!file)
        return false;
    for (size_t i = 0; i < KNOWN; i++)
        *figure(f, i) = NAN;
    while (fgets(line, sizeof line, file))
        read_line(line, b, f);
    if (!fstat(fileno(file), &s))
        b->written = s.st_mtim;
    fclose(file);
    clock_gettime(CLOCK_REALTIME, &now);
    b->age_seconds = seconds_between(&b->written, &now);
    return true;
}

static int read_first(struct cli_bridge *b, const char *segment)
{
    if (!read_file(b, &b->was))
        cli_complain("cannot read --bridge %s: %s", b->path, strerror(errno));
    else if (!*b->segment)
        cli_complain("--bridge %s: this is no file that 'conveyor bridge --metrics FILE' writes", b->path);
    else if (strcmp(b->segment, segment))
        cli_complain("--bridge %s is of a bridge of segment '%s'", b->path, b->segment);
    else
        return CLI_DONE;
    return CLI_FAILED;
}

int cli_bridges_read(struct cli_bridges *all, const struct cli_list *paths, const char *segment)
{
    int status = CLI_DONE;
    all->count = paths->count;
    for (size_t i = 0; !status && i < paths->count; i++) {
        struct cli_bridge *b = &all->bridge[i];
        *b = (struct cli_bridge){.path = paths->item[i]};
        status = read_first(b, segment);
        b->now = b->was;
    }
    return status;
}

static bool is_written_anew(const struct cli_bridge *b)
{
    struct stat s;
    return !stat(b->path, &s) && (s.st_mtim.tv_sec != b->written.tv_sec || s.st_mtim.tv_nsec != b->written.tv_nsec);
}

static void read_again(struct cli_bridge *b, int64_t until_ns)
{
    const struct timespec before = b->written;
    while (!cli_bridge_is_silent(b) && !is_written_anew(b) && cli_now_ns() < until_ns && !cli_signals())
        cli_sleep(LOOK_SLICE_NS);
    if (!read_file(b, &b->now))
        b->now = b->was;
    b->apart_seconds = seconds_between(&before, &b->written);
}

void cli_bridges_read_again(struct cli_bridges *all)
{
    int64_t until_ns = cli_now_ns() + WAIT_NS;
    for (size_t i = 0; i < all->count; i++)
        read_again(&all->bridge[i], until_ns);
}

bool cli_bridge_is_silent(const struct cli_bridge *b) { return b->age_seconds > SILENT_SECONDS; }
