/* seats.c - a dead seat is recovered by one, freed, and taken by a new owner, who begins to work, while another
 * recovers it, too, and comes late; the shipped recover.c, journal.c and seat.c.
 *
 * The new owner holds a unit, or with GIVE opens a journal. Checked: who comes late leaves that alone (S1), and no
 * operation of the seat has a number that it had before.
 */
#include "segment.h"

/* The part of shm/system.h that the files below name. */
#define CVB_SHM_SYSTEM_H
static struct {
    void *(*map)(void *at, size_t size, int protection, int flags, int fd, long offset);
    int (*unmap)(void *at, size_t size);
    int (*advise)(void *at, size_t size, int advice);
    void *(*allocate)(size_t count, size_t size);
    void (*release)(void *memory);
} cvb_system;
static int cvb_guard(void) { return 0; }
static void cvb_unguard(int before) { (void)before; }

#define pid_t int
#define getpid() 7
#include <complete.c>
#include <journal.c>
#include <memory.c>
#include <recover.c>
#include <seat.c>

static unsigned locks; /* a bit for each number's; of the kernel, whose question takes a lock of its own */

static unsigned bit_of(uint64_t number) { return 1u << number / 2; }

int cvb_lock_number(struct cvb_handle *h, uint64_t number)
{
    return (void)h, (__atomic_fetch_or(&locks, bit_of(number), __ATOMIC_ACQ_REL) & bit_of(number)) != 0;
}
int cvb_look_begin(struct cvb_handle *h) { return (void)h, 1; }
bool cvb_look_confirm(struct cvb_handle *h) { return (void)h, true; }
int cvb_number_locked(struct cvb_handle *h, uint64_t number)
{
    return (void)h, (__atomic_fetch_or(&locks, 0, __ATOMIC_ACQ_REL) & bit_of(number)) != 0;
}
int cvb_publish_helped(struct cvb_handle *h, uint32_t u, struct cvb_pair w) { return (void)h, (void)u, (void)w, 0; }
int cvb_enqueue(struct cvb_handle *h, uint32_t u, struct cvb_pair from, unsigned stage, uint64_t tries)
{
    return (void)h, (void)u, (void)from, (void)stage, (void)tries, CVB_ECORRUPT;
}
int cvb_release_unit(struct cvb_handle *h, uint32_t u, uint32_t unused) { return (void)h, (void)u, (void)unused, 0; }
void cvb_idle_enter(struct cvb_handle *h) { (void)h; }
uint64_t cvb_monotonic_ns(void) { return 0; }
uint64_t cvb_coarse_ns(void) { return 0; }

#ifdef GIVE
#define OWNED CVB_RES
#else
#define OWNED CVB_HELD
#endif

static void *recover_and_enter(void *argument)
{
    struct cvb_handle *h = &handles[0];
    struct cvb_pair mine = {cvb_lo_generation(OWNED, 2), cvb_hi(1, OWNED == CVB_RES, 0, 0)};
    (void)argument;
    assert(cvb_recover(&handles[1]) >= 0);
    assert(!take_number(h) && !take_seat(h, try_free));
    assert(h->seq == 5);
    struct cvb_pair w = cvb_load_pair(&units[0].word);
    assert(cvb_cas_pair(&units[0].word, w, mine)); /* unit.c, credit.c */
#ifdef GIVE
    struct cvb_journal f = {.before = mine, .after = w, .count = 1, .stage = 1};
    cvb_journal_open(h, CVB_OP_GIVE, &f);
#endif
    return NULL;
}

static void *recover(void *argument)
{
    (void)argument;
    assert(cvb_recover(&handles[2]) >= 0);
    return NULL;
}

int main(void)
{
    static const uint32_t here = 1;
    pthread_t thread[2];
    model_handles();
    for (uint32_t s = 0; s < SEATS; s++) {
        handles[s].same_process = &here;
        handles[s].segment.settings.max_handles = 1; /* seats that are looked at */
        handles[s].segment.geometry.unit_count = 1;
    }
    seats[0].state = 3;
    lookout.attaches = 2;
    seats[0].journal.head = cvb_head(5, CVB_OP_NONE, CVB_CLOSED, 0);
#ifdef GIVE
    model_word(0, CVB_FREE, 2, 1, 0, 0);
#else
    model_word(0, CVB_HELD, 1, 1, 0, 0);
#endif
    pthread_create(&thread[0], NULL, recover_and_enter, NULL);
    pthread_create(&thread[1], NULL, recover, NULL);
    for (int i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
    assert(cvb_lo_state(cvb_load64_rlx(&units[0].word.lo)) == OWNED && seats[0].state == 5);
    return 0;
}
