/* any.c - waiting for any of several things at once, as a notifier does; and until records are settled.
 *
 * Overview: one sleep is on the flags of all of them, each flag once. If these are more than a sleep can be on, it is
 * on the segment's common word.
 *
 * What is settled has no flag: an ack tells nobody, because that would cost each ack a look. The sleeper looks at the
 * rows in which acks are counted, again and again; when they have changed, one survey (crash/survey.c) serves all that
 * it waits for.
 */
#include <conveyor/notify.h>
#include <conveyor/progress.h>
#include <conveyor/wait.h>

#include "watch/sleep.h"

/* Nanoseconds between two looks at the rows: twenty wake-ups a second. */
#define SETTLED_PERIOD_NS UINT64_C(50000000)
/* Nanoseconds after which a survey is made though the rows have not changed: a peer that was stopped within an ack may
 * have kept a unit back from the survey before. */
#define SETTLED_LATEST_NS UINT64_C(1000000000)
#define NOTHING_SEEN UINT64_MAX

/* Changes when records of a source leave for good. */
static uint64_t gone_of(struct cvb_handle *h, uint32_t source)
{
    source = cvb_place_of(source);
    const uint32_t used = cvb_seats_used(h);
    uint64_t gone = 0;
    for (uint32_t s = 0; s < used; s++) {
        const struct cvb_tally *t = cvb_tally_at(h, s, h->segment.settings.max_stages + source);
        gone += cvb_load64_rlx(&t->n[CVB_N_PARKED]) + cvb_load64_rlx(&t->n[CVB_N_ACKED]);
    }
    return gone;
}

/* Is all of the source settled up to the position, which is its own? */
static bool is_settled(struct cvb_handle *h, uint32_t source, uint64_t position)
{
    const uint32_t place = cvb_place_of(source);
    return cvb_position_told(h, place, cvb_load64_acq(&h->stands[place].settled)) >= position;
}

static int look_at_settled(struct cvb_handle *h, const struct cvb_wait *w, bool thorough)
{
    (void)thorough;
    const bool settled = is_settled(h, w->source, w->position);
    return cvb_wait_retired(h, w) ? CVB_EUNKNOWN : settled;
}

static size_t flags_of_none(struct cvb_handle *h, const struct cvb_wait *w, uint32_t *flag)
{
    (void)h;
    (void)w;
    (void)flag;
    return 0;
}

/* The wait for one of them alone. */
static struct cvb_wait wait_of(struct cvb_handle *h, const struct cvb_awaited *a)
{
    if (a->what == CVB_WATCH_SETTLED)
        return (struct cvb_wait){.look = look_at_settled,
                                 .flags = flags_of_none,
                                 .period_ns = SETTLED_PERIOD_NS,
                                 .source = a->source,
                                 .position = a->position};
    if (a->what == CVB_WATCH_RECORDS)
        return cvb_wait_of_records(&a->stage, 1);
    return a->what == CVB_WATCH_ROOM ? cvb_wait_of_room(h, a->stage, a->source, a->class)
                                     : cvb_wait_of_credits(h, a->stage, a->source, a->class);
}

/* One look at all units serves all that wait until something is settled. */
static int survey_for_any(struct cvb_handle *h, struct cvb_awaited *any, size_t count)
{
    const uint64_t now = cvb_monotonic_ns();
    struct cvb_awaited *end = any + count;
    bool wanted = false;
    for (struct cvb_awaited *a = any; a < end; a++)
        if (a->what == CVB_WATCH_SETTLED && !is_settled(h, a->source, a->position)) {
            a->gone_now = gone_of(h, a->source);
            wanted |= a->gone_now != a->gone || now - a->looked_ns >= SETTLED_LATEST_NS;
        }
    const int made = wanted ? cvb_survey(h) : 0;
    for (struct cvb_awaited *a = any; made > 0 && a < end; a++) {
        a->gone = a->gone_now;
        a->looked_ns = now;
    }
    return made < 0 ? made : 0;
}

/* How many of them are there now; `there` says which. */
static int look_for_any(struct cvb_handle *h, const struct cvb_wait *w, bool thorough)
{
    int found = w->period_ns ? survey_for_any(h, w->any, w->several) : 0;
    if (found)
        return found;
    for (size_t i = 0; i < w->several; i++) {
        const struct cvb_wait one = wait_of(h, &w->any[i]);
        int there = one.look(h, &one, thorough);
        if (there == CVB_EUNKNOWN)
            there = 1; /* its source was retired: the call that the watch is for says so */
        if (there < 0)
            return there;
        w->any[i].there = there;
        found += there > 0;
    }
    return found;
}

