/* flag.c - the futex words, and waking the sleepers on them (PROTOCOL.md, section 8). level.c has their levels.
 *
 * Overview: a flag stands for a counter (a source, the total, a stage's room) and says whether its users should pause;
 * or for a stage's data or the memory, and then has waiters only.
 *
 * Why no wake-up is lost: a sleeper sets the waiters bit, looks at the condition again, and then sleeps on that very
 * value. A waker makes the condition true by a locked instruction and then reads the flag: it sees the bit, or the
 * sleeper sees the condition. A waker that dies between the two is not waited for: the lookout sees the bit and the
 * condition (lookout.c).
 *
 * Why the waiters bit is there as long as a process sleeps: a waker of only some sleepers leaves it. If the kernel woke
 * fewer than were asked for, no sleeper was left, and the waker clears the bit, by a compare-and-swap from the value
 * that it had set itself. That value has the woken bit, which each announcement of a sleep clears: so no process has
 * announced a sleep on that value, and none sleeps on it. A sleeper that had announced itself on an older value finds
 * another one, and does not sleep (F5).
 */
#include "place/named.h"
#include "wake/wake.h"

/* Wakes up to `most` sleepers on the word, which showed a waiters bit. It shows one until no sleeper is left. */
CVB_RARE static void wake_waiters(struct cvb_handle *h, uint32_t *word, uint32_t most)
{
    uint32_t now, marked;
    do {
        now = cvb_load32_acq(word);
        if (!(now & CVB_FLAG_WAITERS_EITHER))
            return;
        marked = (now + CVB_FLAG_ONE) | CVB_FLAG_WOKEN;
    } while (!cvb_cas32(word, now, marked));
    uint32_t woken = now & CVB_FLAG_WAITERS ? cvb_futex_wake(word, most) : 0,
             over = woken < most ? CVB_FLAG_WAITERS : 0;
    if (now & CVB_FLAG_WAITERS_ANY) {
        cvb_flag_wake_any(h);
        over |= CVB_FLAG_WAITERS_ANY;
    }
    if (!(marked & ~over & CVB_FLAG_WAITERS_EITHER))
        over |= CVB_FLAG_ROOM;
    if (over)
        cvb_cas32(word, marked, marked & ~(over | CVB_FLAG_WOKEN));
}

/* Wakes up to `most` sleepers on the flag, or CVB_WAKE_ALL. The caller has done a locked instruction before. */
void cvb_flag_wake(struct cvb_handle *h, uint32_t flag, uint32_t most)
{
    uint32_t *word = cvb_flag_at(h, flag);
    cvb_fence_after_cas();
    if (cvb_load32_acq(word) & CVB_FLAG_WAITERS_EITHER)
        wake_waiters(h, word, most);
}

/* Wakes all who sleep because of what was given by hand. The caller has done a locked instruction before. */
void cvb_hand_wake(struct cvb_handle *h, uint32_t flag)
{
    uint32_t *word = &h->flags[flag].hand;
    cvb_fence_after_cas();
    if (cvb_load32_acq(word) & CVB_FLAG_WAITERS_EITHER)
        wake_waiters(h, word, CVB_WAKE_ALL);
}

/* Wakes all sleepers on the common word: each looks at its own flags. */
void cvb_flag_wake_any(struct cvb_handle *h)
{
    uint32_t *any = cvb_flag_at(h, CVB_FLAG_ANY), now = cvb_load32_acq(any);
    cvb_cas32(any, now, now + CVB_FLAG_ONE); /* if it fails, another process has changed it, which serves as well */
    cvb_futex_wake(any, CVB_WAKE_ALL);
}

uint32_t cvb_flag_of(struct cvb_handle *h, uint32_t counter)
{
    uint32_t stages = h->segment.settings.max_stages;
    return counter == CVB_COUNTER_TOTAL ? CVB_FLAG_TOTAL
           : counter <= stages          ? cvb_flag_of_room(h, counter - 1)
                                        : cvb_flag_of_source(h, counter - 1 - stages);
}

/* Which of a flag's events were recorded: tick << 2 | refused | open. The tick is that of the last pause; open: its
 * resume was not recorded yet; refused: since then the first refusal was. */
#define TOLD_OPEN 1u
#define TOLD_REFUSED 2u

/* What a flag stands for, as an event has it. */
static void tell_of_flag(struct cvb_handle *h, uint32_t flag, enum cvb_event_kind kind, uint32_t code)
{
    struct cvb_event e = {.kind = kind, .code = code, .stage = CVB_NO_STAGE, .source = CVB_NO_SOURCE};
    const uint32_t room = cvb_flag_of_room(h, 0), source = cvb_flag_of_source(h, 0);
    if (flag >= source)
        e.source = cvb_id_of_place(h, flag - source);
    else if (flag >= room)
        e.stage = flag - room;
    cvb_event(h, &e);
}

/* The level was reached, or left again: the caller has changed the flag so. */
CVB_RARE void cvb_flag_tell_level(struct cvb_handle *h, uint32_t flag, bool paused)
{
    uint32_t *told = &h->flags[flag].told, seen = cvb_load32_rlx(told);
    const uint32_t tick = cvb_event_tick(), next = paused ? tick << 2 | TOLD_OPEN : seen & ~TOLD_OPEN;
    const bool due = paused ? seen >> 2 != (tick << 2) >> 2 : seen & TOLD_OPEN;
    if (due && cvb_cas32(told, seen, next))
        tell_of_flag(h, flag, paused ? CVB_EVENT_PAUSE : CVB_EVENT_RESUME, 0);
}

/* A put was refused by what the flag stands for. */
CVB_RARE void cvb_flag_tell_refusal(struct cvb_handle *h, uint32_t flag, int error)
{
    uint32_t *told = &h->flags[flag].told, seen = cvb_load32_rlx(told), next = seen | TOLD_REFUSED;
    if (flag == CVB_FLAG_MEMORY) /* has no level, which would say that a stall is over */
        next = cvb_event_tick() << 2;
    if (next != seen && cvb_cas32(told, seen, next))
        tell_of_flag(h, flag, CVB_EVENT_REFUSED, (uint32_t)-error);
}

CVB_RARE void cvb_flag_tell_dead_letter(struct cvb_handle *h, uint32_t stage, uint32_t source, uint32_t records)
{
    uint32_t *told = &h->flags[cvb_flag_of_data(stage)].told, seen = cvb_load32_rlx(told), next = cvb_event_tick();
    if (next != seen && cvb_cas32(told, seen, next))
        cvb_event(h, &(struct cvb_event){.kind = CVB_EVENT_DEAD_LETTER,
                                         .stage = stage,
                                         .source = cvb_id_of_place(h, source),
                                         .after = records});
}
