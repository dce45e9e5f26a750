/* dead_letter.c - records past their retry limit: see them, try them again, or give them up.
 *
 * To see them they are leased for a moment, all of them, and returned in the same order; others that look at the same
 * time see none.
 */
#include <conveyor/flow.h>
#include <conveyor/segment.h>
#include <conveyor/state.h>
#include <conveyor/wait.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "options.h"
#include "signals.h"
#include "text.h"

enum { BATCH = 64, SHOWN_BYTES = 60 };
#define ROOM_SLICE INT64_C(20000000)

struct letters {
    const char *segment, *verb, *to_name;
    uint32_t to, count; /* count 0: all */
    struct cvb_handle *handle;
    struct cvb_lease *leases;
    uint64_t done;
};

static int failed(const struct letters *l, int error) { return cli_segment_failed(l->segment, error); }

/* The payload's beginning, with what is not printable as a dot. */
static void print_payload(const struct cvb_lease *lease)
{
    const unsigned char *byte = lease->payload;
    for (uint32_t i = 0; i < lease->length && i < SHOWN_BYTES; i++)
        putchar(byte[i] >= 32 && byte[i] < 127 ? byte[i] : '.');
    puts(lease->length > SHOWN_BYTES ? "..." : "");
}

static void print_letter(const struct letters *l, const struct cvb_lease *lease)
{
    char source[CVB_NAME_MAX + 1] = "?", pipeline[CVB_NAME_MAX + 1] = "?";
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    double age = (double)now.tv_sec + (double)now.tv_nsec / 1e9 - (double)lease->buffered_at_ns / 1e9;
    cvb_source_name(l->handle, lease->source, source);
    cvb_pipeline_name(l->handle, lease->pipeline, pipeline);
    printf("%-16s %-16s %9.1f s %7u  ", source, pipeline, age > 0 ? age : 0, lease->length);
    print_payload(lease);
}

static int list(struct letters *l)
{
    size_t found = 0, most = 0;
    for (int n = 1; n > 0; found += n > 0 ? (size_t)n : 0) {
        if (most - found < BATCH) {
            struct cvb_lease *more = realloc(l->leases, (most = 2 * most + BATCH) * sizeof *more);
            if (!more)
                return failed(l, CVB_ESYSTEM);
            l->leases = more;
        }
        n = cvb_get_batch(l->handle, CVB_STAGE_DEAD_LETTER, l->leases + found, BATCH);
        if (n < 0)
            return failed(l, n);
    }
    printf("%-16s %-16s %11s %7s  %s\n", "SOURCE", "PIPELINE", "age", "bytes", "payload");
    for (size_t i = 0; i < found && (!l->count || i < l->count); i++)
        print_letter(l, &l->leases[i]);
    int error = found ? cvb_return_to_buffer(l->handle, l->leases, found) : 0;
    printf("%zu dead letters\n", found);
    return error ? failed(l, error) : cli_close_output();
}

/* Forwards the batch; waits while there is no room. What a signal leaves is returned. */
static int forward(struct letters *l, size_t count)
{
    for (size_t done = 0; done < count;) {
        int why = 0, n = cvb_forward(l->handle, l->to, l->leases + done, count - done, &why);
        if (n < 0)
            return n;
        done += (size_t)n;
        l->done += (uint64_t)n;
        if (done == count)
            break;
        if (cli_signals())
            return cvb_return_to_buffer(l->handle, l->leases + done, count - done);
        n = cvb_wait_credits(l->handle, l->to, l->leases[done].source, ROOM_SLICE);
        if (n && n != CVB_ETIMEDOUT)
            return n;
    }
    return 0;
}

static int drop(struct letters *l, size_t count)
{
    int error = cvb_ack(l->handle, l->leases, count);
    l->done += error ? 0 : count;
    return error;
}

/* Those that are there now, or the first --count of them: what comes later waits for another call. */
static int settle(struct letters *l)
{
    int64_t there = cvb_stage_size(l->handle, CVB_STAGE_DEAD_LETTER);
    uint64_t most = there < 0 ? 0 : (uint64_t)there;
    most = l->count && l->count < most ? l->count : most;
    l->leases = calloc(BATCH, sizeof *l->leases);
    if (!l->leases || there < 0)
        return failed(l, there < 0 ? (int)there : CVB_ESYSTEM);
    while (l->done < most && !cli_signals()) {
        size_t want = most - l->done < BATCH ? (size_t)(most - l->done) : BATCH;
        int n = cvb_get_batch(l->handle, CVB_STAGE_DEAD_LETTER, l->leases, want);
        if (n > 0) {
            int error = l->to_name ? forward(l, (size_t)n) : drop(l, (size_t)n);
            n = error ? error : n;
        }
        if (n < 0)
            return failed(l, n);
        if (!n)
            break;
    }
    printf("%llu dead letters %s%s\n", (unsigned long long)l->done, l->to_name ? "forwarded to " : "dropped",
           l->to_name ? l->to_name : "");
    return cli_close_output();
}

static int find_target(struct letters *l)
{
    int error = cvb_stage(l->handle, l->to_name, &l->to);
    if (error)
        return cli_name_failed(l->segment, "to", "stage", l->to_name, error);
    if (l->to != CVB_STAGE_DEAD_LETTER)
        return 0;
    cli_complain("--to '%s': they are there already", l->to_name);
    return CLI_USAGE;
}

static int check(const struct letters *l)
{
    bool retry = !strcmp(l->verb, "retry");
    if (!retry && strcmp(l->verb, "list") && strcmp(l->verb, "drop"))
        cli_complain("'%s' is none of list, retry and drop", l->verb);
    else if (retry && !l->to_name)
        cli_complain("retry needs --to STAGE: the stage that shall try them again");
    else if (!retry && l->to_name)
        cli_complain("--to goes with retry only");
    else
        return CLI_GO;
    return CLI_USAGE;
}

static int run(const struct cli_command *self, int argc, char **argv)
{
    struct letters l = {0};
    const char *operand[2];
    const struct cli_option options[] = {
        {"to", CLI_TEXT, "STAGE", "retry: the stage that shall try them again", &l.to_name, 0, 0},
        {"count", CLI_WHOLE, "N", "only the first so many", &l.count, 1, UINT32_MAX}};
    int status = cli_parse(self, argc, argv, options, sizeof options / sizeof options[0], operand, 2);
    if (status != CLI_GO)
        return status;
    l.segment = operand[0];
    l.verb = operand[1];
    if ((status = check(&l)) != CLI_GO || (status = cli_attach(l.segment, &l.handle)))
        return status;
    cli_note_signals();
    status = l.to_name ? find_target(&l) : 0;
    if (!status)
        status = strcmp(l.verb, "list") ? settle(&l) : list(&l);
    free(l.leases);
    cvb_detach(l.handle);
    return status;
}

const struct cli_command cli_dead_letter = {
    "dead-letter", "SEG list|retry|drop [--to STAGE] [--count N]", "see, retry or drop records past their retry limit",
    "list shows them; retry forwards them to a stage, where their retries count anew; drop gives them up for good.",
    run};
