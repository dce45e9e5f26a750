/* wait.c - waiting for one thing: that a put may go on, that there is room, or that there are records. */
#include <conveyor/crash.h>
#include <conveyor/notify.h>
#include <conveyor/wait.h>

#include "watch/sleep.h"

static bool is_paused(struct cvb_handle *h, uint32_t counter)
{
    return cvb_load32_acq(cvb_flag_at(h, cvb_flag_of(h, counter))) & CVB_FLAG_PAUSED;
}

/* True if there is a free cell of the class. If not, idle ones are given back first. */
static bool has_memory(struct cvb_handle *h, uint32_t class)
{
    if (class == CVB_NO_CLASS || cvb_memory_left(h, class))
        return true;
    struct cvb_want want = {.count = 1, .class = class};
    cvb_refusal_begin(h);
    cvb_reclaim_for(h, CVB_EMEMORY_FULL, &want, NULL, NULL);
    return cvb_memory_left(h, class);
}

/* True if the wait is of a source that has been retired. */
bool cvb_wait_retired(struct cvb_handle *h, const struct cvb_wait *w)
{
    return w->source != CVB_NO_SOURCE && !cvb_source_known(h, w->source);
}

static int look_for_credits(struct cvb_handle *h, const struct cvb_wait *w, bool thorough)
{
    bool paused = false;
    if (cvb_wait_retired(h, w))
        return CVB_EUNKNOWN;
    for (uint32_t i = 0; i < w->count; i++)
        paused |= (thorough ? cvb_level_correct(h, w->counter[i], false) : is_paused(h, w->counter[i])) ||
                  cvb_hand_pauses(h, cvb_flag_of(h, w->counter[i]));
    return !paused && has_memory(h, w->class);
}

/* Only the flags that show PAUSED: a waiters bit on any other would keep acks from leaving credits with their units. If
 * a signal by hand says pause, only that flag's second word, for the same reason. */
static size_t flags_of_credits(struct cvb_handle *h, const struct cvb_wait *w, uint32_t *flag)
{
    size_t n = 0;
    for (uint32_t i = 0; i < w->count; i++)
        if (cvb_hand_pauses(h, cvb_flag_of(h, w->counter[i])))
            flag[n++] = cvb_flag_of(h, w->counter[i]) | CVB_FLAG_BY_HAND;
    for (uint32_t i = 0; !n && i < w->count; i++)
        if (is_paused(h, w->counter[i]))
            flag[n++] = cvb_flag_of(h, w->counter[i]);
    if (!n && !has_memory(h, w->class))
        flag[n++] = CVB_FLAG_MEMORY;
    return n;
}

/* 1 if all counters are below their limits and there is memory, else 0. */
static int look_for_room(struct cvb_handle *h, const struct cvb_wait *w, bool thorough)
{
    (void)thorough;
    if (cvb_wait_retired(h, w))
        return CVB_EUNKNOWN;
    for (uint32_t i = 0; i < w->count; i++)
        if (cvb_room_of(h, w->counter[i]) <= 0)
            return 0;
    return has_memory(h, w->class);
}

static size_t flags_of_room(struct cvb_handle *h, const struct cvb_wait *w, uint32_t *flag)
{
    size_t n = 0;
    for (uint32_t i = 0; i < w->count; i++)
        if (cvb_room_of(h, w->counter[i]) <= 0)
            flag[n++] = cvb_flag_of(h, w->counter[i]);
    if (!n && !has_memory(h, w->class))
        flag[n++] = CVB_FLAG_MEMORY;
    return n;
}

struct cvb_wait cvb_wait_of_credits(struct cvb_handle *h, uint32_t stage, uint32_t source, uint32_t class)
{
    struct cvb_wait w = {.look = look_for_credits, .flags = flags_of_credits, .sleep = cvb_sleep_once, .class = class};
    w.count = cvb_limits_of(h, stage, source, w.counter);
    w.source = source;
    return w;
}

struct cvb_wait cvb_wait_of_room(struct cvb_handle *h, uint32_t stage, uint32_t source, uint32_t class)
{
    struct cvb_wait w = cvb_wait_of_credits(h, stage, source, class);
    w.look = look_for_room;
    w.flags = flags_of_room;
    w.bits = CVB_FLAG_ROOM;
    return w;
}

/* Waits until a put may go on. The time that it sleeps is counted as the source's and the stage's. */
static int stall(struct cvb_handle *h, const struct cvb_wait *w, uint32_t stage, uint32_t source, int64_t timeout_ns)
{
    uint64_t slept = 0;
    int there = cvb_wait_for(h, w, timeout_ns, &slept);
    if (source != CVB_NO_SOURCE)
        cvb_own_add64(&h->tallies[h->segment.settings.max_stages + cvb_place_of(source)].n[CVB_N_STALLED_NS], slept);
    if (stage != CVB_NO_STAGE)
        cvb_own_add64(&h->tallies[stage].n[CVB_N_STALLED_NS], slept);
    return there < 0 ? there : 0;
}

