/* wait.c - signals to the sources, and sleeping until there is room or data. */
#include <conveyor/crash.h>
#include <conveyor/notify.h>
#include <conveyor/progress.h>
#include <conveyor/wait.h>

#include "place/stay.h"
#include "sized.h"
#include "watch/watch.h"

#define LOOK_NS UINT64_C(100000000) /* between two looks of the lookout: ten wake-ups a second */
#define SHORT_SLEEP_NS UINT64_C(100000)
#ifndef CVB_SPIN_MAX
#define CVB_SPIN_MAX 1024u
#define CVB_SPIN_MIN 16u
#endif
/* Who waits until something is settled looks so often whether anything was acked, and at all units after that or after
 * the longer time: an ack tells nobody, because it would cost each of them a look. */
#define SETTLED_PERIOD_NS UINT64_C(50000000)
#define SETTLED_LATEST_NS UINT64_C(1000000000)
#define DELAY_LEAST_MS 10
#define DELAY_MOST_MS 100

/* What refuses: source and total, unless no source is meant; the stage, unless there is none or it has no limit. */
static unsigned counters_of(struct cvb_handle *h, uint32_t stage, uint32_t source, uint32_t counter[3])
{
    unsigned n = 0;
    if (source != CVB_NO_SOURCE) {
        counter[n++] = cvb_counter_of_source(h, source);
        counter[n++] = CVB_COUNTER_TOTAL;
    }
    if (stage != CVB_NO_STAGE && stage != CVB_STAGE_DEAD_LETTER)
        counter[n++] = cvb_counter_of_stage(stage);
    return n;
}

static int check_ids(struct cvb_handle *h, uint32_t stage, uint32_t source)
{
    int error = cvb_reader_check(h);
    if (error)
        return error;
    if (source == CVB_NO_SOURCE && stage == CVB_NO_STAGE)
        return CVB_EINVAL;
    bool known = (source == CVB_NO_SOURCE || cvb_id_known(h, CVB_KIND_SOURCE, source)) &&
                 (stage == CVB_NO_STAGE || cvb_id_known(h, CVB_KIND_STAGE, stage));
    return known ? 0 : CVB_EUNKNOWN;
}

/* What the counter's limit says. */
static struct cvb_backpressure computed_of(struct cvb_handle *h, uint32_t counter)
{
    if (h->observer ? cvb_level_pauses(h, counter) : cvb_level_correct(h, counter, false))
        return (struct cvb_backpressure){CVB_SIGNAL_PAUSE, 0};
    const struct cvb_marks *m = cvb_marks_of(h, counter);
    int64_t used = cvb_counter_used(h, counter);
    if (used > m->low)
        used = cvb_live(h, counter);
    if (used <= m->low)
        return (struct cvb_backpressure){CVB_SIGNAL_NONE, 0};
    int64_t above = (used < m->high ? used : m->high) - m->low, range = m->high - m->low;
    int64_t delay = DELAY_LEAST_MS + above * (DELAY_MOST_MS - DELAY_LEAST_MS) / range;
    return (struct cvb_backpressure){CVB_SIGNAL_SLOW_DOWN, (uint32_t)delay};
}

/* What was given by hand. A signal that nobody can have given, in a corrupt segment, is none. */
static struct cvb_backpressure given_of(struct cvb_handle *h, uint32_t counter)
{
    const uint64_t given = cvb_load64_acq(&h->flags[cvb_flag_of(h, counter)].given);
    const uint32_t signal = cvb_given_signal(given);
    if (signal > CVB_SIGNAL_PAUSE)
        return (struct cvb_backpressure){CVB_SIGNAL_NONE, 0};
    return (struct cvb_backpressure){signal, signal == CVB_SIGNAL_SLOW_DOWN ? cvb_given_delay(given) : 0};
}

static struct cvb_backpressure stronger(struct cvb_backpressure a, struct cvb_backpressure b)
{
    return a.signal > b.signal || (a.signal == b.signal && a.delay_ms > b.delay_ms) ? a : b;
}

