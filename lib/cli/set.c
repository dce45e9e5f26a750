/* set.c - changes the limits of a live segment. */
#include <conveyor/limits.h>
#include <conveyor/segment.h>
#include <stdio.h>
#include <string.h>

#include "names.h"
#include "options.h"
#include "text.h"

enum { MOST_RECORDS = 12000000, MOST_RETRIES = 254, MOST_MS = 2000000000 };

struct set {
    struct cvb_handle *handle;
    const char *segment, *stage, *source, *retries; /* all but segment: or NULL */
    uint32_t limit;                                 /* 0: not given */
    double backpressure, resume;                    /* negative: not given */
    uint32_t stage_id, source_id, max_retries;
    uint32_t delay_ms, cap_ms; /* UINT32_MAX: not given */
};

static int wrong(const char *why)
{
    cli_complain("%s", why);
    return CLI_USAGE;
}

static bool sets_thresholds(const struct set *s) { return s->backpressure >= 0 || s->resume >= 0; }

static bool sets_delay(const struct set *s) { return s->delay_ms != UINT32_MAX || s->cap_ms != UINT32_MAX; }

/* "never", "default" (of a stage), or a number. */
static int parse_retries(struct set *s)
{
    uint64_t n = 0;
    if (!strcmp(s->retries, "never"))
        n = CVB_RETRIES_NEVER;
    else if (!strcmp(s->retries, "default") && s->stage)
        n = CVB_RETRIES_DEFAULT;
    else if (!cli_whole(s->retries, 0, MOST_RETRIES, &n)) {
        cli_complain("--max-retries '%s': it is a number from 0 to %d, or 'never', or for a stage 'default'",
                     s->retries, MOST_RETRIES);
        return CLI_USAGE;
    }
    s->max_retries = (uint32_t)n;
    return CLI_GO;
}

static int check_usage(struct set *s)
{
    if (!s->limit && !s->retries && !sets_thresholds(s) && !sets_delay(s))
        return wrong("nothing to set: give --limit, --backpressure-threshold, --resume-threshold, --max-retries, "
                     "--retry-delay or --retry-delay-cap");
    if (sets_delay(s) && (s->stage || s->source))
        return wrong("--retry-delay is of all stages: it is not of one, nor of a source");
    if (s->stage && s->source)
        return wrong("--stage and --source exclude each other: a limit is of the one or the other");
    if (sets_thresholds(s) && (s->stage || s->source))
        return wrong("thresholds are parts of all limits: they are not of a stage or a source");
    if (s->retries && s->source)
        return wrong("--max-retries is of a stage, or of all, not of a source");
    return s->retries ? parse_retries(s) : CLI_GO;
}

/* As a person calls what --limit is of. */
static const char *whose(const struct set *s, char *text, size_t size)
{
    if (s->stage || s->source)
        snprintf(text, size, "%s '%s'", s->stage ? "stage" : "source", s->stage ? s->stage : s->source);
    else
        snprintf(text, size, "all");
    return text;
}

static int failed(const struct set *s, int error) { return cli_segment_failed(s->segment, error); }

/* So that nothing is changed if one of the values is no good. */
static int check_values(struct set *s)
{
    struct cvb_settings made;
    double high, low;
    char text[100];
    int error = cvb_settings_of(s->handle, &made);
    if (!error)
        error = cvb_thresholds_of(s->handle, &high, &low);
    if (error)
        return failed(s, error);
    const uint32_t most = s->stage ? made.max_per_stage : s->source ? made.max_per_source : made.max_total_records;
    if (s->limit > most) {
        cli_complain("--limit %u: segment '%s' was made for %u records of %s; a larger limit needs a segment that is "
                     "made anew",
                     s->limit, s->segment, most, whose(s, text, sizeof text));
        return CLI_FAILED;
    }
    s->backpressure = s->backpressure < 0 ? high : s->backpressure;
    s->resume = s->resume < 0 ? low : s->resume;
    if (s->backpressure > 0 && s->resume < s->backpressure)
        return CLI_GO;
    cli_complain("--resume-threshold would be %g, and --backpressure-threshold %g: it must be below that", s->resume,
                 s->backpressure);
    return CLI_USAGE;
}

static int set_limit(const struct set *s)
{
    char text[100];
    int64_t old = cvb_limit_of(s->handle, s->stage_id, s->source_id);
    int error = old < 0 ? (int)old : cvb_set_limit(s->handle, s->stage_id, s->source_id, s->limit);
    if (error)
        return failed(s, error);
    printf("limit of %s: %lld -> %u\n", whose(s, text, sizeof text), (long long)old, s->limit);
    return CLI_GO;
}

static int set_thresholds(const struct set *s)
{
    double high, low;
    int error = cvb_thresholds_of(s->handle, &high, &low);
    if (!error)
        error = cvb_set_thresholds(s->handle, s->backpressure, s->resume);
    if (error)
        return failed(s, error);
    printf("backpressure threshold: %.9g -> %.9g\nresume threshold: %.9g -> %.9g\n", high, s->backpressure, low,
           s->resume);
    return CLI_GO;
}

