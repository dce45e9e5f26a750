/* survey.c - a record moves from one unit to another while a survey looks for what is settled; the shipped position.c,
 * journal.c and survey.c.
 *
 * Unit FROM has the record, whose position is 1, leased by seat 0; position 2 was settled before. Seat 0 moves the
 * record to unit TO, at which a survey looks first, so that it may miss the record in both. With ACK it settles the
 * record in place of that. Checked: settled stays below what is live, and accepted forgets nothing (G1, G3, G7, G8).
 */
#include "segment.h"

enum { TO, FROM, LOOKED_AT };

static struct cvb_survey survey;
static struct cvb_stand stands[SOURCES];
static struct cvb_moved moved[SEATS + 1][SOURCES];
static struct cvb_found found[SEATS][SOURCES];

uint64_t cvb_monotonic_ns(void) { return UINT64_C(1) << 40; }

#include <journal.c>
#include <position.c>
#include <survey.c>

static void *move(void *argument)
{
    struct cvb_handle *h = &handles[0];
    const struct cvb_pair w = cvb_load_pair(&units[FROM].word), to = cvb_load_pair(&units[TO].word);
    const struct cvb_span span = cvb_span_of(h, FROM, 1);
    struct cvb_journal f = {.unit = FROM, .to_unit = TO};
    (void)argument;
    f.low = span.lowest;
    cvb_row_high(h, &span);
    cvb_journal_open(h, CVB_OP_MOVE, &f);
    cvb_row_low(h, &span);
    cvb_cas_pair(&units[FROM].word, w, (struct cvb_pair){w.lo, w.hi & ~UINT64_C(0xffffffff)});
    cvb_cas_pair(&units[TO].word, to, (struct cvb_pair){cvb_lo_generation(CVB_LEASED, 2), cvb_hi(1, 1, 0, 0)});
    cvb_journal_close(h);
    return NULL;
}

/* As cvb_park does. */
static void *ack(void *argument)
{
    struct cvb_handle *h = &handles[0];
    const struct cvb_span span = cvb_span_of(h, FROM, 1);
    (void)argument;
    cvb_row_high(h, &span);
    cvb_store64_rel(&units[FROM].word.lo, cvb_lo_generation(CVB_IDLE, 5));
    return NULL;
}

/* What make_survey and cvb_accepted do, of one source and of what there is: GenMC does not know the loops over all. */
static void *look(void *argument)
{
    struct cvb_handle *h = &handles[(uintptr_t)argument];
    found[1][0].lowest = CVB_NO_POSITION;
#ifndef ACK
    uint64_t k;
    if (!begin(h, &k))
        return NULL;
    found[1][0].bound = cvb_highest_gone(h, 0);
    struct cvb_journal f = {0};
    uint64_t head;
    if (cvb_journal_read(h, 0, &head, &f)) /* nobody else changes the head, so one that changes is closed */
        count_low(&found[1][0], f.low);
#endif
    look_at_unit(h, TO, 1);
    look_at_unit(h, FROM, 1);
#ifdef ACK
    const uint64_t gone = cvb_highest_gone(h, 0);
    assert(gone == 1 || found[1][0].highest == 1);
#else
    look_at_rows(h, 1, k);
    assert(cvb_load64_acq(&survey.number) == k);
    publish(h, 0);
    assert(stands[0].settled < 1);
#endif
    return NULL;
}

int main(void)
{
    pthread_t thread[2];
    unsigned n = 0;
    model_handles();
    for (uint32_t s = 0; s < SEATS; s++) {
        handles[s].survey = &survey;
        handles[s].stands = stands;
        handles[s].found = found[s];
        handles[s].segment.geometry.moved = (uint64_t)((char *)moved - (char *)seats);
        handles[s].segment.geometry.unit_count = LOOKED_AT;
        handles[s].segment.settings.max_handles = 2; /* whose rows and journals are looked at */
    }
    model_word(FROM, CVB_LEASED, 0, 1, 1, 0);
    model_word(TO, CVB_HELD, 1, 1, 0, 0);
    units[FROM].first = units[TO].first = 1;
    survey.number = 1;
#ifndef ACK
    tallies[1][STAGES].n[CVB_N_HIGH] = 2;
    pthread_create(&thread[n++], NULL, move, NULL);
#else
    pthread_create(&thread[n++], NULL, ack, NULL);
#endif
    pthread_create(&thread[n++], NULL, look, (void *)1);
    while (n)
        pthread_join(thread[--n], NULL);
    return 0;
}