int cvb_backpressure_sized(struct cvb_handle *h, uint32_t stage, uint32_t source, struct cvb_backpressure *told,
                           size_t size)
{
    int error = told ? check_ids(h, stage, source) : CVB_EINVAL;
    if (error)
        return error;
    uint32_t counter[3];
    unsigned n = counters_of(h, stage, source, counter);
    struct cvb_backpressure b = {CVB_SIGNAL_NONE, 0};
    for (unsigned i = 0; i < n; i++)
        b = stronger(stronger(computed_of(h, counter[i]), given_of(h, counter[i])), b);
    cvb_sized_give(told, size, &b, sizeof b);
    return 0;
}

int cvb_should_backpressure(struct cvb_handle *h, uint32_t source)
{
    struct cvb_backpressure b;
    int error = cvb_backpressure(h, CVB_NO_STAGE, source, &b);
    return error ? error : b.signal == CVB_SIGNAL_PAUSE;
}

int64_t cvb_available_credits(struct cvb_handle *h, uint32_t source)
{
    int error = check_ids(h, CVB_NO_STAGE, source);
    if (error)
        return error;
    const uint32_t counter = cvb_counter_of_source(h, source);
    int64_t own = cvb_marks_of(h, counter)->limit - cvb_live(h, counter);
    int64_t all = cvb_marks_of(h, CVB_COUNTER_TOTAL)->limit - cvb_live(h, CVB_COUNTER_TOTAL);
    int64_t least = own < all ? own : all;
    return least < 0 ? 0 : least;
}

int64_t cvb_room(struct cvb_handle *h, uint32_t stage, uint32_t source)
{
    int error = check_ids(h, stage, source);
    if (error || stage == CVB_STAGE_DEAD_LETTER)
        return error ? error : CVB_EUNKNOWN;
    uint32_t counter[3];
    int64_t least = INT64_MAX;
    for (unsigned i = 0, n = counters_of(h, stage, source, counter); i < n; i++) {
        int64_t room = cvb_room_of(h, counter[i]);
        least = room < least ? room : least;
    }
    return least;
}

/* What somebody waits for, and how to look whether it is there (1 or more), not (0), or never (an error). A quick look
 * may miss what only a thorough one would bring about. */
struct wait {
    int (*look)(struct cvb_handle *h, const struct wait *w, bool thorough);
    /* The flags that say so when it comes; none if it is there already. */
    size_t (*flags)(struct cvb_handle *h, const struct wait *w, uint32_t *flag);
    uint32_t counter[3], count, class; /* for credits, or room */
    const uint32_t *stages;            /* for data, count of them */
    /* Each of the flags alone may bring it: all that say no must have been announced. Else all must say yes, and one
     * that says no is enough to sleep on. */
    bool any_brings_it;
    uint64_t period_ns; /* nobody says when it comes: look so often; 0: a flag says so */
    uint32_t source;    /* for what is settled, */
    uint64_t position;
    struct settling *settling;
    uint32_t bits;           /* CVB_FLAG_ROOM for room */
    struct cvb_awaited *any; /* for any of them, `several` */
    size_t several;
};

/* Sets the waiters bits of a flag; what it then shows. The woken bit goes: a waker that has set it must see that
 * somebody came since (flag.c). */
static uint32_t announce(uint32_t *word, uint32_t bits)
{
    uint32_t now, shown;
    do {
        now = cvb_load32_acq(word);
        shown = (now | bits) & ~CVB_FLAG_WOKEN;
    } while (!cvb_cas32(word, now, shown));
    return shown;
}

static bool is_among(uint32_t one, const uint32_t *flag, size_t count)
{
    while (count)
        if (flag[--count] == one)
            return true;
    return false;
}

/* Is there a flag among them that still says no? Others may say so now: who slept on a flag that no longer does would
 * not be woken by those. */
static bool in_the_way(struct cvb_handle *h, const struct wait *w, const uint32_t *flag, size_t count)
{
    uint32_t now[CVB_WAIT_MAX];
    size_t n = w->flags(h, w, now), announced = 0;
    for (size_t i = 0; i < n; i++)
        announced += is_among(now[i], flag, count);
    return w->any_brings_it ? announced == n : announced;
}

