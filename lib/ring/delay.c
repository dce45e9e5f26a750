/* delay.c - records that wait for their time, and enter their stage again when it has come (PROTOCOL.md, section 10).
 *
 * Overview: a unit that waits is DELAYED: nobody's, with its credits. due[unit] says until when. A tree over all units
 * finds the one that is due first: each node says a time before which nothing below it is due, a lower bound. A process
 * that finds that the root's time has come goes down to the unit with the least time, and enters it at the end of its
 * stage's ring, by a CAS from exactly its DELAYED word.
 *
 * Why none is hidden: a process that delays a unit makes its word DELAYED, and then lowers the nodes above it, from the
 * lowest one up. A process that raises a node reads it, then what is below it, and then changes it by a CAS from what
 * it has read. Each change of a node has a number, and lowering changes a node even if its time stays. So a unit that
 * the raiser did not see is announced after the raiser's CAS, or has made it fail (D2). If a process died between word
 * and nodes, recovery announces all units that are DELAYED.
 *
 * Why in order of their times: an entry of due stands until its unit was seen in its slot. A process that finds an
 * entry of a unit that is QUEUED publishes the unit first: so what is due later enters the ring later, wherever a
 * process is stopped (D3).
 */
#include "ring/delay.h"

#include "ring/ring.h"

/* What one call does at most: some 50 us, if what it looks at is in no cache. */
#define DUE_UNITS_MOST 16u
#define DUE_TURNS_MOST 32u

static inline bool is_sooner(uint64_t due, uint64_t than) { return due && (!than || due < than); }

/* Nodes have levels from 1 up; at level 0 are the units. */
static struct cvb_pair *bound_of(const struct cvb_handle *h, uint32_t level, uint32_t index)
{
    return &h->soonest[h->segment.geometry.due_first[level - 1] + index].bound;
}

static uint32_t count_at(const struct cvb_handle *h, uint32_t level)
{
    uint32_t count = h->segment.geometry.unit_count;
    for (; level; level--)
        count = (count + CVB_DUE_CHILDREN - 1) / CVB_DUE_CHILDREN;
    return count;
}

/* Lowers the times of all nodes above unit u to `due`, where they are later. */
static void lower_bounds(struct cvb_handle *h, uint32_t u, uint64_t due)
{
    struct cvb_pair seen = {0, 0};
    for (uint32_t level = 1, i = u; level <= h->segment.geometry.due_levels; level++) {
        i >>= CVB_DUE_BITS;
        struct cvb_pair *bound = bound_of(h, level, i), lower;
        do {
            seen = cvb_load_pair(bound);
            lower = (struct cvb_pair){seen.lo + 1, is_sooner(due, seen.hi) ? due : seen.hi};
        } while (!cvb_cas_pair(bound, seen, lower));
    }
    if (is_sooner(due, seen.hi))
        cvb_flag_wake(h, cvb_flag_of_time(h), CVB_WAKE_ALL);
}

void cvb_delay_announce(struct cvb_handle *h, uint32_t u) { lower_bounds(h, u, cvb_load64_acq(&h->due[u])); }

int cvb_delay(struct cvb_handle *h, uint32_t u, struct cvb_pair w, uint64_t tries, uint64_t due_ns)
{
    struct cvb_unit *unit = cvb_unit_at(h, u);
    const uint64_t next = cvb_load64_rlx(&unit->generation) + 1;
    cvb_store64_rlx(&unit->generation, next);
    cvb_store64_rel(&h->due[u], due_ns); /* before the word says DELAYED (D1) */
    struct cvb_pair delayed = {cvb_lo_generation(CVB_DELAYED, next),
                               cvb_hi(cvb_hi_mask(w.hi), cvb_hi_stage(w.hi), cvb_hi_seat(w.hi), 0) | tries};
    if (!cvb_cas_pair(&unit->word, w, delayed))
        return CVB_ESETTLED;
    lower_bounds(h, u, due_ns);
    return 0;
}

/* When a unit is due, and its word *w; 0 if it is not DELAYED. The entry is read before the word, and again after it:
 * what it says then was written before that word. */
