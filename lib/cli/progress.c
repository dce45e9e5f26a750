/* progress.c - how many records, how fast, how long stalled: once a second if asked for, and at the end. */
#include "progress.h"

#include <stdio.h>
#include <unistd.h>

#include "signals.h"

#define SECOND INT64_C(1000000000)

void cli_progress_begin(struct cli_progress *p, const char *verb, bool each_second)
{
    *p = (struct cli_progress){.verb = verb, .each_second = each_second, .terminal = isatty(STDERR_FILENO) == 1};
    p->start_ns = cli_now_ns();
    p->next_ns = p->start_ns + SECOND;
}

const char *cli_progress_text(const struct cli_progress *p, char *text, int size)
{
    double seconds = (double)(cli_now_ns() - p->start_ns) / 1e9;
    snprintf(text, (size_t)size, "%s %llu record%s in %.3f s, %.0f records/s, stalled %.3f s", p->verb,
             (unsigned long long)p->records, p->records == 1 ? "" : "s", seconds,
             seconds > 0 ? (double)p->records / seconds : 0, (double)p->stalled_ns / 1e9);
    return text;
}

static void print(struct cli_progress *p, const char *end)
{
    char text[200], line[400];
    const char *start = p->terminal && p->shown ? "\r\033[K" : "";
    int n = snprintf(line, sizeof line, "%s%s%s", start, cli_progress_text(p, text, sizeof text), end);
    if (write(STDERR_FILENO, line, (size_t)n) < 0)
        p->each_second = false; /* nobody to tell */
    p->shown = true;
}

void cli_progress_tick(struct cli_progress *p)
{
    if (!p->each_second || cli_now_ns() < p->next_ns)
        return;
    p->next_ns = cli_now_ns() + SECOND;
    print(p, p->terminal ? "" : "\n");
}

int64_t cli_progress_slice(const struct cli_progress *p)
{
    if (!p->each_second)
        return -1;
    int64_t left = p->next_ns - cli_now_ns();
    return left > 0 ? left : 0;
}

void cli_progress_break(struct cli_progress *p)
{
    if (p->terminal && p->shown && write(STDERR_FILENO, "\n", 1) < 0)
        p->each_second = false;
    p->shown = false;
}

void cli_progress_end(struct cli_progress *p, const char *more)
{
    char end[100];
    snprintf(end, sizeof end, "%s\n", more);
    print(p, end);
}
