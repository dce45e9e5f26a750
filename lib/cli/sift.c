/* sift.c - takes records that match a filter out of a stage, and leaves the others.
 *
 * A record can only be taken out by who has leased it. So the records that waited at the beginning are leased in turn;
 * what is meant is settled, and the others are given back untried, one by one, which puts them at the stage's end in
 * the order in which they were. Once one was given back, all that were behind it follow. What is put meanwhile stands
 * before them. Without a filter nothing is given back.
 */
#include "sift.h"

#include <conveyor/flow.h>
#include <conveyor/segment.h>
#include <conveyor/state.h>
#include <conveyor/wait.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "feed.h"
#include "json.h"
#include "names.h"
#include "signals.h"
#include "text.h"
#include "units.h"
#include "word.h"

#define ROOM_SLICE INT64_C(20000000) /* nanoseconds of a wait for room between looks for signals */
enum { CHUNK = 256 };                /* records leased at a time: others may take the rest meanwhile */

uint64_t cli_wall_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

bool cli_filter_matches(const struct cli_filter *f, const struct cvb_lease *r, uint64_t now_ns)
{
    return (!f->source_name || r->source == f->source) && (!f->pipeline_name || r->pipeline == f->pipeline) &&
           (f->older_than <= 0 || (double)now_ns - (double)r->buffered_at_ns >= f->older_than * 1e9);
}

/* The id of a pipeline that is there already: 0 or the exit status. */
static int find_pipeline(const struct cli_sift *s, const char *wanted, uint32_t *id)
{
    char name[CVB_NAME_MAX + 1], word[CLI_WORD_BYTES];
    int error;
    for (*id = 0; !(error = cvb_pipeline_name(s->handle, *id, name)); ++*id)
        if (!strcmp(name, wanted))
            return 0;
    if (error != CVB_EUNKNOWN)
        return cli_segment_failed(s->segment, error);
    cli_complain("--pipeline '%s': segment '%s' has no such pipeline; 'conveyor stat %s' shows those that there are",
                 wanted, s->segment, cli_segment_word(s->segment, word));
    return CLI_FAILED;
}

static int find_names(struct cli_sift *s)
{
    struct cli_filter *f = &s->filter;
    int status = cli_find_stage(s->handle, s->segment, "--stage", s->stage_name, "", &s->stage);
    if (!status && s->to_name)
        status = cli_find_stage(s->handle, s->segment, "--to", s->to_name, "", &s->to);
    if (!status && f->source_name)
        status = cli_find_source(s->handle, s->segment, "--source", f->source_name, &f->source);
    if (!status && f->pipeline_name)
        status = find_pipeline(s, f->pipeline_name, &f->pipeline);
    if (status || !s->to_name || (s->to != s->stage && s->to != CVB_STAGE_DEAD_LETTER))
        return status;
    cli_complain("--to '%s': records cannot be moved to %s", s->to_name,
                 s->to == s->stage ? "the stage that they are in" : "the dead-letter stage");
    return CLI_USAGE;
}

int cli_sift_open(struct cli_sift *s)
{
    int status = s->observe || s->dry_run ? cli_observe(s->segment, &s->handle) : cli_attach(s->segment, &s->handle);
    if (status)
        return status;
    status = find_names(s);
    if (status)
        cvb_detach(s->handle);
    return status;
}

void cli_sift_close(struct cli_sift *s) { cvb_detach(s->handle); }

/* True if as many as --count allows were taken out, or counted. */
static bool enough(const struct cli_sift *s, uint64_t n) { return s->filter.count && n >= s->filter.count; }

/* How many wait in the stage, and how many of them are meant: 0 or an error. */
static int count(const struct cli_sift *s, uint64_t *waiting, uint64_t *meant)
{
    struct cvb_cursor cursor = {0};
    struct cvb_lease seen;
    uint64_t now_ns = cli_wall_ns();
    int one;
    for (*waiting = *meant = 0; (one = cvb_peek(s->handle, s->stage, &cursor, &seen, NULL, 0)) > 0; ++*waiting)
        *meant += !enough(s, *meant) && cli_filter_matches(&s->filter, &seen, now_ns);
    return one;
}

/* " to sink", or what else goes after what was done. */
static const char *whither(const struct cli_sift *s, char *text, size_t size)
{
    snprintf(text, size, "%s%s",
             s->fate == CLI_MOVE        ? " to "
             : s->fate == CLI_TO_ORIGIN ? " to where they came from"
                                        : "",
             s->fate == CLI_MOVE ? s->to_name : "");
    return text;
}

/* What happened or would happen to n of them. */
static int say(const struct cli_sift *s, uint64_t n)
{
    char to[CVB_NAME_MAX + 32];
    if (s->json)
        return cli_json_print(json_pack("{s:i,s:o,s:o,s:o,s:s,s:I,s:b}", "version", 1, "segment",
                                        cli_json_text(s->segment), "stage", cli_json_text(s->stage_name), "to",
                                        s->to_name ? cli_json_text(s->to_name) : json_null(), "done", s->done,
                                        "records", (json_int_t)n, "dry_run", s->dry_run));
    printf("%llu %s%s %s%s%s\n", (unsigned long long)n, s->noun, cli_s(n), s->dry_run ? "would be " : "", s->done,
           whither(s, to, sizeof to));
    return cli_close_output();
}