/* What a wait returns after such a sleep; 0 if it goes on. */
static int ended_by(enum cvb_slept slept)
{
    return slept == CVB_SLEPT_INTERRUPTED ? CVB_EINTERRUPTED : slept == CVB_SLEPT_REFUSED ? CVB_EUNSUPPORTED : 0;
}

/* The flags that a sleep is on. */
struct bed {
    uint32_t *word[CVB_WAIT_MAX + 1], value[CVB_WAIT_MAX + 1]; /* one more: that of time */
    size_t count;
    uint32_t *any, any_value; /* the common word, which serves where the others do not */
    bool waitv;
};

/* futex_waitv goes on after a handler with SA_RESTART. */
static bool sleeps_by_waitv(struct cvb_handle *h) { return cvb_futex_has_waitv() && !h->interruptible; }

/* Field by field: the model checker cannot follow a struct that is cleared as a whole. */
static void begin_bed(struct cvb_handle *h, struct bed *b)
{
    b->count = 0;
    b->waitv = sleeps_by_waitv(h);
    b->any = cvb_flag_at(h, CVB_FLAG_ANY);
    b->any_value = cvb_load32_acq(b->any);
}

/* The sleep itself, until a flag changes or the time comes; 0, or what ends the wait. */
static int sleep_on(struct cvb_handle *h, const struct wait *w, const struct bed *b, uint64_t until)
{
    enum cvb_slept slept = b->waitv ? cvb_futex_wait_any(h, b->word, b->value, b->count, until)
                                    : cvb_futex_wait(h, b->any, b->any_value, until);
    int ended = ended_by(slept), there = ended ? w->look(h, w, true) : 0;
    return there ? there : ended;
}

/* One sleep, until a flag changes or the time comes; 0. The condition's answer if it need not sleep. */
static int sleep_once(struct cvb_handle *h, const struct wait *w, uint64_t until, bool lookout)
{
    uint32_t flag[CVB_WAIT_MAX + 1];
    struct bed b;
    begin_bed(h, &b);
    b.count = w->flags(h, w, flag);
    if (lookout)
        flag[b.count++] = cvb_flag_of_time(h);
    for (size_t i = 0; i < b.count; i++) {
        b.word[i] = cvb_flag_word(h, flag[i]);
        b.value[i] = announce(b.word[i], (b.waitv ? CVB_FLAG_WAITERS : CVB_FLAG_WAITERS_ANY) | w->bits);
    }
    cvb_fence_after_cas();
    if (lookout)
        until = cvb_delay_or(h, until);
    int there = w->look(h, w, true);
    if (there || (!w->period_ns && !in_the_way(h, w, flag, b.count)))
        return there;
    return sleep_on(h, w, &b, until);
}

/* Spins for about as long as spinning has helped lately. */
static int spin(struct cvb_handle *h, const struct wait *w)
{
    uint32_t turns = h->spin < CVB_SPIN_MIN ? CVB_SPIN_MIN : h->spin;
    for (uint32_t i = 0; i < turns; i++) {
        int there = w->look(h, w, false);
        if (there) {
            h->spin = turns < CVB_SPIN_MAX ? turns * 2 : CVB_SPIN_MAX;
            return there;
        }
        cvb_pause();
    }
    h->spin = turns / 2;
    return 0;
}

static int sleep_on_any(struct cvb_handle *h, const struct wait *w, uint64_t until, bool lookout);

