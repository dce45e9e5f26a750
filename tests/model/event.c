/* event.c - one writes two events, or (with TWO) two write one each, into a ring with a single slot, while another
 * reads event number EVENT; with KILL a writer that died had begun before. The shipped event.c and events.c.
 *
 * Checked: an event is read as a whole, and is the one of its number; a slot that a dead writer had is taken.
 */
#include "segment.h"

#include <string.h>
#include <unistd.h>

static __thread uint64_t saying; /* what an event that is written says, in both its words */
/* Of an event's words only two are written and read, at_ns and after: each more makes twice as many executions, or
 * three times as many. And its struct is without text: GenMC takes no memset of a part of a struct. */
struct model_event {
    uint64_t number, at_ns;
    uint32_t kind, code;
    int32_t pid;
    uint32_t stage, source;
    uint64_t before, after;
    char *text;
};
#define cvb_event model_event
#define cvb_event_next_sized model_event_next_sized
#undef CVB_REASON_WORDS
#define CVB_REASON_WORDS 0u
#define strnlen(text, n) 0
#define memcpy(to, from, n) (void)0
#define getpid() 0
#define cvb_event_tick shipped_event_tick
#define cvb_event_set shipped_event_set
#define cvb_store32_rlx(at, value) (void)(value)
#define cvb_load32_rlx(at) 0
#define model_is_left_out(at) ((const void *)(at) == &events.slot[0].before)
#define cvb_store64_rlx(at, value) (model_is_left_out(at) ? (void)0 : (cvb_store64_rlx)(at, value))
#define cvb_load64_rlx(at) (model_is_left_out(at) ? 0 : (cvb_load64_rlx)(at))
#define cvb_load_text shipped_load_text
#include <event.c>
#undef cvb_load_text
#define cvb_load_text(words, text) (void)0
#include <events.c>

uint64_t cvb_now_ns(void) { return saying; }

static void write_one(uint32_t me, uint64_t what)
{
    const struct model_event e = {.after = what};
    saying = what;
    cvb_event(&handles[me], &e);
}

static void *tell(void *argument)
{
    write_one(0, 2);
#ifndef TWO
    write_one(0, 3);
#endif
    return argument;
}

#ifdef TWO
static void *tell_too(void *argument)
{
    write_one(1, 3);
    return argument;
}
#endif

#ifdef KILL
static void *die(void *argument)
{
    model_left = KILL;
    write_one(2, 9);
    return argument;
}
#endif

static void *look(void *argument)
{
    struct model_event e;
    if (read_event(&events.slot[0], (uint64_t)argument, CVB_EVENT_TURNS, &e)) {
        assert(e.at_ns == e.after);
#if !defined TWO && !defined KILL
        assert(e.at_ns == e.number + 1);
#endif
    }
    return argument;
}

int main(void)
{
    pthread_t thread[3];
    struct cvb_event_slot *slot = &events.slot[0];
    model_handles();
    for (uint32_t s = 0; s < SEATS; s++) {
        handles[s].events = (void *)&events;
        handles[s].entered = seats[s].state = 1;
    }
    events.next = 1;
    slot->at_ns = slot->after = 1;
    *(uint64_t *)(void *)&slot->word =
        model_pack(&slot->word, (struct cvb_pair){cvb_written_lo(0, CVB_WRITTEN_DONE), cvb_writer(1, 0, 0)});
#ifdef KILL
    pthread_create(&thread[0], NULL, die, NULL);
    pthread_join(thread[0], NULL);
    seats[2].state = 2; /* the seat was recovered */
#endif
    pthread_create(&thread[0], NULL, tell, NULL);
    pthread_create(&thread[1], NULL, look, (void *)EVENT);
#ifdef TWO
    pthread_create(&thread[2], NULL, tell_too, NULL);
    pthread_join(thread[2], NULL);
#endif
    for (int i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
    const uint64_t lo = cvb_load64_acq(&slot->word.lo);
    assert((lo & 3) == CVB_WRITTEN_DONE);
    assert(slot->at_ns == slot->after);
    assert(slot->at_ns >= 2 && slot->at_ns <= 3);
    return 0;
}
