/* crash.h - the dead are found, what they had begun is completed, and what is at work is counted. */
#ifndef CVB_LIB_CRASH_H
#define CVB_LIB_CRASH_H

#include "ring/delay.h"
#include "ring/ring.h"

/* complete.c: the operation in a dead seat's journal is completed or undone. */
int cvb_journal_recover(struct cvb_handle *h, uint32_t dead, uint64_t state);

/* recover.c: a dead seat's units are nobody's again; the records that it had leased are delivered again. */
int cvb_recover_seat(struct cvb_handle *h, uint32_t dead, uint64_t state);
int cvb_recover_reserved(struct cvb_handle *h);
int cvb_seat_dead(struct cvb_handle *h, uint32_t seat, uint64_t *state);
int cvb_owner_dead(struct cvb_handle *h, uint32_t seat, uint64_t *state);
int cvb_recover_some(struct cvb_handle *h);
bool cvb_recover_at_times(struct cvb_handle *h, bool busy);
bool cvb_refused_by_dead(struct cvb_handle *h, int error, bool *looked);
/* The most calls between two looks at the coarse clock (7 ns), of calls that read no clock for another reason. A handle
 * whose calls become slow looks in each call after this many. */
#ifndef CVB_RECOVER_CALLS
#define CVB_RECOVER_CALLS 8u
#endif
/* True if it is time to look at the clock. All calls that put, take or settle ask: a process that is always busy
 * neither waits nor is refused, and must notice dead peers too. */
static inline bool cvb_recover_due(struct cvb_handle *h) { return ++h->calls >= h->calls_due; }
static inline void cvb_recover_if_due(struct cvb_handle *h)
{
    if (__builtin_expect(cvb_recover_due(h), 0))
        cvb_recover_at_times(h, true);
}
/* The next call looks at the clock. */
static inline void cvb_recover_soon(struct cvb_handle *h) { h->calls_due = 0; }

/* lookout.c: one of the sleepers wakes from time to time and looks for the dead. */
uint64_t cvb_lookout_slice(struct cvb_handle *h);
bool cvb_lookout_promise(struct cvb_handle *h, uint64_t now);
void cvb_lookout_leave(struct cvb_handle *h);
int cvb_lookout_look(struct cvb_handle *h);
void cvb_wake_sleepers(struct cvb_handle *h);

/* survey.c */
int cvb_survey(struct cvb_handle *h);
uint64_t cvb_highest_gone(struct cvb_handle *h, uint32_t source);
uint64_t cvb_accepted(struct cvb_handle *h, uint32_t source, uint64_t *live);
void cvb_accepted_all(struct cvb_handle *h, uint32_t sources);
uint32_t cvb_named_sources(struct cvb_handle *h);

/* pending.c */
struct cvb_pending {
    uint32_t unit; /* whose word is taken for `word`; CVB_NO_UNIT: no unit's */
    struct cvb_pair word;
    struct {
        uint32_t counter, n;
    } credit[3];
    unsigned credits;
    uint64_t head;
};
uint32_t cvb_pending_all(struct cvb_handle *h);
struct cvb_pair cvb_pending_word(struct cvb_handle *h, uint32_t u, uint32_t n);

#endif