/* Sleeps until it is there or the time is over; *now is then the time. */
static int sleep_until(struct cvb_handle *h, const struct wait *w, uint64_t end, uint64_t *now)
{
    int there = 0;
    uint64_t look_at = *now + LOOK_NS;
    while (!there && *now < end) {
        bool lookout = cvb_lookout_promise(h, *now);
        uint64_t until = lookout ? look_at : *now + cvb_lookout_slice(h);
        if (w->period_ns && until > *now + w->period_ns)
            until = *now + w->period_ns;
        until = until < end ? until : end;
        there = w->flags ? sleep_once(h, w, until, lookout) : sleep_on_any(h, w, until, lookout);
        *now = cvb_monotonic_ns();
        cvb_active_at(h, *now);
        if (!there && lookout)
            there = cvb_delay_end(h, *now) < 0 ? CVB_ECORRUPT : 0;
        if (!there && lookout && *now >= look_at) {
            there = cvb_lookout_look(h);
            look_at = *now + LOOK_NS;
        }
        if (!there && (*now < until || *now >= end)) /* else the next turn looks */
            there = w->look(h, w, true);
    }
    cvb_lookout_leave(h);
    return there;
}

static int wait_for(struct cvb_handle *h, const struct wait *w, int64_t timeout_ns, uint64_t *slept_ns)
{
    int there = w->look(h, w, true);
    if (there)
        return there;
    if (cvb_is_woken(h))
        return CVB_EINTERRUPTED;
    if (!timeout_ns)
        return CVB_ETIMEDOUT;
    if (!w->any && (there = spin(h, w)))
        return there;
    uint64_t start = cvb_monotonic_ns(), now = start;
    cvb_active_at(h, start);
    bool for_ever = timeout_ns < 0 || (uint64_t)timeout_ns > UINT64_MAX / 2 - start;
    there = sleep_until(h, w, for_ever ? UINT64_MAX : start + (uint64_t)timeout_ns, &now);
    *slept_ns = now - start;
    cvb_recover_soon(h);
    if (there > 0 && *slept_ns < SHORT_SLEEP_NS) /* a longer spin would have been the quicker way */
        h->spin = h->spin < CVB_SPIN_MAX / 4 ? (h->spin + CVB_SPIN_MIN) * 4 : CVB_SPIN_MAX;
    return there ? there : CVB_ETIMEDOUT;
}

static bool is_paused(struct cvb_handle *h, uint32_t counter)
{
    return cvb_load32_acq(cvb_flag_at(h, cvb_flag_of(h, counter))) & CVB_FLAG_PAUSED;
}

/* Is there a free cell of the class? If not, idle ones are given back. */
static bool has_memory(struct cvb_handle *h, uint32_t class)
{
    if (class == CVB_NO_CLASS || cvb_memory_left(h, class))
        return true;
    struct cvb_want want = {.count = 1, .class = class};
    cvb_refusal_begin(h);
    cvb_try_again(h, CVB_EMEMORY_FULL, &want, NULL, NULL);
    return cvb_memory_left(h, class);
}

static int look_for_credits(struct cvb_handle *h, const struct wait *w, bool thorough)
{
    bool paused = false;
    for (uint32_t i = 0; i < w->count; i++)
        paused |= (thorough ? cvb_level_correct(h, w->counter[i], false) : is_paused(h, w->counter[i])) ||
                  cvb_hand_pauses(h, cvb_flag_of(h, w->counter[i]));
    return !paused && has_memory(h, w->class);
}

/* Only those that stand in the way: a bit on another would keep all acks from leaving their credits with their units.
 * Where a signal by hand does, it alone, for the same reason. */
static size_t flags_of_credits(struct cvb_handle *h, const struct wait *w, uint32_t *flag)
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

/* Are all of them below their limits? */
static int look_for_room(struct cvb_handle *h, const struct wait *w, bool thorough)
{
    (void)thorough;
    for (uint32_t i = 0; i < w->count; i++)
        if (cvb_room_of(h, w->counter[i]) <= 0)
            return 0;
    return has_memory(h, w->class);
}

static size_t flags_of_room(struct cvb_handle *h, const struct wait *w, uint32_t *flag)
{
    size_t n = 0;
    for (uint32_t i = 0; i < w->count; i++)
        if (cvb_room_of(h, w->counter[i]) <= 0)
            flag[n++] = cvb_flag_of(h, w->counter[i]);
    if (!n && !has_memory(h, w->class))
        flag[n++] = CVB_FLAG_MEMORY;
    return n;
}

