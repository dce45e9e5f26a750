/* signal.c - signals by hand, and stages whose deliveries are stopped. */
#include <conveyor/segment.h>
#include <conveyor/wait.h>
#include <stdio.h>
#include <string.h>

#include "hand.h"
#include "names.h"
#include "options.h"
#include "text.h"

/* "none", "pause", "slow-down" or "slow-down=250". */
static bool parse_signal(const char *text, uint32_t *signal, uint32_t *delay_ms)
{
    static const char slow[] = "slow-down";
    uint64_t delay = 100; /* what the limits say at most */
    *delay_ms = 0;
    if (!strcmp(text, "none") || !strcmp(text, "pause")) {
        *signal = *text == 'n' ? CVB_SIGNAL_NONE : CVB_SIGNAL_PAUSE;
        return true;
    }
    if (strncmp(text, slow, sizeof slow - 1))
        return false;
    text += sizeof slow - 1;
    if (*text && (*text != '=' || !cli_whole(text + 1, 1, CVB_DELAY_MOST_MS, &delay)))
        return false;
    *signal = CVB_SIGNAL_SLOW_DOWN;
    *delay_ms = (uint32_t)delay;
    return true;
}

static bool is_reason(const char *reason)
{
    if (!*reason || cli_is_name(reason)) /* a reason is as long, and of the same characters */
        return true;
    cli_complain("--reason: at most %d bytes of UTF-8 without control characters", CVB_REASON_MAX);
    return false;
}

/* What it was, and what it is. */
static int print_change(const char *what, const char *name, const struct cvb_given *old, const char *now)
{
    printf("%s%s%s: %s", what, *name ? " " : "", name, now);
    if (old->pid) {
        char text[CLI_GIVEN_BYTES];
        printf("; before: %s", cli_given_text(old, text));
    }
    putchar('\n');
    return cli_close_output();
}

/* Whom a signal is for. */
struct whom {
    const char *stage, *source;
    uint32_t stage_id, source_id;
};

static int find(struct cvb_handle *handle, const char *segment, struct whom *w)
{
    w->stage_id = CVB_NO_STAGE;
    w->source_id = CVB_NO_SOURCE;
    if (w->stage)
        return cli_find_stage(handle, segment, "--stage", w->stage, "", &w->stage_id);
    return w->source ? cli_find_source(handle, segment, "--source", w->source, &w->source_id) : 0;
}

static int give(struct cvb_handle *handle, const char *segment, struct whom *w, uint32_t signal, uint32_t delay_ms,
                const char *reason)
{
    struct cvb_given old;
    char now[CLI_GIVEN_BYTES];
    int status = find(handle, segment, w);
    if (status)
        return status;
    int error = cvb_signal_of(handle, w->stage_id, w->source_id, &old);
    if (!error)
        error = cvb_signal(handle, w->stage_id, w->source_id, signal, delay_ms, reason);
    if (error == CVB_EUNKNOWN) {
        cli_complain("--stage '%s': nobody puts into the dead-letter stage, so nobody can be told to pause", w->stage);
        return CLI_FAILED;
    }
    if (error)
        return cli_segment_failed(segment, error);
    const struct cvb_given is = {.signal = signal, .delay_ms = delay_ms};
    return print_change(w->stage    ? "stage"
                        : w->source ? "source"
                                    : "all sources",
                        w->stage    ? w->stage
                        : w->source ? w->source
                                    : "",
                        &old, cli_given_signal(&is, now));
}

static int run_signal(const struct cli_command *self, int argc, char **argv)
{
    const char *operand[2], *reason = "";
    struct whom w = {0};
    uint32_t signal, delay_ms;
    const struct cli_option options[] = {
        {"stage", CLI_TEXT, "NAME", "to those who put into this stage", &w.stage, 0, 0},
        {"source", CLI_TEXT, "NAME", "to this source; without either to all", &w.source, 0, 0},
        {"reason", CLI_TEXT, "TEXT", "why: shown until it is lifted", &reason, 0, 0}};
    int status = cli_parse(self, argc, argv, options, sizeof options / sizeof options[0], operand, 2);
    if (status != CLI_GO)
        return status;
    if (!parse_signal(operand[1], &signal, &delay_ms)) {
        cli_complain("'%s' is no signal: none, slow-down, slow-down=MS (1 to %u) or pause", operand[1],
                     (unsigned)CVB_DELAY_MOST_MS);
        return CLI_USAGE;
    }
    if (w.stage && w.source) {
        cli_complain("--stage and --source exclude each other: a signal is for a stage, for a source, or for all");
        return CLI_USAGE;
    }
    if (!is_reason(reason))
        return CLI_USAGE;
    struct cvb_handle *handle;
    status = cli_attach(operand[0], &handle);
    if (status)
        return status;
    status = give(handle, operand[0], &w, signal, delay_ms, reason);
    cvb_detach(handle);
    return status;
}

static int hold(struct cvb_handle *handle, const char *segment, const char *stage, bool on, const char *reason)
{
    uint32_t id;
    struct cvb_given old;
    int status = cli_find_stage(handle, segment, "--stage", stage, "", &id);
    if (status)
        return status;
    int error = cvb_hold_of(handle, id, &old);
    if (!error)
        error = cvb_hold_stage(handle, id, on, reason);
    if (error)
        return cli_segment_failed(segment, error);
    return print_change("stage", stage, &old, on ? "held: nothing is delivered" : "delivers");
}

static int run_hold(const struct cli_command *self, int argc, char **argv)
{
    const char *segment, *stage = NULL, *reason = "";
    const bool on = self == &cli_hold;
    const struct cli_option options[] = {{"stage", CLI_NEED, "NAME", "which stage", &stage, 0, 0},
                                         {"reason", CLI_TEXT, "TEXT", "why", &reason, 0, 0}};
    int status = cli_parse(self, argc, argv, options, sizeof options / sizeof options[0], &segment, 1);
    if (status != CLI_GO)
        return status;
    if (!is_reason(reason))
        return CLI_USAGE;
    struct cvb_handle *handle;
    status = cli_attach(segment, &handle);
    if (status)
        return status;
    status = hold(handle, segment, stage, on, reason);
    cvb_detach(handle);
    return status;
}

const struct cli_command cli_signal = {
    "signal", "SEG [--stage NAME | --source NAME] none|slow-down[=MS]|pause [--reason TEXT]",
    "tell sources to slow down or to pause, by hand",
    "It holds until it is lifted with none, and is advice as the signals of the limits are: the stronger one counts,\n"
    "and who asks is told. stat, top and doctor show it with its reason, who gave it, and its age.",
    run_signal};
const struct cli_command cli_hold = {
    "hold", "SEG --stage NAME [--reason TEXT]", "stop the deliveries of a stage",
    "Its consumers get nothing and wait until 'conveyor release'. What they have may be settled, and records may be\n"
    "put in. A get that has begun may still deliver once.",
    run_hold};
const struct cli_command cli_release = {"release", "SEG --stage NAME [--reason TEXT]", "let a held stage deliver again",
                                        NULL, run_hold};
