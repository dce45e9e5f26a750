/* events.c - what has happened in a segment, for people and for programs. */
#include <conveyor/events.h>
#include <conveyor/segment.h>
#include <conveyor/state.h>
#include <conveyor/wait.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "hand.h"
#include "json.h"
#include "options.h"
#include "removed.h"
#include "signals.h"
#include "snapshot.h"
#include "text.h"
#include "units.h"

#define LOOK_SLICE INT64_C(200000000) /* nanoseconds from one look at the ring to the next */

/* An event and the names that its ids stand for: "" for none. */
struct told {
    struct cvb_event e;
    char stage[CVB_NAME_MAX + 1], source[CVB_NAME_MAX + 1];
};

static const char *kind_name(uint32_t kind)
{
    static const char *const name[CVB_EVENT_KINDS] = {
        [CVB_EVENT_NONE] = "none",   [CVB_EVENT_ATTACH] = "attach",     [CVB_EVENT_LEAVE] = "leave",
        [CVB_EVENT_DEATH] = "death", [CVB_EVENT_RECOVERY] = "recovery", [CVB_EVENT_REFUSED] = "refused",
        [CVB_EVENT_PAUSE] = "pause", [CVB_EVENT_RESUME] = "resume",     [CVB_EVENT_DEAD_LETTER] = "dead_letter",
        [CVB_EVENT_SET] = "set",     [CVB_EVENT_SIGNAL] = "signal",     [CVB_EVENT_HOLD] = "hold"};
    return kind < CVB_EVENT_KINDS ? name[kind] : "unknown";
}

static void name_ids(struct cvb_handle *handle, struct told *t)
{
    t->stage[0] = t->source[0] = 0;
    if (t->e.stage != CVB_NO_STAGE && cvb_stage_name(handle, t->e.stage, t->stage))
        strcpy(t->stage, "?");
    if (t->e.source != CVB_NO_SOURCE && cvb_source_name(handle, t->e.source, t->source))
        strcpy(t->source, "?");
}

/* "stage filter", "source kafka-1", "all records" */
static void print_whom(const struct told *t, const char *neither)
{
    if (*t->stage)
        printf("stage %s", t->stage);
    if (*t->stage && *t->source)
        printf(", ");
    if (*t->source)
        printf("source %s", t->source);
    if (!*t->stage && !*t->source)
        printf("%s", neither);
}

static const char *limit_name(uint32_t code)
{
    switch (-(int)code) {
    case CVB_ESTAGE_FULL:
        return "the limit of the stage";
    case CVB_ESOURCE_FULL:
        return "the limit of the source";
    case CVB_ETOTAL_FULL:
        return "the limit of all records";
    default:
        return "the memory";
    }
}

/* What happened, after the kind's name. */
static void print_what(const struct told *t)
{
    const struct cvb_event *e = &t->e;
    const struct cvb_given given = {.signal = e->code, .delay_ms = (uint32_t)e->after};
    char text[CLI_GIVEN_BYTES];
    switch (e->kind) {
    case CVB_EVENT_ATTACH:
    case CVB_EVENT_LEAVE:
        printf("seat %llu", (unsigned long long)e->after);
        break;
    case CVB_EVENT_DEATH:
        printf("seat %llu, noticed by process %llu", (unsigned long long)e->before, (unsigned long long)e->after);
        break;
    case CVB_EVENT_RECOVERY:
        printf("seat %llu, by process %llu", (unsigned long long)e->before, (unsigned long long)e->after);
        break;
    case CVB_EVENT_REFUSED:
        print_whom(t, "a put");
        printf(", by %s", limit_name(e->code));
        break;
    case CVB_EVENT_DEAD_LETTER:
        print_whom(t, "");
        printf(", %llu record%s", (unsigned long long)e->after, cli_s(e->after));
        break;
    case CVB_EVENT_SET:
        print_whom(t, "segment");
        printf(", %s: %llu, was %llu", e->text, (unsigned long long)e->after, (unsigned long long)e->before);
        return;
    case CVB_EVENT_SIGNAL:
        print_whom(t, "all sources");
        printf(", %s", cli_given_signal(&given, text));
        break;
    case CVB_EVENT_HOLD:
        print_whom(t, "");
        printf(e->code ? ", held" : ", let go");
        break;
    default:
        print_whom(t, "all records");
    }
    if (*e->text)
        printf(": %s", e->text);
}