static struct wait wait_of_credits(struct cvb_handle *h, uint32_t stage, uint32_t source, uint32_t class)
{
    struct wait w = {.look = look_for_credits, .flags = flags_of_credits, .class = class};
    w.count = counters_of(h, stage, source, w.counter);
    return w;
}

static struct wait wait_of_room(struct cvb_handle *h, uint32_t stage, uint32_t source, uint32_t class)
{
    struct wait w = wait_of_credits(h, stage, source, class);
    w.look = look_for_room;
    w.flags = flags_of_room;
    w.bits = CVB_FLAG_ROOM;
    return w;
}

/* Sleeps until a put may go on; the time counts as the source's and the stage's. */
static int stall(struct cvb_handle *h, const struct wait *w, uint32_t stage, uint32_t source, int64_t timeout_ns)
{
    uint64_t slept = 0;
    int there = wait_for(h, w, timeout_ns, &slept);
    if (source != CVB_NO_SOURCE)
        cvb_own_add64(&h->tallies[h->segment.settings.max_stages + source].n[CVB_N_STALLED_NS], slept);
    if (stage != CVB_NO_STAGE)
        cvb_own_add64(&h->tallies[stage].n[CVB_N_STALLED_NS], slept);
    return there < 0 ? there : 0;
}

int cvb_wait_credits(struct cvb_handle *h, uint32_t stage, uint32_t source, int64_t timeout_ns)
{
    CVB_ONE_USER(h);
    int error = cvb_handle_check(h);
    if (!error)
        error = check_ids(h, stage, source);
    if (error)
        return error;
    struct wait w = wait_of_credits(h, stage, source, h->refused_class);
    return stall(h, &w, stage, source, timeout_ns);
}

int cvb_wait_room(struct cvb_handle *h, uint32_t stage, uint32_t source, int64_t timeout_ns)
{
    CVB_ONE_USER(h);
    int error = cvb_handle_check(h);
    if (!error)
        error = check_ids(h, stage, source);
    if (error || stage == CVB_STAGE_DEAD_LETTER)
        return error ? error : CVB_EUNKNOWN;
    struct wait w = wait_of_room(h, stage, source, h->refused_class);
    return stall(h, &w, stage, source, timeout_ns);
}

int cvb_wait_forward(struct cvb_handle *h, uint32_t stage, uint32_t source, int refused, int64_t timeout_ns)
{
    struct wait w = wait_of_credits(h, stage, CVB_NO_SOURCE, CVB_NO_CLASS);
    if (refused == CVB_EMEMORY_FULL)
        w.class = h->refused_class;
    if (refused == CVB_ESOURCE_FULL && cvb_id_known(h, CVB_KIND_SOURCE, source))
        w.counter[w.count++] = cvb_counter_of_source(h, source);
    return stall(h, &w, stage, CVB_NO_SOURCE, timeout_ns);
}

static bool is_held(struct cvb_handle *h, uint32_t stage) { return cvb_hand_pauses(h, cvb_flag_of_data(stage)); }

/* 1 + the index of a stage that has data and is not held. */
static int look_for_data(struct cvb_handle *h, const struct wait *w, bool thorough)
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

static size_t flags_of_data(struct cvb_handle *h, const struct wait *w, uint32_t *flag)
{
    for (uint32_t i = 0; i < w->count; i++)
        flag[i] = cvb_flag_of_data(w->stages[i]) | (is_held(h, w->stages[i]) ? CVB_FLAG_BY_HAND : 0);
    return w->count;
}

/* Wakers of several flags may have counted this sleeper, each of them. It goes to one stage: for each other stage that
 * has data another sleeper is woken. */
static void pass_on_wakes(struct cvb_handle *h, const struct wait *w, uint32_t chosen)
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
    struct wait w = {.look = look_for_data, .flags = flags_of_data, .stages = stages, .count = (uint32_t)count};
    w.any_brings_it = true;
    uint64_t slept = 0;
    int there = wait_for(h, &w, timeout_ns, &slept);
    if (there > 0 && slept && count > 1)
        pass_on_wakes(h, &w, (uint32_t)there - 1);
    return there > 0 ? there - 1 : there;
}