/* Adds a flag to the set, each flag once: a waker that counts a sleeper twice wakes one sleeper too few. If there are
 * too many, the sleep will be on the common word. */
static void wait_set_add(struct cvb_wait_set *set, struct cvb_handle *h, uint32_t flag, uint32_t bits)
{
    uint32_t *word = cvb_flag_word(h, flag);
    size_t i = 0;
    while (i < set->count && set->word[i] != word)
        i++;
    if (i == CVB_WAIT_MAX) {
        set->waitv = false;
        return;
    }
    if (i == set->count) {
        set->word[set->count++] = word;
        set->value[i] = 0;
    }
    set->value[i] |= bits;
}

/* Announces a sleep on the common word: to cvb_wake, and on all flags of what is waited for. */
static void announce_on_common(struct cvb_handle *h, const struct cvb_wait *w, bool lookout)
{
    if (lookout)
        cvb_announce(cvb_flag_word(h, cvb_flag_of_time(h)), CVB_FLAG_WAITERS_ANY);
    __atomic_store_n(&h->common, 1, __ATOMIC_SEQ_CST);
    for (size_t k = 0; k < w->several; k++)
        for (uint32_t i = 0; i < w->any[k].flags; i++)
            cvb_announce(cvb_flag_word(h, w->any[k].flag[i]), CVB_FLAG_WAITERS_ANY | wait_of(h, &w->any[k]).bits);
}

/* Puts the flags of all that is waited for into the set, and announces the sleeper on them. */
static void announce_on_all(struct cvb_handle *h, const struct cvb_wait *w, struct cvb_wait_set *set, bool lookout)
{
    cvb_wait_set_begin(h, set);
    for (struct cvb_awaited *a = w->any; a < w->any + w->several; a++) {
        const struct cvb_wait one = wait_of(h, a);
        a->flags = (uint32_t)one.flags(h, &one, a->flag);
        for (uint32_t i = 0; i < a->flags; i++)
            wait_set_add(set, h, a->flag[i], one.bits);
    }
    if (lookout)
        wait_set_add(set, h, cvb_flag_of_time(h), 0);
    if (set->waitv)
        for (size_t i = 0; i < set->count; i++)
            set->value[i] = cvb_announce(set->word[i], CVB_FLAG_WAITERS | set->value[i]);
    else
        announce_on_common(h, w, lookout);
}

/* As cvb_must_sleep, for each of them. */
static bool all_must_sleep(struct cvb_handle *h, const struct cvb_wait *w)
{
    for (struct cvb_awaited *a = w->any; a < w->any + w->several; a++) {
        const struct cvb_wait one = wait_of(h, a);
        if (!one.period_ns && !cvb_must_sleep(h, &one, a->flag, a->flags))
            return false;
    }
    return true;
}

/* As cvb_sleep_once, for any of several. */
static int sleep_on_any(struct cvb_handle *h, const struct cvb_wait *w, uint64_t until, bool lookout)
{
    struct cvb_wait_set set;
    announce_on_all(h, w, &set, lookout);
    cvb_fence_after_cas();
    if (lookout)
        until = cvb_delay_or(h, until);
    int there = w->look(h, w, true);
    if (there || !all_must_sleep(h, w))
        return there;
    return cvb_sleep_on(h, w, &set, until);
}

int cvb_wait_any(struct cvb_handle *h, struct cvb_awaited *any, size_t count, int64_t timeout_ns)
{
    CVB_ONE_USER(h);
    int error = cvb_handle_check(h);
    if (error)
        return error;
    struct cvb_wait w = {
        .look = look_for_any, .sleep = sleep_on_any, .source = CVB_NO_SOURCE, .any = any, .several = count};
    for (size_t i = 0; i < count; i++)
        if (any[i].what == CVB_WATCH_SETTLED)
            w.period_ns = SETTLED_PERIOD_NS;
    uint64_t slept = 0;
    return cvb_wait_for(h, &w, timeout_ns, &slept);
}

int cvb_wait_settled(struct cvb_handle *h, uint32_t source, uint64_t position, int64_t timeout_ns)
{
    CVB_ONE_USER(h);
    int error = cvb_handle_check(h);
    if (!error)
        error = cvb_check_ids(h, CVB_NO_STAGE, source);
    if (error || source == CVB_NO_SOURCE)
        return error ? error : CVB_EINVAL;
    struct cvb_awaited one = {.what = CVB_WATCH_SETTLED, .source = source, .position = position, .gone = NOTHING_SEEN};
    int there = cvb_wait_any(h, &one, 1, timeout_ns);
    if (there > 0 && !cvb_source_known(h, source))
        return CVB_EUNKNOWN;
    return there < 0 ? there : 0;
}
