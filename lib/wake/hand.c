/* hand.c - what is given by hand: signals of the total, a stage or a source, and holds of a stage.
 *
 * Overview: each flag has a word `given`: which signal, its delay, and a reference to a reason, which says why, who and
 * since when. A signal of a stage stands at the flag of its room, a hold at that of its data. The word decides; the
 * reason is told to those who ask. A lifted one is 0.
 *
 *   given    signal:2 | delay_ms:16 | reason's number:17 | its generation:29
 *
 * How a reason is written: there are as many as flags and seats together. A process that gives a signal takes a reason
 * that no flag refers to (WRITTEN_NOW, with its seat), writes it, changes `given` by a CAS - the moment at which the
 * signal is given - and marks the reason WRITTEN_DONE. Nothing is ever freed: any process may take a reason that its
 * flag does not refer to, once it is DONE or its writer's seat has changed. So a writer that is killed or stopped
 * leaves the old signal or the new one, whole, and keeps at most one reason from others.
 *
 * Why a reader sees one reason and not halves of two: it reads `given`, the reason, and `given` again. A reason is
 * written only when its flag was seen not to refer to it, and no reference comes twice: its generation grows.
 *
 * A process that a signal or a hold stops sleeps on another futex word, `hand`, beside the flag's: so acks and puts
 * meanwhile do not wake it, and need not look. Why no wake-up is lost: as in flag.c, with `given` as the condition
 * (F1).
 */
#include <string.h>
#include <unistd.h>

#include "place/named.h"
#include "wake/wake.h"

#define REASON_LOOKS 100u
#define GENERATION_MASK ((UINT64_C(1) << 29) - 1)
#define REASON_MASK ((UINT64_C(1) << 17) - 1)

static uint32_t reason_of(uint64_t given) { return (uint32_t)(given >> 18 & REASON_MASK); }

static struct cvb_reason *reason_at(struct cvb_handle *h, uint32_t i) { return h->reasons + i; }

/* What is given of the flag: of a source, by a process that meant the name that its place has now. A process that is
 * late gives to a name that is retired. */
uint64_t cvb_given(struct cvb_handle *h, uint32_t flag)
{
    const uint64_t *word = &h->flags[flag].given;
    const uint32_t first = cvb_flag_of_source(h, 0);
    for (unsigned looks = 0; looks < REASON_LOOKS; looks++) {
        const uint64_t given = cvb_load64_acq(word);
        if (!given || flag < first || flag >= cvb_flag_count(h) || reason_of(given) >= h->segment.geometry.reason_count)
            return given;
        const uint32_t source = cvb_load32_rlx(&reason_at(h, reason_of(given))->source);
        cvb_fence_acq(); /* H2 */
        if (source == cvb_id_of_place(h, flag - first))
            return given;
        if (cvb_load64_acq(word) == given)
            return 0;
    }
    return 0;
}

/* True if the flag that the reason was written for refers to it. */
static bool is_referred_to(struct cvb_handle *h, uint32_t i, struct cvb_pair owner)
{
    const uint32_t flag = (uint32_t)(owner.hi & CVB_WRITER_PLACE);
    if (flag >= cvb_flag_count(h))
        return false;
    const uint64_t given = cvb_load64_acq(&h->flags[flag].given);
    return given && reason_of(given) == i && given >> 35 == (owner.lo >> 2 & GENERATION_MASK);
}

/* Takes a reason for the flag: *reason is its number, *mine what its word says then. The search begins at this seat's
 * number, where no other seat's does. */
static int take_reason(struct cvb_handle *h, uint32_t flag, uint32_t *reason, struct cvb_pair *mine)
{
    const uint32_t count = h->segment.geometry.reason_count;
    for (uint32_t n = 0; n < 2 * count; n++) {
        const uint32_t i = (h->seat + n) % count;
        struct cvb_pair *owner = &reason_at(h, i)->owner, w = cvb_load_pair(owner);
        const bool own = (w.hi & ~CVB_WRITER_PLACE) == cvb_writer(h->entered, h->seat, 0);
        if ((!own && cvb_is_being_written(h, w)) || is_referred_to(h, i, w))
            continue;
        *mine =
            (struct cvb_pair){cvb_written_lo((w.lo >> 2) + 1, CVB_WRITTEN_NOW), cvb_writer(h->entered, h->seat, flag)};
        *reason = i;
        if (cvb_cas_pair(owner, w, *mine))
            return 0;
    }
    return CVB_ECORRUPT; /* there are more than flags and writers need */
}

static void write_reason(struct cvb_reason *r, uint32_t source, const char *text)
{
    cvb_fence_rel(); /* a process that reads what follows sees that no flag refers to it (H2) */
    cvb_store64_rlx(&r->at_ns, cvb_now_ns());
    cvb_store64_rlx(&r->since_ns, cvb_monotonic_ns());
    cvb_store32_rlx(&r->pid, (uint32_t)getpid());
    cvb_store32_rlx(&r->source, source);
    cvb_store_text(r->text, text);
}

/* Changes what is given of the flag. If that says pause no more, wakes those who sleep because of it. */
static void replace(struct cvb_handle *h, uint32_t flag, uint64_t given)
{
    uint64_t *word = &h->flags[flag].given, before;
    do
        before = cvb_load64_acq(word);
    while (!cvb_cas64(word, before, given));
    if (!cvb_given_pauses(given))
        cvb_hand_wake(h, flag);
}

int cvb_hand_give(struct cvb_handle *h, uint32_t flag, uint32_t source, uint32_t signal, uint32_t delay_ms,
                  const char *text)
{
    uint32_t i;
    struct cvb_pair mine;
    if (signal == CVB_SIGNAL_NONE) {
        replace(h, flag, 0);
        return 0;
    }
    int error = take_reason(h, flag, &i, &mine);
    if (error)
        return error;
    write_reason(reason_at(h, i), source, text);
    replace(h, flag, signal | (uint64_t)delay_ms << 2 | (uint64_t)i << 18 | (mine.lo >> 2) << 35);
    cvb_cas_pair(&reason_at(h, i)->owner, mine,
                 (struct cvb_pair){cvb_written_lo(mine.lo >> 2, CVB_WRITTEN_DONE), mine.hi});
    return 0;
}

/* The reason that `given` refers to, as it is now. */
static void read_reason(struct cvb_reason *r, struct cvb_given *found)
{
    const uint64_t now = cvb_monotonic_ns(), since = cvb_load64_rlx(&r->since_ns);
    found->at_ns = cvb_load64_rlx(&r->at_ns);
    found->age_ns = now > since ? now - since : 0;
    found->pid = (int32_t)cvb_load32_rlx(&r->pid);
    cvb_load_text(r->text, found->reason);
}

/* Field by field: the model checker cannot follow a struct that is cleared as a whole. */
int cvb_hand_read(struct cvb_handle *h, uint32_t flag, struct cvb_given *found)
{
    uint64_t given = cvb_given(h, flag); /* H1 */
    for (unsigned looks = 0; looks < REASON_LOOKS; looks++) {
        found->signal = cvb_given_signal(given);
        found->delay_ms = cvb_given_delay(given);
        if (!given)
            return 0;
        if (found->signal > CVB_SIGNAL_PAUSE || reason_of(given) >= h->segment.geometry.reason_count)
            return CVB_ECORRUPT;
        read_reason(reason_at(h, reason_of(given)), found);
        cvb_fence_acq(); /* H2 */
        const uint64_t again = cvb_load64_acq(&h->flags[flag].given);
        if (again == given)
            return 1;
        given = again;
    }
    return 0; /* it was changed again and again: a signal is known, its reason is not */
}