/* What a wait has seen of acks, and when it looked at all units last. */
struct settling {
    uint64_t gone, looked_ns;
};

/* Changes when records of a source leave for good. */
static uint64_t gone_of(struct cvb_handle *h, uint32_t source)
{
    uint64_t gone = 0;
    for (uint32_t s = 0; s < h->segment.settings.max_handles; s++) {
        const struct cvb_tally *t = cvb_tally_at(h, s, h->segment.settings.max_stages + source);
        gone += cvb_load64_rlx(&t->n[CVB_N_PARKED]) + cvb_load64_rlx(&t->n[CVB_N_ACKED]);
    }
    return gone;
}

/* A look at all units is worth it only after an ack; but every second, for what a stopped peer had kept back. */
static int look_for_settled(struct cvb_handle *h, const struct wait *w, bool thorough)
{
    const uint64_t *word = &h->stands[w->source].settled;
    if (cvb_load64_acq(word) >= w->position)
        return 1;
    if (!thorough)
        return 0;
    const uint64_t gone = gone_of(h, w->source), now = cvb_monotonic_ns();
    if (gone == w->settling->gone && now - w->settling->looked_ns < SETTLED_LATEST_NS)
        return 0;
    const int made = cvb_survey(h);
    if (made > 0)
        *w->settling = (struct settling){gone, now};
    return made < 0 ? made : cvb_load64_acq(word) >= w->position;
}

static size_t flags_of_none(struct cvb_handle *h, const struct wait *w, uint32_t *flag)
{
    (void)h;
    (void)w;
    (void)flag;
    return 0;
}

int cvb_wait_settled(struct cvb_handle *h, uint32_t source, uint64_t position, int64_t timeout_ns)
{
    CVB_ONE_USER(h);
    int error = cvb_handle_check(h);
    if (!error)
        error = check_ids(h, CVB_NO_STAGE, source);
    if (error || source == CVB_NO_SOURCE)
        return error ? error : CVB_EINVAL;
    struct settling settling = {UINT64_MAX, 0};
    struct wait w = {.look = look_for_settled,
                     .flags = flags_of_none,
                     .period_ns = SETTLED_PERIOD_NS,
                     .source = source,
                     .position = position,
                     .settling = &settling};
    uint64_t slept = 0;
    int there = wait_for(h, &w, timeout_ns, &slept);
    return there < 0 ? there : 0;
}

static int look_at_settled(struct cvb_handle *h, const struct wait *w, bool thorough)
{
    (void)thorough;
    return cvb_load64_acq(&h->stands[w->source].settled) >= w->position;
}

static struct wait wait_of(struct cvb_handle *h, const struct cvb_awaited *a)
{
    if (a->what == CVB_WATCH_SETTLED)
        return (struct wait){.look = look_at_settled,
                             .flags = flags_of_none,
                             .period_ns = SETTLED_PERIOD_NS,
                             .source = a->source,
                             .position = a->position};
    if (a->what == CVB_WATCH_RECORDS)
        return (struct wait){
            .look = look_for_data, .flags = flags_of_data, .stages = &a->stage, .count = 1, .any_brings_it = true};
    return a->what == CVB_WATCH_ROOM ? wait_of_room(h, a->stage, a->source, a->class)
                                     : wait_of_credits(h, a->stage, a->source, a->class);
}

/* One look at all units serves all that wait until something is settled. */
static int survey_for_any(struct cvb_handle *h, const struct wait *w)
{
    const uint64_t now = cvb_monotonic_ns();
    struct cvb_awaited *end = w->any + w->several;
    bool wanted = false;
    for (struct cvb_awaited *a = w->any; a < end; a++)
        if (a->what == CVB_WATCH_SETTLED && cvb_load64_acq(&h->stands[a->source].settled) < a->position) {
            a->gone_now = gone_of(h, a->source);
            wanted |= a->gone_now != a->gone || now - a->looked_ns >= SETTLED_LATEST_NS;
        }
    const int made = wanted ? cvb_survey(h) : 0;
    for (struct cvb_awaited *a = w->any; made > 0 && a < end; a++) {
        a->gone = a->gone_now;
        a->looked_ns = now;
    }
    return made < 0 ? made : 0;
}

