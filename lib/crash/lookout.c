/* lookout.c - one of the sleepers looks for dead peers on behalf of all of them (PROTOCOL.md, section 8).
 *
 * Overview: a sleeper whose turn it is promises to look, in a word of the segment, until a time a little after its next
 * look, and sleeps in short slices; after each it looks for dead peers and for flags that are wrong. All others sleep
 * long. When the promise is over, because the lookout left, died or was stopped, the next sleeper whose slice ends or
 * begins is the lookout.
 *
 * Why the word need not be right: it decides only how long a sleeper sleeps, and the longest slice is bounded. A time
 * that no lookout can have promised counts as none.
 */
#include "crash/crash.h"

/* How long a promise holds: some of the lookout's slices, because it may have to wait for a processor. */
#define PROMISE_NS UINT64_C(300000000)
/* The longest sleep of all others, and so the longest time until a dead lookout is replaced: a second, or so much for
 * each handle that there can be. A wake-up costs 15 to 80 us, mostly in the kernel. Any number of sleepers make fewer
 * than 100 a second, which is below a hundredth of a core. */
#define LONG_NS UINT64_C(1000000000)
#define LONG_NS_A_HANDLE UINT64_C(20000000)
/* Flags that one look looks at: some tens of microseconds. */
#define FLAGS_A_LOOK 4096u

/* How long a sleeper sleeps that is not the lookout: half of the longest time to all of it, by its seat. So the ends of
 * the slices of many sleepers are spread, and the next lookout is there soon. */
uint64_t cvb_lookout_slice(struct cvb_handle *h)
{
    uint64_t handles = h->segment.settings.max_handles, longest = handles * LONG_NS_A_HANDLE;
    longest = longest > LONG_NS ? longest : LONG_NS;
    return longest / 2 + longest / 2 * (h->seat + 1) / handles;
}

/* True if this sleeper is the lookout from now on, or still. */
bool cvb_lookout_promise(struct cvb_handle *h, uint64_t now)
{
    uint64_t *word = &h->lookout->until_ns, seen = cvb_load64_rlx(word);
    bool mine = h->promise_ns && seen == h->promise_ns;
    if (!mine && seen > now && seen - now <= PROMISE_NS) {
        h->promise_ns = 0;
        return false;
    }
    h->promise_ns = cvb_cas64(word, seen, now + PROMISE_NS) ? now + PROMISE_NS : 0;
    return h->promise_ns;
}

/* Called when a lookout's wait is over: the next process that begins to sleep becomes the lookout. */
void cvb_lookout_leave(struct cvb_handle *h)
{
    if (h->promise_ns)
        cvb_cas64(&h->lookout->until_ns, h->promise_ns, 0);
    h->promise_ns = 0;
}

/* How many units of the stage are queued at least, by the tail's hint; 1 if it says nothing, because one was seen. */
static uint32_t queued_at_least(struct cvb_handle *h, uint32_t stage)
{
    const struct cvb_ring_view *e = &h->rings[stage];
    uint64_t behind = cvb_load64_rlx(&e->hint->tail) - e->head;
    return behind - 1 < CVB_WAKE_ALL ? (uint32_t)behind : 1;
}

/* Wakes the sleepers on a flag if what they wait for is there: then a waker died, or was stopped, before its wake. */
static void mend(struct cvb_handle *h, uint32_t flag)
{
    const uint32_t data = cvb_flag_of_data(0), room = cvb_flag_of_room(h, 0);
    if (flag & CVB_FLAG_BY_HAND) {
        if (!cvb_hand_pauses(h, flag & ~CVB_FLAG_BY_HAND))
            cvb_hand_wake(h, flag & ~CVB_FLAG_BY_HAND);
        return;
    }
    if (flag >= data && flag < room) {
        if (!cvb_hand_pauses(h, flag) && cvb_ring_has_data(h, flag - data) > 0)
            cvb_flag_wake(h, flag, queued_at_least(h, flag - data));
        return;
    }
    bool level = flag >= room || flag == CVB_FLAG_TOTAL;
    uint32_t counter = flag == CVB_FLAG_TOTAL ? CVB_COUNTER_TOTAL : 1 + flag - room;
    if (!level || !cvb_level_correct(h, counter, true) ||
        ((cvb_load32_acq(cvb_flag_at(h, flag)) & CVB_FLAG_ROOM) && cvb_room_of(h, counter)))
        cvb_flag_wake(h, flag, CVB_WAKE_ALL);
}

static void wake_all(struct cvb_handle *h, uint32_t flag)
{
    if (flag & CVB_FLAG_BY_HAND)
        cvb_hand_wake(h, flag & ~CVB_FLAG_BY_HAND);
    else
        cvb_flag_wake(h, flag, CVB_WAKE_ALL);
}

/* Calls `what` for the next flags on which a process sleeps, those by hand too, but not for the common word. */
static void for_each_waited_for(struct cvb_handle *h, void (*what)(struct cvb_handle *h, uint32_t flag))
{
    const uint32_t flags = cvb_flag_count(h);
    for (uint32_t i = 0; i < flags && i < FLAGS_A_LOOK; i++) {
        if (h->flag_turn >= flags)
            h->flag_turn = 0;
        uint32_t flag = h->flag_turn++;
        if (cvb_load32_acq(cvb_flag_at(h, flag)) & CVB_FLAG_WAITERS_EITHER)
            what(h, flag);
        if (cvb_load32_acq(cvb_flag_word(h, flag | CVB_FLAG_BY_HAND)) & CVB_FLAG_WAITERS_EITHER)
            what(h, flag | CVB_FLAG_BY_HAND);
    }
}

/* Wakes all sleepers, so that each looks at what it waits for. */
void cvb_wake_sleepers(struct cvb_handle *h) { for_each_waited_for(h, wake_all); }

/* What the lookout does at the end of each of its slices. */
int cvb_lookout_look(struct cvb_handle *h)
{
    int error = cvb_recover_some(h);
    if (error < 0)
        return error;
    for_each_waited_for(h, mend);
    return 0;
}