static uint64_t due_of(struct cvb_handle *h, uint32_t u, struct cvb_pair *w)
{
    const uint64_t due = cvb_load64_acq(&h->due[u]);
    if (!due)
        return 0;
    *w = cvb_load_pair(&cvb_unit_at(h, u)->word);
    if (cvb_lo_state(w->lo) == CVB_DELAYED)
        return cvb_load64_acq(&h->due[u]);
    if (cvb_lo_state(w->lo) == CVB_LEASED)
        return 0; /* it may become DELAYED with this time */
    if (cvb_lo_state(w->lo) == CVB_QUEUED && cvb_hi_stage(w->hi) < h->segment.settings.max_stages)
        cvb_publish_helped(h, u, *w);
    cvb_cas64(&h->due[u], due, 0);
    return 0;
}

/* The least time of a node's children; *child: the child that has it, *w: its word, if it is a unit. 0 if none has one.
 */
static uint64_t soonest_child(struct cvb_handle *h, uint32_t level, uint32_t index, uint32_t *child, struct cvb_pair *w)
{
    const uint32_t first = index << CVB_DUE_BITS, count = count_at(h, level - 1);
    uint64_t least = 0;
    for (uint32_t i = first; i < count && i < first + CVB_DUE_CHILDREN; i++) {
        struct cvb_pair word = {0, 0};
        uint64_t due = level > 1 ? cvb_load64_acq(&bound_of(h, level - 1, i)->hi) : due_of(h, i, &word);
        if (!is_sooner(due, least))
            continue;
        least = due;
        *child = i;
        *w = word;
    }
    return least;
}

/* Enters a DELAYED unit, whose word is w, and which was due at `due`, into its stage. 1, or 0 if another process was
 * quicker. */
static int end_delay(struct cvb_handle *h, uint32_t u, uint64_t due, struct cvb_pair w)
{
    if (cvb_hi_stage(w.hi) >= h->segment.settings.max_stages)
        return CVB_ECORRUPT;
    int error = cvb_enqueue(h, u, w, cvb_hi_stage(w.hi), w.hi & CVB_HI_TRIES);
    if (error)
        return error == CVB_ESETTLED ? 0 : error;
    cvb_cas64(&h->due[u], due, 0); /* it was seen in its slot */
    return 1;
}

/* Raises a node to the least time of its children, and so the nodes above it. */
static void tighten(struct cvb_handle *h, uint32_t level, uint32_t index)
{
    for (; level <= h->segment.geometry.due_levels; level++, index >>= CVB_DUE_BITS) {
        struct cvb_pair *bound = bound_of(h, level, index), seen = cvb_load_pair(bound), w;
        uint32_t child;
        const uint64_t due = soonest_child(h, level, index, &child, &w);
        if (due == seen.hi)
            return;
        cvb_cas_pair(bound, seen, (struct cvb_pair){seen.lo + 1, due});
    }
}

/* Goes from the root, which said `bound`, down to the unit that is due first. 1 if its delay has ended. 0 if a bound
 * was too low, and has been raised, or if another process was quicker. What is below a bound that is too low may be due
 * later than other units; so it counts what a node said when it was chosen beside others, not what it says now (D3). */
static int end_first(struct cvb_handle *h, uint64_t bound, uint64_t now_ns)
{
    uint32_t index = 0;
    for (uint32_t level = h->segment.geometry.due_levels;; level--) {
        uint32_t child = 0;
        struct cvb_pair w = {0, 0};
        const uint64_t due = soonest_child(h, level, index, &child, &w);
        int ended = 0;
        if (due && due <= now_ns && due <= bound) {
            if (level > 1) {
                index = child;
                bound = due;
                continue;
            }
            ended = end_delay(h, child, due, w);
        }
        tighten(h, level, index);
        return ended;
    }
}

CVB_RARE int cvb_delay_end(struct cvb_handle *h, uint64_t now_ns)
{
    int ended = 0;
    for (unsigned turns = 0; turns < DUE_TURNS_MOST && (unsigned)ended < DUE_UNITS_MOST; turns++) {
        const uint64_t next = cvb_delay_next(h);
        if (!next || next > now_ns)
            break;
        int one = end_first(h, next, now_ns);
        if (one < 0)
            return one;
        ended += one;
    }
    return ended;
}