/* How many are there. */
static int look_for_any(struct cvb_handle *h, const struct wait *w, bool thorough)
{
    int found = w->period_ns ? survey_for_any(h, w) : 0;
    if (found)
        return found;
    for (size_t i = 0; i < w->several; i++) {
        const struct wait one = wait_of(h, &w->any[i]);
        int there = one.look(h, &one, thorough);
        if (there < 0)
            return there;
        w->any[i].there = there;
        found += there > 0;
    }
    return found;
}

/* Adds a flag to the bed, each one once: who is counted twice by a waker keeps another from being woken. */
static void lie_on(struct bed *b, struct cvb_handle *h, uint32_t flag, uint32_t bits)
{
    uint32_t *word = cvb_flag_word(h, flag);
    size_t i = 0;
    while (i < b->count && b->word[i] != word)
        i++;
    if (i == CVB_WAIT_MAX) {
        b->waitv = false;
        return;
    }
    if (i == b->count) {
        b->word[b->count++] = word;
        b->value[i] = 0;
    }
    b->value[i] |= bits;
}

/* The sleep will be on the common word: cvb_wake is told, and all that waits for one of the flags. */
static void announce_on_common(struct cvb_handle *h, const struct wait *w, bool lookout)
{
    if (lookout)
        announce(cvb_flag_word(h, cvb_flag_of_time(h)), CVB_FLAG_WAITERS_ANY);
    __atomic_store_n(&h->common, 1, __ATOMIC_SEQ_CST);
    for (size_t k = 0; k < w->several; k++)
        for (uint32_t i = 0; i < w->any[k].flags; i++)
            announce(cvb_flag_word(h, w->any[k].flag[i]), CVB_FLAG_WAITERS_ANY | wait_of(h, &w->any[k]).bits);
}

/* As sleep_once, for any of several. If these have more flags than a sleep can be on, it is on the common word. */
static int sleep_on_any(struct cvb_handle *h, const struct wait *w, uint64_t until, bool lookout)
{
    struct bed b;
    begin_bed(h, &b);
    for (struct cvb_awaited *a = w->any; a < w->any + w->several; a++) {
        const struct wait one = wait_of(h, a);
        a->flags = (uint32_t)one.flags(h, &one, a->flag);
        for (uint32_t i = 0; i < a->flags; i++)
            lie_on(&b, h, a->flag[i], one.bits);
    }
    if (lookout)
        lie_on(&b, h, cvb_flag_of_time(h), 0);
    if (b.waitv)
        for (size_t i = 0; i < b.count; i++)
            b.value[i] = announce(b.word[i], CVB_FLAG_WAITERS | b.value[i]);
    else
        announce_on_common(h, w, lookout);
    cvb_fence_after_cas();
    if (lookout)
        until = cvb_delay_or(h, until);
    int there = w->look(h, w, true);
    if (there)
        return there;
    for (struct cvb_awaited *a = w->any; a < w->any + w->several; a++) {
        const struct wait one = wait_of(h, a);
        if (!one.period_ns && !in_the_way(h, &one, a->flag, a->flags))
            return 0;
    }
    return sleep_on(h, w, &b, until);
}

int cvb_wait_any(struct cvb_handle *h, struct cvb_awaited *any, size_t count, int64_t timeout_ns)
{
    CVB_ONE_USER(h);
    int error = cvb_handle_check(h);
    if (error)
        return error;
    struct wait w = {.look = look_for_any, .any = any, .several = count};
    for (size_t i = 0; i < count; i++)
        if (any[i].what == CVB_WATCH_SETTLED)
            w.period_ns = SETTLED_PERIOD_NS;
    uint64_t slept = 0;
    return wait_for(h, &w, timeout_ns, &slept);
}
