/* level.c - what flags say of their counters: how many records there are, and whether that means to pause.
 *
 * Overview: a counter's credits are held by records, and by idle units, which only keep them (PROTOCOL.md, section 4).
 * What counts is the records: credits in use less those of idle units, which a sum of a few words of each seat says
 * (idle.h). PAUSED begins at the high watermark and lasts until the low one; when somebody looks makes no difference.
 *
 * How it is noticed without a sum at each put and ack: a flag is in one of three states.
 *   calm    credits in use are below the high watermark, so records are. Who takes credits up to it looks.
 *   NEAR    not paused, but credits in use are at the watermark or above: what a put claims may bring records there.
 *   PAUSED  what an ack makes idle, or gives back, may bring records down to the low watermark.
 * In the last two the flag has a slack: so many records may come (NEAR) or go (PAUSED) before one must look. Each
 * handle has a share of it, takes more in chunks, and looks when there is none left. A look begins a new epoch, which
 * makes all shares void, counts, corrects the state, and then says what the slack is. A budget is made of the shares of
 * a unit's three counters, for the next records of the same kind: valid while none of the three epochs has changed. No
 * budget is made while an epoch is odd, so a flag that changes after it was read for the budget has a later epoch.
 *
 * Why nothing is missed: shares and slack together are never more than the distance to the mark. A change of counter or
 * count comes first, by or before a locked instruction; then the flag and the epoch are read. So a look that does not
 * count the change has begun an epoch that the change's owner sees, and takes its share from (F1). What a dead process
 * has changed and not told is looked at by its recoverer; a stopped one tells later; and everybody who acts on a level
 * looks first.
 */
#include "credit/idle.h"
#include "place/stay.h"

int64_t cvb_counter_used(struct cvb_handle *h, uint32_t counter)
{
    uint64_t taken = cvb_load64_acq(&cvb_counter_at(h, counter)->taken.lo);
    int64_t used = (int64_t)(taken - cvb_load64_acq(&cvb_counter_at(h, counter)->returned.lo));
    return used < 0 ? 0 : used > INT32_MAX ? INT32_MAX : used; /* more than a limit only in a corrupt segment */
}

static uint64_t idle_of_seat(struct cvb_handle *h, uint32_t seat, uint32_t counter)
{
    const uint64_t parked = cvb_load64_acq(row_at(h, seat, counter, NOTE_PARK));
    return row_count(parked) - row_count(cvb_load64_acq(row_at(h, seat, counter, NOTE_CLAIM)));
}

/* Records' credits of the counter that idle units keep. One that is claimed under the sum's hands is rather left out
 * than counted. */
int64_t cvb_idle_sum(struct cvb_handle *h, uint32_t counter)
{
    const uint32_t used = cvb_seats_used(h);
    uint64_t sum = idle_of_seat(h, h->segment.settings.max_handles, counter); /* of those that had no seat yet */
    for (uint32_t s = 0; s < used; s++)
        sum += idle_of_seat(h, s, counter);
    return (int64_t)sum;
}

/* The sum within bounds, also in a corrupt segment: for callers that act on it. */
int64_t cvb_idle_count(struct cvb_handle *h, uint32_t counter)
{
    int64_t sum = cvb_idle_sum(h, counter);
    return sum < 0 || sum > INT32_MAX ? 0 : sum;
}

/* Records that hold a credit of the counter. */
int64_t cvb_live(struct cvb_handle *h, uint32_t counter)
{
    int64_t live = cvb_counter_used(h, counter) - cvb_idle_count(h, counter);
    return live < 0 ? 0 : live;
}

/* Records that the limit would let in now. */
int64_t cvb_room_of(struct cvb_handle *h, uint32_t counter)
{
    int64_t room = (int64_t)cvb_marks_of(h, counter)->limit - cvb_live(h, counter);
    return room < 0 ? 0 : room;
}

/* The level that the flag, which shows `now`, should show. *slack: how many records may come or go before the level may
 * change. */
