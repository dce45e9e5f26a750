/* wake.h - the flags, which are futex words: where they lie, what they show, and waking the sleepers on them; and what
 * is given by hand. */
#ifndef CVB_LIB_WAKE_H
#define CVB_LIB_WAKE_H

#include "place/event.h"

/* Flags: LAYOUT.md has the order. */
#define CVB_FLAG_TOTAL 0u
#define CVB_FLAG_MEMORY 1u
#define CVB_FLAG_ANY 2u
static inline uint32_t cvb_flag_of_data(uint32_t stage) { return 3 + stage; }
static inline uint32_t cvb_flag_of_room(struct cvb_handle *h, uint32_t stage)
{
    return 3 + h->segment.settings.max_stages + stage;
}
static inline uint32_t cvb_flag_of_source(struct cvb_handle *h, uint32_t source)
{
    return 3 + 2 * h->segment.settings.max_stages + (uint16_t)source; /* its place, or its id */
}
static inline uint32_t cvb_flag_count(struct cvb_handle *h)
{
    return cvb_flag_of_source(h, h->segment.settings.max_sources);
}
/* The last flag, which belongs to no limit and to no stage. The lookout sleeps on it as well: it is woken if something
 * is due sooner than it knew. */
static inline uint32_t cvb_flag_of_time(struct cvb_handle *h) { return cvb_flag_count(h); }
static inline uint32_t *cvb_flag_at(struct cvb_handle *h, uint32_t flag) { return &h->flags[flag].word; }

#define CVB_FLAG_PAUSED 1u
#define CVB_FLAG_WAITERS 2u /* a process sleeps on this word */
/* A process sleeps on the word of CVB_FLAG_ANY instead, because its kernel has no futex_waitv. */
#define CVB_FLAG_WAITERS_ANY 4u
#define CVB_FLAG_WAITERS_EITHER (CVB_FLAG_WAITERS | CVB_FLAG_WAITERS_ANY)
#define CVB_FLAG_NEAR 8u   /* not paused, but idle units keep the counter at its high watermark: level.c */
#define CVB_FLAG_WOKEN 16u /* no sleep was announced since the last waker: flag.c */
#define CVB_FLAG_OVER 32u  /* the limit was lowered below the credits in use: limit.c */
#define CVB_FLAG_LEVEL (CVB_FLAG_PAUSED | CVB_FLAG_NEAR | CVB_FLAG_OVER)
#define CVB_FLAG_ROOM 64u /* a process sleeps until one record less is there, whatever the level says */
#define CVB_FLAG_SLEEPERS (CVB_FLAG_WAITERS_EITHER | CVB_FLAG_ROOM)
#define CVB_FLAG_BITS 127u
#define CVB_FLAG_ONE 128u /* of the count */

/* flag.c: up to `most` sleepers on a flag are woken. */
uint32_t cvb_flag_of(struct cvb_handle *h, uint32_t counter);
#define CVB_WAKE_ALL ((uint32_t)INT32_MAX)
void cvb_flag_wake(struct cvb_handle *h, uint32_t flag, uint32_t most);
void cvb_flag_wake_any(struct cvb_handle *h);
/* With this bit a number means the flag's second word: processes that a signal or a hold by hand stops sleep on it. */
#define CVB_FLAG_BY_HAND (UINT32_C(1) << 31)
static inline uint32_t *cvb_flag_word(struct cvb_handle *h, uint32_t flag)
{
    struct cvb_flag *f = &h->flags[flag & ~CVB_FLAG_BY_HAND];
    return flag & CVB_FLAG_BY_HAND ? &f->hand : &f->word;
}
void cvb_hand_wake(struct cvb_handle *h, uint32_t flag);
/* Records events of a flag, once in a while. */
void cvb_flag_tell_level(struct cvb_handle *h, uint32_t flag, bool paused);
void cvb_flag_tell_refusal(struct cvb_handle *h, uint32_t flag, int error);
void cvb_flag_tell_dead_letter(struct cvb_handle *h, uint32_t stage, uint32_t source, uint32_t records);

/* hand.c */
static inline uint32_t cvb_given_signal(uint64_t given) { return (uint32_t)given & 3; }
static inline uint32_t cvb_given_delay(uint64_t given) { return (uint32_t)(given >> 2) & 0xffff; }
static inline bool cvb_given_pauses(uint64_t given) { return cvb_given_signal(given) == CVB_SIGNAL_PAUSE; }
uint64_t cvb_given(struct cvb_handle *h, uint32_t flag);
/* True if a signal by hand says pause; of a stage's data: if the stage is held. */
static inline bool cvb_hand_pauses(struct cvb_handle *h, uint32_t flag)
{
    return cvb_given_pauses(cvb_load64_acq(&h->flags[flag].given)) &&
           (flag < cvb_flag_of_source(h, 0) || cvb_given_pauses(cvb_given(h, flag)));
}
/* Gives a signal by hand, or lifts it; lock-free. `source`: the id, if it is for a source. ECORRUPT. */
int cvb_hand_give(struct cvb_handle *h, uint32_t flag, uint32_t source, uint32_t signal, uint32_t delay_ms,
                  const char *text);
/* What is given now; 1 if its reason was read too, else 0. Changes nothing. ECORRUPT. */
int cvb_hand_read(struct cvb_handle *h, uint32_t flag, struct cvb_given *found);

/* futex.c: until_ns is of the monotonic clock; both waits may return early. */
enum cvb_slept {
    CVB_SLEPT_CHANGED, /* a word has changed, or may have */
    CVB_SLEPT_TIMED_OUT,
    CVB_SLEPT_INTERRUPTED, /* by cvb_wake, or by a signal that may: the wait ends */
    CVB_SLEPT_MISSING,     /* there is no futex_waitv; cvb_futex_has_waitv is false from now on */
    CVB_SLEPT_REFUSED      /* the system does not let it sleep; errno says why: the wait ends */
};
/* Wakes up to `most` sleepers on the word. Returns how many it has woken. */
uint32_t cvb_futex_wake(uint32_t *word, uint32_t most);
/* Sleeps on the common word, which serves all processes without futex_waitv. `value` was read before the caller looked
 * at what it waits for. */
enum cvb_slept cvb_futex_wait(struct cvb_handle *h, uint32_t *word, uint32_t value, uint64_t until_ns);
/* Sleeps on one or more words, at most CVB_WAIT_MAX + 1. */
enum cvb_slept cvb_futex_wait_any(struct cvb_handle *h, uint32_t *const *word, const uint32_t *value, size_t count,
                                  uint64_t until_ns);
bool cvb_is_woken(struct cvb_handle *h); /* True if cvb_wake was called; the call is then used up. */
bool cvb_futex_has_waitv(void);
void cvb_futex_forget_waitv(void); /* for tests */

#endif