int cvb_wait_credits(struct cvb_handle *h, uint32_t stage, uint32_t source, int64_t timeout_ns)
{
    CVB_ONE_USER(h);
    int error = cvb_handle_check(h);
    if (!error)
        error = cvb_check_ids(h, stage, source);
    if (error)
        return error;
    struct cvb_wait w = cvb_wait_of_credits(h, stage, source, h->refused_class);
    return stall(h, &w, stage, source, timeout_ns);
}

int cvb_wait_room(struct cvb_handle *h, uint32_t stage, uint32_t source, int64_t timeout_ns)
{
    CVB_ONE_USER(h);
    int error = cvb_handle_check(h);
    if (!error)
        error = cvb_check_ids(h, stage, source);
    if (error || stage == CVB_STAGE_DEAD_LETTER)
        return error ? error : CVB_EUNKNOWN;
    struct cvb_wait w = cvb_wait_of_room(h, stage, source, h->refused_class);
    return stall(h, &w, stage, source, timeout_ns);
}

int cvb_wait_forward(struct cvb_handle *h, uint32_t stage, uint32_t source, int refused, int64_t timeout_ns)
{
    struct cvb_wait w = cvb_wait_of_credits(h, stage, CVB_NO_SOURCE, CVB_NO_CLASS);
    if (refused == CVB_EMEMORY_FULL)
        w.class = h->refused_class;
    if (refused == CVB_ESOURCE_FULL && cvb_source_known(h, source))
        w.counter[w.count++] = cvb_counter_of_source(h, cvb_place_of(source));
    return stall(h, &w, stage, CVB_NO_SOURCE, timeout_ns);
}

static bool is_held(struct cvb_handle *h, uint32_t stage) { return cvb_hand_pauses(h, cvb_flag_of_data(stage)); }

/* 1 + the index of a stage that has data and is not held. */
static int look_for_data(struct cvb_handle *h, const struct cvb_wait *w, bool thorough)
{
    if (thorough && cvb_delay_next(h) && cvb_delay_end(h, cvb_monotonic_ns()) < 0)
        return CVB_ECORRUPT;
    for (uint32_t i = 0; i < w->count; i++) {
        if (is_held(h, w->stages[i]))
            continue;
        int has = cvb_ring_has_data(h, w->stages[i]);
        if (has)
            return has < 0 ? has : (int)i + 1;
    }
    return 0;
}

static size_t flags_of_data(struct cvb_handle *h, const struct cvb_wait *w, uint32_t *flag)
{
    for (uint32_t i = 0; i < w->count; i++)
        flag[i] = cvb_flag_of_data(w->stages[i]) | (is_held(h, w->stages[i]) ? CVB_FLAG_BY_HAND : 0);
    return w->count;
}

struct cvb_wait cvb_wait_of_records(const uint32_t *stages, uint32_t count)
{
    return (struct cvb_wait){.look = look_for_data,
                             .flags = flags_of_data,
                             .sleep = cvb_sleep_once,
                             .source = CVB_NO_SOURCE,
                             .stages = stages,
                             .count = count,
                             .any_brings_it = true};
}

/* A sleeper on several stages may have been woken for each of them, and will get from one. For each other stage that
 * has data another sleeper is woken. */
static void pass_on_wakes(struct cvb_handle *h, const struct cvb_wait *w, uint32_t chosen)
{
    for (uint32_t i = 0; i < w->count; i++)
        if (i != chosen && !is_held(h, w->stages[i]) && cvb_ring_has_data(h, w->stages[i]) > 0)
            cvb_flag_wake(h, cvb_flag_of_data(w->stages[i]), 1);
}

int cvb_wait_records(struct cvb_handle *h, const uint32_t *stages, size_t count, int64_t timeout_ns)
{
    CVB_ONE_USER(h);
    int error = cvb_handle_check(h);
    if (error || !stages || !count || count > CVB_WAIT_MAX)
        return error ? error : CVB_EINVAL;
    for (size_t i = 0; i < count; i++)
        if (!cvb_id_known(h, CVB_KIND_STAGE, stages[i]))
            return CVB_EUNKNOWN;
    const struct cvb_wait w = cvb_wait_of_records(stages, (uint32_t)count);
    uint64_t slept = 0;
    int there = cvb_wait_for(h, &w, timeout_ns, &slept);
    if (there > 0 && slept && count > 1)
        pass_on_wakes(h, &w, (uint32_t)there - 1);
    return there > 0 ? there - 1 : there;
}