static uint32_t level_of(struct cvb_handle *h, uint32_t counter, uint32_t now, int64_t *slack)
{
    const struct cvb_marks *m = cvb_marks_of(h, counter); /* after `now`: limit.c says why */
    const bool paused = now & CVB_FLAG_PAUSED;
    int64_t used = cvb_counter_used(h, counter), live;
    const uint32_t over = used > m->limit ? CVB_FLAG_OVER : 0;
    *slack = 0;
    if (used <= m->low || (!paused && used < m->high))
        return 0;
    live = used - cvb_idle_count(h, counter);
    if (live >= m->high || (paused && live > m->low)) {
        *slack = live - m->low - 1;
        return CVB_FLAG_PAUSED | over;
    }
    *slack = m->high - live - 1;
    return (used >= m->high ? CVB_FLAG_NEAR : 0) | over;
}

/* An epoch is odd while it is not known yet what its slack is. */
static uint64_t begin_epoch(uint64_t *slack)
{
    for (;;) {
        uint64_t seen = cvb_load64_acq(slack), begun = (uint64_t)((cvb_epoch_of(seen) + 1) | 1) << CVB_EPOCH_SHIFT;
        if (cvb_cas64(slack, seen, begun))
            return begun;
    }
}

/* Ends the epoch: the level is right, and there are so many records of slack. Does nothing if another process has begun
 * an epoch since. */
static void end_epoch(uint64_t *slack, uint64_t begun, int64_t records)
{
    cvb_cas64(slack, begun, begun + (UINT64_C(1) << CVB_EPOCH_SHIFT) + (uint64_t)(records > 0 ? records : 0));
}

/* Counts that the level of a flag begins to say PAUSED. */
static void count_pause(struct cvb_handle *h, uint32_t flag)
{
    const uint32_t stage = flag - cvb_flag_of_room(h, 0);
    cvb_own_add64(&cvb_seat_at(h, h->seat)->pauses, 1);
    if (stage < h->segment.settings.max_stages)
        cvb_own_add64(&cvb_stay_at(h, h->seat, stage)->pauses, 1);
}

/* Gives the flag the level. False if the flag has changed meanwhile. If PAUSED ends, all sleepers are woken. */
static bool change(struct cvb_handle *h, uint32_t flag, uint32_t now, uint32_t level)
{
    uint32_t *word = cvb_flag_at(h, flag);
    const bool lifted = now & ~level & CVB_FLAG_PAUSED;
    uint32_t next = ((now & ~CVB_FLAG_BITS) + CVB_FLAG_ONE) | level | (now & CVB_FLAG_SLEEPERS);
    if (!cvb_cas32(word, now, next))
        return false;
    if (lifted)
        cvb_flag_wake(h, flag, CVB_WAKE_ALL);
    if (level & ~now & CVB_FLAG_PAUSED)
        count_pause(h, flag);
    if ((now ^ level) & CVB_FLAG_PAUSED)
        cvb_flag_tell_level(h, flag, !lifted);
    return true;
}

/* Corrects the flag of a counter. True if it says PAUSED then. `renew`: also begins a new epoch, because the slack is
 * used up. */
bool cvb_level_correct(struct cvb_handle *h, uint32_t counter, bool renew)
{
    struct cvb_flag *flag = &h->flags[cvb_flag_of(h, counter)];
    uint64_t epoch = renew ? begin_epoch(&flag->slack) : 0;
    cvb_fence_after_cas();
    for (bool begun = renew;;) {
        int64_t slack;
        uint32_t now = cvb_load32_acq(&flag->word), level = level_of(h, counter, now, &slack);
        if (level == (now & CVB_FLAG_LEVEL)) {
            if (begun)
                end_epoch(&flag->slack, epoch, level ? slack : 0);
            return level & CVB_FLAG_PAUSED;
        }
        if (begun)
            change(h, cvb_flag_of(h, counter), now, level);
        else
            epoch = begin_epoch(&flag->slack);
        begun = true;
        cvb_fence_after_cas(); /* with that of who changes the counter: one of the two sees the other (F1) */
    }
}

