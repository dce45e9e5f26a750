/* hand.c - one sleeps because its stage is held (with SIGNAL: because its source is told to pause by hand), another
 * lets go of it; or, with REASON, one gives a signal twice while another reads it. The shipped hand.c, with flag.c and
 * wait.c.
 *
 * Checked: who sleeps although nothing is in its way any more is woken; a reason is read as a whole.
 */
#include "segment.h"

static __thread uint64_t saying, text_read; /* what a reason that is written says, in all its words; and of the text */
/* As struct cvb_given, without its text: GenMC takes no memset of a part of a struct. */
struct model_given {
    uint64_t at_ns, age_ns;
    char *reason;
    uint32_t signal, delay_ms;
    int32_t pid;
};
#define cvb_given model_given
#define cvb_hand_read model_hand_read
#define getpid() ((int)saying)
#include <hand.c>
#undef getpid
#undef cvb_given

#include <flag.c>
#include <sleep.c>
#include <wait.c>

/* There is always a record, and credits. */
int cvb_ring_has_data(struct cvb_handle *h, uint32_t stage) { return (void)h, (void)stage, 1; }
bool cvb_level_correct(struct cvb_handle *h, uint32_t counter, bool renew)
{
    return (void)h, (void)counter, (void)renew, false;
}

#ifdef REASON
uint64_t cvb_monotonic_ns(void) { return saying; }
uint64_t cvb_now_ns(void) { return saying; }
void cvb_store_text(uint64_t words[CVB_REASON_WORDS], const char *text)
{
    (void)text;
    cvb_store64_rlx(words, saying);
}
void cvb_load_text(const uint64_t words[CVB_REASON_WORDS], char text[CVB_REASON_MAX + 1])
{
    (void)text;
    text_read = cvb_load64_rlx(words);
}
#else
#include "sleeper.h"
uint64_t cvb_now_ns(void) { return 0; }
void cvb_store_text(uint64_t words[CVB_REASON_WORDS], const char *text) { (void)words, (void)text; }
void cvb_load_text(const uint64_t words[CVB_REASON_WORDS], char text[CVB_REASON_MAX + 1]) { (void)words, (void)text; }
#endif

static uint32_t flag(void)
{
#ifdef SIGNAL
    return cvb_flag_of_source(&handles[0], 0);
#else
    return cvb_flag_of_data(1);
#endif
}

static void *sleep_or_read(void *argument)
{
    (void)argument;
#ifdef REASON
    struct model_given g;
    assert(cvb_hand_read(&handles[1], flag(), &g) == 1);
    assert(g.at_ns >= 1 && g.at_ns <= 3 && g.pid == (int)g.at_ns && text_read == g.at_ns);
#elif defined SIGNAL
    struct cvb_wait w = {.look = look_for_credits, .flags = flags_of_credits, .class = CVB_NO_CLASS, .count = 1};
    w.counter[0] = cvb_counter_of_source(&handles[1], 0);
    cvb_sleep_once(&handles[1], &w, 0, false);
#else
    static const uint32_t stage = 1;
    struct cvb_wait w = {
        .look = look_for_data, .flags = flags_of_data, .stages = &stage, .count = 1, .any_brings_it = true};
    cvb_sleep_once(&handles[1], &w, 0, false);
#endif
    return NULL;
}

static void *give(void *argument)
{
    (void)argument;
#ifdef REASON
    for (saying = 2; saying <= 3; saying++)
        assert(!cvb_hand_give(&handles[0], flag(), CVB_NO_SOURCE, CVB_SIGNAL_PAUSE, 0, ""));
#else
    assert(!cvb_hand_give(&handles[0], flag(), CVB_NO_SOURCE, CVB_SIGNAL_NONE, 0, ""));
#endif
    return NULL;
}

int main(void)
{
    pthread_t thread[2];
    model_handles();
    handles[0].entered = 1;
    seats[0].state = 1;
    flags[flag()].given = CVB_SIGNAL_PAUSE | UINT64_C(1) << 35; /* reason 0, of generation 1 */
    reasons[0].at_ns = reasons[0].since_ns = reasons[0].pid = reasons[0].text[0] = 1;
    *(uint64_t *)(void *)&reasons[0].owner =
        model_pack(&reasons[0].owner, (struct cvb_pair){cvb_written_lo(1, CVB_WRITTEN_DONE), cvb_writer(1, 0, flag())});
    pthread_create(&thread[0], NULL, sleep_or_read, NULL);
    pthread_create(&thread[1], NULL, give, NULL);
    for (int i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
#ifndef REASON
    assert(!asleep || __atomic_load_n(slept_on, __ATOMIC_RELAXED) != slept_value);
#endif
    return 0;
}