static const char *retries_text(int64_t n, char *text, size_t size)
{
    snprintf(text, size, n == CVB_RETRIES_NEVER ? "never" : "%lld", (long long)n);
    return text;
}

static int set_retries(const struct set *s)
{
    char of[100], before[24], after[24];
    int64_t old = cvb_max_retries_of(s->handle, s->stage_id);
    int error = old < 0 ? (int)old : cvb_set_max_retries(s->handle, s->stage_id, s->max_retries);
    int64_t now = error ? error : cvb_max_retries_of(s->handle, s->stage_id);
    if (now < 0)
        return failed(s, (int)now);
    printf("max retries of %s: %s -> %s\n", whose(s, of, sizeof of), retries_text(old, before, sizeof before),
           retries_text(now, after, sizeof after));
    return CLI_GO;
}

static int set_delay(const struct set *s)
{
    uint32_t delay_ms, cap_ms;
    int error = cvb_retry_delay_of(s->handle, &delay_ms, &cap_ms);
    if (error)
        return failed(s, error);
    const uint32_t delay = s->delay_ms == UINT32_MAX ? delay_ms : s->delay_ms;
    const uint32_t cap = s->cap_ms != UINT32_MAX ? s->cap_ms : cap_ms > delay ? cap_ms : delay;
    if (cap < delay) {
        cli_complain("--retry-delay-cap would be %u ms, and --retry-delay %u ms: it must be that at least", cap, delay);
        return CLI_USAGE;
    }
    error = cvb_set_retry_delay(s->handle, delay, cap);
    if (error)
        return failed(s, error);
    printf("retry delay: %u ms -> %u ms\nretry delay's cap: %u ms -> %u ms\n", delay_ms, delay, cap_ms, cap);
    return CLI_GO;
}

static int set_all(struct set *s)
{
    const bool thresholds = sets_thresholds(s);
    s->stage_id = CVB_NO_STAGE;
    s->source_id = CVB_NO_SOURCE;
    int status = s->stage    ? cli_find_stage(s->handle, s->segment, "--stage", s->stage, "", &s->stage_id)
                 : s->source ? cli_find_source(s->handle, s->segment, "--source", s->source, &s->source_id)
                             : 0;
    if (status)
        return status;
    if (s->stage && s->stage_id == CVB_STAGE_DEAD_LETTER)
        return wrong("--stage 'dead-letter': dead letters have no limit but that of all records, and no retries");
    status = check_values(s);
    if (status == CLI_GO && s->limit)
        status = set_limit(s);
    if (status == CLI_GO && thresholds)
        status = set_thresholds(s);
    if (status == CLI_GO && s->retries)
        status = set_retries(s);
    if (status == CLI_GO && sets_delay(s))
        status = set_delay(s);
    return status == CLI_GO ? cli_close_output() : status;
}

static int run(const struct cli_command *self, int argc, char **argv)
{
    struct set s = {.backpressure = -1, .resume = -1, .delay_ms = UINT32_MAX, .cap_ms = UINT32_MAX};
    const struct cli_option options[] = {
        {"stage", CLI_TEXT, "NAME", "of this stage", &s.stage, 0, 0},
        {"source", CLI_TEXT, "NAME", "of this source", &s.source, 0, 0},
        {"limit", CLI_WHOLE, "N", "records at most, up to what the segment was made for", &s.limit, 1, MOST_RECORDS},
        {"backpressure-threshold", CLI_REAL, "F", "sources pause at this part of a limit", &s.backpressure, 0, 1},
        {"resume-threshold", CLI_REAL, "F", "and go on at this part of it", &s.resume, 0, 1},
        {"max-retries", CLI_TEXT, "N", "failures until a record is a dead letter, or 'never'", &s.retries, 0, 0},
        {"retry-delay", CLI_WHOLE, "MS", "what failed waits so long, twice as long each time", &s.delay_ms, 0, MOST_MS},
        {"retry-delay-cap", CLI_WHOLE, "MS", "and no longer than this", &s.cap_ms, 0, MOST_MS}};
    int status = cli_parse(self, argc, argv, options, sizeof options / sizeof options[0], &s.segment, 1);
    if (status == CLI_GO)
        status = check_usage(&s);
    if (status != CLI_GO)
        return status;
    status = cli_attach(s.segment, &s.handle);
    if (status)
        return status;
    status = set_all(&s);
    cvb_detach(s.handle);
    return status;
}

const struct cli_command cli_set = {
    "set", "SEG [--stage NAME | --source NAME] [--limit N] [...]", "change the limits of a live segment",
    "Prints what was and what is. All processes heed it at once. Records that are above a lowered limit stay, and "
    "puts\n"
    "are refused until enough have left. Without --stage or --source the limit is that of all records, and\n"
    "--max-retries that of all stages that have none of their own; with --stage it may also be 'default'.",
    run};