/* After the limit or the thresholds of a counter have changed: its level begins anew, paused only from the high
 * watermark on. A process that was about to change the flag by what held before fails, because the word has changed. */
void cvb_level_begin(struct cvb_handle *h, uint32_t counter)
{
    const uint32_t flag = cvb_flag_of(h, counter);
    uint32_t *word = cvb_flag_at(h, flag), now;
    do
        now = cvb_load32_acq(word);
    while (!cvb_cas32(word, now, (now + CVB_FLAG_ONE) & ~(CVB_FLAG_PAUSED | CVB_FLAG_NEAR)));
    cvb_level_correct(h, counter, true);
    cvb_flag_wake(h, flag, CVB_WAKE_ALL); /* there may be room for one more, whatever the level */
}

/* True if the level is to pause, whatever the flag shows; reads only. */
bool cvb_level_pauses(struct cvb_handle *h, uint32_t counter)
{
    int64_t slack;
    return level_of(h, counter, cvb_load32_acq(cvb_flag_at(h, cvb_flag_of(h, counter))), &slack) & CVB_FLAG_PAUSED;
}

static struct cvb_share *share_of(struct cvb_handle *h, uint32_t counter)
{
    return &h->share[cvb_kind_of_counter(h, counter)][counter % CVB_SHARES];
}

/* Records of slack: less than this is taken as a whole, because a part is not worth a compare-and-swap. The next handle
 * that needs slack looks at the level. */
#define CHUNK_LEAST 128u

/* Called after n records have come or gone in the direction of a watermark. */
void cvb_level_moved(struct cvb_handle *h, uint32_t counter, uint32_t n)
{
    uint64_t *slack = &h->flags[cvb_flag_of(h, counter)].slack;
    struct cvb_share *share = share_of(h, counter);
    for (;;) {
        uint64_t seen = cvb_load64_acq(slack);
        const uint32_t epoch = cvb_epoch_of(seen), left = (uint32_t)seen;
        if (share->key != counter + 1 || share->epoch != epoch)
            *share = (struct cvb_share){counter + 1, epoch, 0};
        if (share->left >= n) {
            share->left -= n;
            return;
        }
        const uint32_t wanted = n - share->left;
        uint32_t chunk = left < CHUNK_LEAST ? left : left / 2;
        chunk = chunk > wanted ? chunk : wanted;
        if (left < wanted) {
            cvb_level_correct(h, counter, true);
            return;
        }
        if (cvb_cas64(slack, seen, seen - chunk)) {
            share->left += chunk - n;
            return;
        }
    }
}

/* The share of the budget's counter x; NULL if it is of another epoch than the budget. */
static struct cvb_share *share_of_budget(struct cvb_handle *h, const struct cvb_budget *b, unsigned x)
{
    struct cvb_share *share = share_of(h, b->counter[x]);
    return share->key == b->counter[x] + 1 && share->epoch == b->epoch[x] ? share : NULL;
}

/* What is left of a budget goes back into the shares that it came from. */
void cvb_budget_end(struct cvb_handle *h, struct cvb_budget *b)
{
    for (unsigned x = 0; b->left && x < 3; x++) {
        struct cvb_share *share = share_of_budget(h, b, x);
        if (share && (b->limits >> x & 1))
            share->left += b->left;
    }
    b->left = 0;
}

/* A budget for records of the kind, whose counters these are: as many as the shares have of those counters whose flags
 * show `state`. A flag that shows it later has a later epoch. */
