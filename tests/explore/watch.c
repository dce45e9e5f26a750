/* watch.c - from the explorer's steps to a history, and its check at the end of a schedule. */
#include "watch.h"

#include <stdio.h>
#include <string.h>

#include "linear.h"
#include "ring/slot.h"

enum { WATCH_SLOTS = 256, BUDGET = 300000 };

struct watch watch;
static struct history history;
static struct cvb_pair word[WORLD_UNITS];
static uint64_t slots[WATCH_SLOTS];
static long last;

/* The history's clock: what happens in one step comes one after the other, and calls end after the rest. */
static long clock_after(long least) { return last = last < least ? least : last + 1; }
static long tick(void) { return clock_after(sim_clock() << 8); }
static long end_tick(void) { return clock_after(sim_clock() << 8 | 128); }

void watch_reset(void)
{
    const struct cvb_settings *s = &world.settings;
    struct model_limits limits = {s->max_total_records, s->max_per_stage, s->max_per_source, s->max_retries};
    watch.on = !world.retires && /* the model has no names */
               s->max_total_records <= MODEL_RECORDS && s->max_stages <= MODEL_STAGES &&
               s->max_sources <= MODEL_SOURCES;
    history_reset(&history, &limits);
    memset(word, 0, sizeof word);
    memset(slots, 0, sizeof slots);
    for (uint32_t u = 0; watch.on && u < world.geometry.unit_count; u++)
        word[u] = world_unit(u)->word;
    last = 0;
}

void watch_call(int process, enum history_verb verb, uint32_t stage, int n)
{
    if (watch.on)
        history_call(&history, process, verb, stage, n);
}

static uint32_t content_of(const void *payload)
{
    uint32_t content;
    memcpy(&content, payload, sizeof content);
    return content;
}

void watch_argument(int process, uint32_t stage, uint32_t source, const void *payload)
{
    struct model_step s = {.stage = (uint8_t)stage, .source = (uint8_t)source, .retry = -1};
    s.content = payload ? content_of(payload) : 0;
    if (watch.on)
        history_argument(&history, process, &s);
}

void watch_lease(int process, const struct cvb_lease *l)
{
    struct model_step s = {.stage = (uint8_t)l->stage, .source = (uint8_t)l->source, .retry = (int16_t)l->retry_count};
    s.content = content_of(l->payload);
    if (watch.on)
        history_argument(&history, process, &s);
}

void watch_settled(int process, const struct cvb_lease *l, uint32_t stage, const void *becomes)
{
    struct model_step s = {.stage = (uint8_t)stage, .source = (uint8_t)l->source};
    s.content = content_of(l->payload);
    s.becomes = becomes ? content_of(becomes) : s.content;
    if (watch.on)
        history_argument(&history, process, &s);
}

void watch_size(int process, enum model_kind kind, uint32_t which, int64_t size)
{
    struct model_step s = {.kind = kind, .stage = (uint8_t)which, .source = (uint8_t)which, .content = (uint32_t)size};
    if (watch.on)
        history_argument(&history, process, &s);
}

void watch_set(int process, enum model_limit which, uint32_t stage, uint32_t source, uint32_t limit)
{
    struct model_step s = {
        .limit = (uint8_t)which, .stage = (uint8_t)stage, .source = (uint8_t)source, .content = limit};
    if (watch.on)
        history_argument(&history, process, &s);
}

void watch_effect(int process)
{
    if (watch.on)
        history.open[process].seen = tick();
}

void watch_held(int process)
{
    if (watch.on)
        history_held(&history, process);
}

void watch_delay(int process, uint32_t delay_ms)
{
    if (watch.on)
        history_delay(&history, process, (long)delay_ms * WORLD_MS_STEPS << 8);
}

static int limit_of(int why)
{
    return why == CVB_ETOTAL_FULL    ? MODEL_TOTAL
           : why == CVB_ESOURCE_FULL ? MODEL_SOURCE
           : why == CVB_ESTAGE_FULL  ? MODEL_STAGE
                                     : -1; /* memory is not in the model */
}

void watch_ended(int process, int done, int why)
{
    if (!watch.on)
        return;
    long began = process == SIM_AFTER ? end_tick() : sim.fiber[process].began << 8, ended = end_tick();
    history_ended(&history, process, began && began < ended ? began : ended, ended, done, limit_of(why));
}

void watch_death(int process)
{
    bool at_work = history.open[process].verb != HISTORY_NONE;
    if (!watch.on || (at_work && !sim.fiber[process].killed))
        return; /* it detaches, and has nothing any more */
    if (at_work && sim.fiber[process].began)
        history_killed(&history, process, sim.fiber[process].began << 8);
    history_died(&history, process, end_tick());
}

static void see_members(struct cvb_pair was, uint32_t u, uint32_t mask, unsigned becomes)
{
    for (; mask; mask &= mask - 1) {
        uint32_t content = (uint32_t)world_member_id(u, (unsigned)__builtin_ctz(mask));
        if (cvb_lo_state(was.lo) == CVB_QUEUED)
            history_saw_lease(&history, content, sim.current, tick());
        else if (becomes == CVB_IDLE || becomes == CVB_FREE)
            history_saw_settled(&history, content, tick());
    }
}

void watch_unit(uint32_t u)
{
    if (!watch.on)
        return;
    struct cvb_pair was = word[u], is = world_unit(u)->word;
    unsigned before = cvb_lo_state(was.lo), after = cvb_lo_state(is.lo);
    word[u] = is;
    if (before == CVB_QUEUED && after == CVB_QUEUED) /* a part is taken out */
        see_members(was, u, cvb_hi_mask(was.hi) & ~cvb_hi_mask(is.hi), CVB_LEASED);
    else if (before >= CVB_QUEUED && before != after && after != CVB_QUEUED)
        see_members(was, u, cvb_hi_mask(was.hi), after);
}

void watch_ring(uint64_t slot)
{
    uint64_t is = ((const uint64_t *)(void *)(world.base + world.geometry.rings))[slot];
    if (!watch.on || slot >= WATCH_SLOTS || slots[slot] == is)
        return;
    slots[slot] = is;
    uint32_t u = slot_unit(is);
    if (u >= world.geometry.unit_count || cvb_lo_state(world_unit(u)->word.lo) != CVB_QUEUED)
        return;
    uint64_t hi = world_unit(u)->word.hi;
    for (uint32_t mask = cvb_hi_mask(hi); mask; mask &= mask - 1)
        history_saw_entry(&history, (uint32_t)world_member_id(u, (unsigned)__builtin_ctz(mask)), cvb_hi_stage(hi),
                          tick());
}

static void print(const char *line) { SIM_LOG("%s", line); }

void watch_check(void)
{
    if (!watch.on) {
        watch.unwatched++;
        return;
    }
    history.drained = true;
    history_close(&history);
    enum linear_verdict v = linear_check(&history, BUDGET);
    watch.on = false; /* what comes now is checked as it comes */
    watch.checked++;
    watch.undecided += v == LINEAR_UNDECIDED;
    watch.searched += linear_went_back();
    watch.refusals += history.refusals;
    watch.exact_refusals += history.exact_refusals;
    if (v == LINEAR_NO)
        linear_explain(&history, print);
    if (v == LINEAR_NO)
        sim_fail("no sequential order explains the history");
}
