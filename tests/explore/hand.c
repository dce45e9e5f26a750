/* hand.c - signals and holds by hand, and events: given, lifted, and read while others give and are killed.
 *
 * Each reason says of itself which it is: 20 + n times the same letter, the n-th one, with the delay n + 1. So halves
 * of two are seen to be such.
 */
#include <string.h>

#include "work.h"

enum { LETTERS = 20 };
#define NEVER (-1L)

/* By stage: since which step it is held, NEVER if it is not; and the last step of a hold that is over. */
static long held_since[16], held_until[16];

/* By slot: the number of the event in it. */
static uint64_t event_in[CVB_EVENTS];

static uint64_t given(uint32_t flag)
{
    return ((struct cvb_flag *)(void *)(world.base + world.geometry.flags))[flag].given;
}

static void forget_holds(void)
{
    for (unsigned i = 0; i < 16; i++)
        held_since[i] = held_until[i] = NEVER;
}

void work_hand_reset(void)
{
    forget_holds();
    memset(event_in, 0, sizeof event_in);
}

void work_hand_written(void)
{
    for (uint32_t stage = 0; stage < world.settings.max_stages; stage++) {
        const bool held = cvb_given_pauses(given(cvb_flag_of_data(stage)));
        if (held && held_since[stage] == NEVER)
            held_since[stage] = sim.total;
        if (!held && held_since[stage] != NEVER) {
            held_until[stage] = sim.total;
            held_since[stage] = NEVER;
        }
    }
}

/* A later event is never written over by an older one. */
void work_event_written(void)
{
    const struct cvb_event_ring *ring = (const void *)(world.base + world.geometry.events);
    for (unsigned i = 0; i < CVB_EVENTS; i++) {
        const uint64_t n = ring->slot[i].word.lo >> 2;
        SIM_CHECK_TOO(n >= event_in[i], "event %llu was written over event %llu", (unsigned long long)n,
                      (unsigned long long)event_in[i]);
        event_in[i] = n;
    }
}

bool work_held_throughout(uint32_t stage, long began)
{
    return held_since[stage] != NEVER && held_since[stage] < began;
}

bool work_was_held(uint32_t stage, long began) { return held_since[stage] != NEVER || held_until[stage] >= began; }

bool work_stops(uint32_t flag) { return cvb_given_pauses(given(flag)); }

static uint32_t reason(char text[CVB_REASON_MAX + 1])
{
    const unsigned n = sim_below(LETTERS);
    memset(text, 0, CVB_REASON_MAX + 1);
    memset(text, 'a' + (int)n, 20 + n);
    return n + 1;
}

/* Is it a reason as a whole; and, if it has one, with this delay? */
static void check_reason(const char *text, uint64_t delay)
{
    const size_t length = strlen(text), n = (size_t)(text[0] - 'a');
    SIM_CHECK(n < LETTERS && length == 20 + n && strspn(text, (char[]){text[0], 0}) == length &&
                  (!delay || delay == n + 1),
              "a reason is \"%s\", with a delay of %llu ms", text, (unsigned long long)delay);
}

bool work_signal(int me, uint32_t stage, uint32_t source)
{
    char text[CVB_REASON_MAX + 1];
    uint32_t delay = reason(text);
    const unsigned whom = sim_below(3), signal = sim_below(3);
    work_begin(me);
    SIM_LOG("p%d gives signal %u to %s", me, signal, !whom ? "all" : whom == 1 ? "a stage" : "a source");
    int error = cvb_signal(process[me].handle, whom == 1 ? stage : CVB_NO_STAGE, whom == 2 ? source : CVB_NO_SOURCE,
                           signal, signal == CVB_SIGNAL_SLOW_DOWN ? delay : 0, text);
    SIM_CHECK(!error, "a signal failed: %s", cvb_error_text(error));
    work_end(me, 0, 0);
    return signal;
}

bool work_hold(int me, uint32_t stage) { return work_hold_if(me, stage, sim_below(2)); }

bool work_hold_if(int me, uint32_t stage, bool on)
{
    char text[CVB_REASON_MAX + 1];
    reason(text);
    work_begin(me);
    SIM_LOG("p%d %s stage %u", me, on ? "holds" : "lets go of", stage);
    int error = cvb_hold_stage(process[me].handle, stage, on, text);
    SIM_CHECK(!error, "a hold failed: %s", cvb_error_text(error));
    work_end(me, 0, 0);
    return on;
}

bool work_given(int me, uint32_t stage, uint32_t source)
{
    struct cvb_given g;
    const unsigned whose = sim_below(4);
    work_begin(me);
    int error = whose == 3 ? cvb_hold_of(process[me].handle, stage, &g)
                           : cvb_signal_of(process[me].handle, whose == 1 ? stage : CVB_NO_STAGE,
                                           whose == 2 ? source : CVB_NO_SOURCE, &g);
    SIM_CHECK(!error, "reading a signal failed: %s", cvb_error_text(error));
    SIM_LOG("p%d has read signal %u, \"%s\"", me, g.signal, g.reason);
    if (g.pid)
        check_reason(g.reason, g.delay_ms);
    work_end(me, 0, 0);
    return g.pid;
}

bool work_events(int me)
{
    struct cvb_event e;
    uint64_t cursor = 0, missed = 0, seen = 0;
    work_begin(me);
    while (seen < 2 * CVB_EVENTS && cvb_event_next(process[me].handle, &cursor, &e, &missed) == 1) {
        SIM_CHECK(e.number + 1 == cursor && e.kind && e.kind < CVB_EVENT_KINDS, "event %llu is of kind %u",
                  (unsigned long long)e.number, e.kind);
        if (e.kind == CVB_EVENT_SIGNAL || e.kind == CVB_EVENT_HOLD)
            check_reason(e.text, e.after);
        else
            SIM_CHECK(!e.text[0] || e.kind == CVB_EVENT_SET, "an event of kind %u says \"%s\"", e.kind, e.text);
        SIM_LOG("p%d has read event %llu of kind %u", me, (unsigned long long)e.number, e.kind);
        seen++;
    }
    SIM_CHECK(cursor == seen + missed, "%llu events were seen, and %llu missed, up to number %llu",
              (unsigned long long)seen, (unsigned long long)missed, (unsigned long long)cursor);
    work_end(me, 0, 0);
    return seen;
}

/* What is given by hand is lifted, whoever has died in the middle of giving it. */
void work_lift_all(int me)
{
    struct cvb_handle *h = process[me].handle;
    const struct cvb_settings *s = &world.settings;
    char text[CVB_REASON_MAX + 1];
    reason(text);
    work_begin(me);
    for (uint32_t stage = 0; stage < s->max_stages; stage++) {
        work_given(me, 1, world_id(0));
        SIM_CHECK(!cvb_hold_stage(h, stage, 0, text), "stage %u is not let go", stage);
        SIM_CHECK(!stage || !cvb_signal(h, stage, CVB_NO_SOURCE, CVB_SIGNAL_NONE, 0, text), "stage %u", stage);
    }
    for (uint32_t source = 0; source < s->max_sources; source++)
        SIM_CHECK(!cvb_signal(h, CVB_NO_STAGE, world_id(source), CVB_SIGNAL_NONE, 0, text), "source %u", source);
    SIM_CHECK(!cvb_signal(h, CVB_NO_STAGE, CVB_NO_SOURCE, CVB_SIGNAL_NONE, 0, text), "the signal of all");
    work_events(me);
    work_end(me, 0, 0);
    forget_holds(); /* nobody else is at work, so what comes now comes after that */
}