static void print_row(const struct told *t)
{
    const time_t seconds = (time_t)(t->e.at_ns / 1000000000);
    struct tm local;
    char day[32];
    localtime_r(&seconds, &local);
    strftime(day, sizeof day, "%Y-%m-%d %H:%M:%S", &local);
    printf("%s.%03u  %8d  %-11s  ", day, (unsigned)(t->e.at_ns / 1000000 % 1000), (int)t->e.pid, kind_name(t->e.kind));
    print_what(t);
    putchar('\n');
}

static int print_json(const struct told *t)
{
    const struct cvb_event *e = &t->e;
    json_t *o = json_pack("{s:i,s:I,s:I,s:s,s:I,s:I,s:I,s:I,s:o}", "version", 1, "number", (json_int_t)e->number,
                          "time_ms", (json_int_t)(e->at_ns / 1000000), "kind", kind_name(e->kind), "code",
                          (json_int_t)e->code, "pid", (json_int_t)e->pid, "before", (json_int_t)e->before, "after",
                          (json_int_t)e->after, "text", cli_json_text(e->text));
    if (o && *t->stage)
        json_object_set_new(o, "stage", cli_json_text(t->stage));
    if (o && *t->source)
        json_object_set_new(o, "source", cli_json_text(t->source));
    return cli_json_print(o);
}

/* What there is from the cursor on. `silent`: what was missed is not told: it was there before anybody looked. */
static int print_all(struct cvb_handle *handle, const char *segment, uint64_t *cursor, bool json, bool silent)
{
    struct told t;
    uint64_t missed = 0;
    int found, status = 0;
    while (!status && (found = cvb_event_next(handle, cursor, &t.e, &missed)) > 0) {
        name_ids(handle, &t);
        if (missed && !silent)
            cli_complain("%llu event%s overwritten before they could be shown", (unsigned long long)missed,
                         missed == 1 ? " was" : "s were");
        missed = 0;
        silent = false;
        if (json)
            status = print_json(&t);
        else
            print_row(&t);
    }
    if (status)
        return status;
    return found < 0 ? cli_segment_failed(segment, found) : cli_close_output();
}

static int follow(struct cvb_handle *handle, const char *segment, uint64_t *cursor, bool json)
{
    int64_t next_look = 0;
    while (!cli_signals()) {
        int status = print_all(handle, segment, cursor, json, false);
        if (status)
            return status;
        if (cli_is_removed(handle, &next_look)) {
            cli_complain_removed(segment);
            return CLI_FAILED;
        }
        cli_sleep(LOOK_SLICE);
    }
    return CLI_DONE;
}

static int run(const struct cli_command *self, int argc, char **argv)
{
    const char *segment;
    bool json = false, follows = false;
    uint64_t cursor = 0;
    const struct cli_option options[] = {
        {"follow", CLI_FLAG, NULL, "go on with what happens from now on", &follows, 0, 0},
        {"json", CLI_FLAG, NULL, "an object on each line", &json, 0, 0}};
    int status = cli_parse(self, argc, argv, options, sizeof options / sizeof options[0], &segment, 1);
    if (status != CLI_GO)
        return status;
    struct cvb_handle *handle;
    if (follows)
        cli_note_signals();
    int error = cvb_observe(segment, &handle);
    if (error)
        return cli_segment_failed(segment, error);
    status = print_all(handle, segment, &cursor, json, true);
    if (!status && follows)
        status = follow(handle, segment, &cursor, json);
    cvb_detach(handle);
    return status;
}

const struct cli_command cli_events = {
    "events", "SEG [--follow] [--json]", "show what has happened: the last 1,000 events",
    "Who came, left and died, what was recovered, the first refusal of a stall, pauses and resumes, dead letters, and\n"
    "what was set, signalled or held. Of a limit one pause in ten seconds is told at most. The second column is the\n"
    "process that it is about.",
    run};