int cli_sift_may(const struct cli_sift *s)
{
    if (s->force || s->dry_run || (isatty(STDIN_FILENO) && isatty(STDERR_FILENO)))
        return CLI_GO;
    cli_complain("%s%s, and there is no terminal to ask at: use --force, or see what it would do with --dry-run",
                 s->verb, s->fate == CLI_DROP ? " gives records up for good" : " takes records from where they wait");
    return CLI_USAGE;
}

/* Only a person can be asked. CLI_GO, or the exit status. */
static int ask(const struct cli_sift *s, uint64_t n)
{
    char answer[8] = "", to[CVB_NAME_MAX + 32];
    fprintf(stderr, "%s %llu %s%s of segment '%s'%s? [y/N] ", s->verb, (unsigned long long)n, s->noun, cli_s(n),
            s->segment, s->fate == CLI_DROP ? " for good" : whither(s, to, sizeof to));
    ssize_t size = cli_wait_readable(STDIN_FILENO, -1) ? read(STDIN_FILENO, answer, sizeof answer - 1) : 0;
    if (size > 0 && (answer[0] == 'y' || answer[0] == 'Y'))
        return CLI_GO;
    cli_complain("nothing was %s", s->done);
    return CLI_FAILED;
}

/* Sends one on, waiting for room until a signal comes: 1, 0 for a signal, or an error. */
static int send_on(struct cli_sift *s, const struct cvb_lease *lease)
{
    uint32_t to = s->fate == CLI_TO_ORIGIN ? lease->origin : s->to;
    for (int why = 0;;) {
        int n = cvb_forward(s->handle, to, lease, 1, &why);
        if (n)
            return n;
        if (!cli_is_refusal(why))
            return why;
        if (cli_signals())
            return 0;
        int error =
            cvb_wait_credits(s->handle, to, why == CVB_ESOURCE_FULL ? lease->source : CVB_NO_SOURCE, ROOM_SLICE);
        if (error && error != CVB_ETIMEDOUT)
            return error;
    }
}

/* Settles one lease as it is meant: 1, 0 for a signal, or an error. */
static int settle(struct cli_sift *s, const struct cvb_lease *lease, uint64_t now_ns)
{
    int error;
    if (enough(s, s->taken) || !cli_filter_matches(&s->filter, lease, now_ns)) {
        s->released = true;
        error = cvb_release(s->handle, lease, 1);
        return error ? error : 1;
    }
    int n = s->fate == CLI_DROP ? ((error = cvb_ack(s->handle, lease, 1)) ? error : 1) : send_on(s, lease);
    s->taken += n > 0;
    return n;
}

/* Leases up to `most` and settles them; how many there were, 0 at the end, or an error. What a signal leaves is given
 * back. */
static int sift_some(struct cli_sift *s, size_t most)
{
    struct cvb_lease lease[CHUNK];
    uint64_t now_ns = cli_wall_ns();
    int n = cvb_get_batch(s->handle, s->stage, lease, most < CHUNK ? most : CHUNK), one = 1, i = 0;
    for (; i < n && one > 0; i += one > 0)
        one = settle(s, &lease[i], now_ns);
    for (int left = i; left < n; left++)
        cvb_release(s->handle, &lease[left], 1);
    return n <= 0 ? n : one < 0 ? one : one ? n : 0;
}

static int sift(struct cli_sift *s, uint64_t waiting)
{
    int n = 1;
    for (uint64_t left = waiting; left && n > 0 && !cli_signals() && (s->released || !enough(s, s->taken));) {
        uint64_t most = left;
        if (!s->released && s->filter.count && s->filter.count - s->taken < most)
            most = s->filter.count - s->taken;
        n = sift_some(s, (size_t)most);
        left -= n > 0 ? (uint64_t)n : 0;
    }
    return n < 0 ? n : 0;
}

static int refuse_held(const struct cli_sift *s)
{
    char segment[CLI_WORD_BYTES], stage[CLI_WORD_BYTES];
    cli_complain(
        "stage '%s' of segment '%s' is held, so no record can be taken out of it: 'conveyor release %s --stage "
        "%s' first",
        s->stage_name, s->segment, cli_segment_word(s->segment, segment), cli_word(s->stage_name, stage));
    return CLI_FAILED;
}

int cli_sift_run(struct cli_sift *s, bool asks)
{
    uint64_t waiting, meant;
    struct cvb_given held;
    int error = count(s, &waiting, &meant);
    if (!error)
        error = cvb_hold_of(s->handle, s->stage, &held);
    if (error)
        return cli_segment_failed(s->segment, error);
    if (s->dry_run)
        return say(s, meant);
    if (held.signal != CVB_SIGNAL_NONE)
        return refuse_held(s);
    int status = asks && meant && !s->force ? ask(s, meant) : CLI_GO;
    if (status != CLI_GO)
        return status;
    error = meant ? sift(s, waiting) : 0;
    if (error)
        return cli_segment_failed(s->segment, error);
    status = say(s, s->taken);
    if (status || !cli_signals() || s->taken == meant)
        return status;
    cli_complain("stopped by a signal: %llu of %llu were %s", (unsigned long long)s->taken, (unsigned long long)meant,
                 s->done);
    return CLI_FAILED;
}

int cli_sift_all(struct cli_sift *s)
{
    int status = cli_sift_may(s);
    if (status != CLI_GO)
        return status;
    cli_note_signals();
    status = cli_sift_open(s);
    if (status)
        return status;
    status = cli_sift_run(s, true);
    cli_sift_close(s);
    return status;
}