void cvb_budget_begin(struct cvb_handle *h, struct cvb_budget *b, uint64_t kind, const uint32_t counter[3],
                      uint32_t state)
{
    uint32_t left = UINT32_MAX;
    b->kind = kind;
    b->limits = b->left = 0;
    for (unsigned x = 0; x < 3; x++) {
        struct cvb_flag *flag = &h->flags[cvb_flag_of(h, counter[x])];
        b->counter[x] = counter[x];
        b->slack[x] = &flag->slack;
        b->epoch[x] = cvb_epoch_of(cvb_load64_acq(&flag->slack));
        const struct cvb_share *share = share_of_budget(h, b, x);
        const bool limits = cvb_load32_acq(&flag->word) & state;
        b->limits |= (unsigned)limits << x;
        if (b->epoch[x] & 1 || (limits && !share))
            return; /* a look is at work */
        if (limits && share->left < left)
            left = share->left;
    }
    if (!b->limits)
        return;
    for (unsigned x = 0; x < 3; x++)
        if (b->limits >> x & 1)
            share_of_budget(h, b, x)->left -= left;
    b->left = left;
}

/* True if credits in use are so few by now that a flag which shows `now` must be looked at. */
static bool is_outdated(struct cvb_handle *h, uint32_t counter, uint32_t now)
{
    if (!(now & (CVB_FLAG_NEAR | CVB_FLAG_OVER)))
        return false;
    const int64_t used = cvb_counter_used(h, counter);
    const struct cvb_marks *m = cvb_marks_of(h, counter);
    return now & CVB_FLAG_OVER ? used <= m->limit : used < m->high;
}

/* Called after n credits were given back. */
void cvb_level_returned(struct cvb_handle *h, uint32_t counter, uint32_t n)
{
    cvb_fence_after_cas();
    uint32_t flag = cvb_flag_of(h, counter), now = cvb_load32_acq(cvb_flag_at(h, flag));
    if (now & CVB_FLAG_PAUSED)
        cvb_level_moved(h, counter, n);
    if (is_outdated(h, counter, now))
        cvb_level_correct(h, counter, false);
    if ((now & CVB_FLAG_WAITERS_EITHER) && (now & CVB_FLAG_ROOM || !(now & CVB_FLAG_PAUSED)))
        cvb_flag_wake(h, flag, CVB_WAKE_ALL); /* without ROOM: left by one who found that it need not sleep */
}

/* Called after n records have come in. `which`: the counters that they have raised, a bit each as in enum cvb_step. */
CVB_RARE void cvb_level_raised(struct cvb_handle *h, uint32_t stage, uint32_t source, uint32_t n, unsigned which)
{
    uint32_t counter[3];
    cvb_counters_of(h, source, stage, counter);
    cvb_fence_after_cas();
    for (unsigned x = 0; x < 3; x++) {
        uint32_t level = cvb_load32_acq(cvb_flag_at(h, cvb_flag_of(h, counter[x]))) & CVB_FLAG_LEVEL;
        if (!(which >> x & 1) || (level & CVB_FLAG_PAUSED))
            continue;
        if (level & CVB_FLAG_NEAR)
            cvb_level_moved(h, counter[x], n);
        else if (h->at_high >> x & 1)
            cvb_level_correct(h, counter[x], false);
    }
    h->at_high = 0;
}

/* Called after a put or a reservation of n records while a level is NEAR. */
CVB_RARE void cvb_level_put(struct cvb_handle *h, uint32_t stage, uint32_t source, uint32_t n)
{
    uint32_t counter[3];
    cvb_counters_of(h, source, stage, counter);
    cvb_budget_end(h, &h->of_puts);
    cvb_level_raised(h, stage, source, n, CVB_RISES_ALL);
    cvb_budget_begin(h, &h->of_puts, h->last_cache->kind, counter, CVB_FLAG_NEAR);
}

/* Corrects all levels that are not calm, or should not be: a process that died may have changed a counter and not
 * corrected its level. */
void cvb_levels_renew(struct cvb_handle *h)
{
    const struct cvb_settings *s = &h->segment.settings;
    for (uint32_t i = 0; i <= s->max_stages + s->max_sources; i++)
        if ((cvb_load32_acq(cvb_flag_at(h, cvb_flag_of(h, i))) & CVB_FLAG_LEVEL) ||
            cvb_counter_used(h, i) >= cvb_marks_of(h, i)->high)
            cvb_level_correct(h, i, true);
}
