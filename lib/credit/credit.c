/* credit.c - taking and giving back the credits of a unit's records.
 *
 * Why it is correct: a counter's tag says which operation changed it last, and at which step. Before a process
 * overwrites a tag it sets the step's bit in that operation's journal, if the journal is still open. So "the step
 * happened" is always visible, in the counter or in the journal's head (C1).
 */
#include "credit/credit.h"

static uint64_t tag_of(uint32_t seat, uint64_t seq, unsigned step)
{
    return (uint64_t)(seat + 1) << 53 | (seq & ((UINT64_C(1) << 50) - 1)) << 3 | step;
}

/* Before a counter's tag is overwritten: its step is noted in the journal of the operation that it names (C1). */
static void keep_evidence(struct cvb_handle *h, uint64_t tag)
{
    uint32_t seat = (uint32_t)(tag >> 53) - 1;
    uint64_t seq = tag >> 3 & CVB_SEQ_MASK;
    unsigned bit = 1u << (tag & 7);
    if (!tag || seat == h->seat || seat > h->segment.settings.max_handles)
        return;
    uint64_t *head = &cvb_seat_at(h, seat)->journal.head;
    for (;;) {
        uint64_t now = cvb_load64_acq(head);
        if (cvb_head_seq(now) != seq || cvb_head_phase(now) == CVB_CLOSED || (cvb_head_done(now) & bit))
            return;
        if (cvb_cas64(head, now, now | (uint64_t)bit << 56))
            return;
    }
}

static bool is_take(enum cvb_step step) { return step <= CVB_TAKE_STAGE; }

/* Of a source, the total, or a stage: 0, 1, 2. */
static unsigned limit_of_step(enum cvb_step step) { return step == CVB_BACK_TO_STAGE ? 2 : (unsigned)step % 3; }

static const int refusals[] = {CVB_ESOURCE_FULL, CVB_ETOTAL_FULL, CVB_ESTAGE_FULL};

/* The counter that a step changes; none for the stage of dead letters, nor for the source of one: it has given its
 * source's credit back, and takes one again when it leaves. */
static uint32_t counter_of_step(struct cvb_handle *h, enum cvb_step step, const struct cvb_journal *f)
{
    uint32_t stage = step == CVB_TAKE_STAGE || step == CVB_BACK_TO_STAGE ? f->to_stage : f->stage;
    switch (limit_of_step(step)) {
    case 0:
        return f->stage || f->to_stage ? cvb_counter_of_source(h, f->source) : CVB_NO_COUNTER;
    case 1:
        return CVB_COUNTER_TOTAL;
    default:
        return stage == CVB_STAGE_DEAD_LETTER ? CVB_NO_COUNTER : cvb_counter_of_stage(stage);
    }
}

static struct cvb_pair *word_of_step(struct cvb_handle *h, enum cvb_step step, uint32_t counter)
{
    struct cvb_counter *c = cvb_counter_at(h, counter);
    return is_take(step) ? &c->taken : &c->returned;
}

/* True if the step of operation (actor, seq) has happened, as far as this moment shows. *counter: the counter that the
 * step changes; false also if it changes none. Reads only: for the audit. */
bool cvb_step_happened(struct cvb_handle *h, uint32_t actor, uint64_t seq, enum cvb_step step,
                       const struct cvb_journal *f, uint32_t *counter)
{
    *counter = counter_of_step(h, step, f);
    if (*counter == CVB_NO_COUNTER)
        return false;
    uint64_t tag = cvb_load_pair(word_of_step(h, step, *counter)).hi;
    uint64_t head = cvb_load64_acq(&cvb_seat_at(h, actor)->journal.head);
    return tag == tag_of(actor, seq, step) || (cvb_head_seq(head) == seq && (cvb_head_done(head) >> step & 1));
}

/* Adds n credits to a counter's word, which gets the tag. */
static void add_step(struct cvb_handle *h, struct cvb_pair *word, uint32_t n, uint64_t tag)
{
    struct cvb_pair w;
    do {
        w = cvb_load_pair(word);
        keep_evidence(h, w.hi);
    } while (!cvb_cas_pair(word, w, (struct cvb_pair){w.lo + n, tag}));
}

/* A step of the operation that this handle's journal has open: takes credits. 0, or CVB_E*_FULL if the counter's limit
 * refuses them. */
int cvb_take_credits(struct cvb_handle *h, enum cvb_step step, const struct cvb_journal *f)
{
    const unsigned x = limit_of_step(step);
    const uint32_t counter = counter_of_step(h, step, f);
    if (counter == CVB_NO_COUNTER)
        return 0;
    struct cvb_counter *c = cvb_counter_at(h, counter);
    for (;;) {
        struct cvb_pair w = cvb_load_pair(&c->taken);
        uint64_t back = cvb_load64_acq(&c->returned.lo);
        const struct cvb_marks *marks = cvb_marks_of(h, counter); /* after `taken`: else the CAS fails (L1) */
        const uint32_t high = marks->high;
        const int64_t used = (int64_t)(w.lo + f->count - back);
        if (used > (int64_t)marks->limit)
            return refusals[x];
        keep_evidence(h, w.hi);
        if (!cvb_cas_pair(&c->taken, w, (struct cvb_pair){w.lo + f->count, tag_of(h->seat, h->seq, step)}))
            continue;
        if (used >= high)
            h->at_high |= 1u << x;
        return 0;
    }
}

/* A step of the operation that this handle's journal has open: gives credits back. */
void cvb_return_credits(struct cvb_handle *h, enum cvb_step step, const struct cvb_journal *f)
{
    const uint32_t counter = counter_of_step(h, step, f);
    if (counter == CVB_NO_COUNTER)
        return;
    add_step(h, &cvb_counter_at(h, counter)->returned, f->count, tag_of(h->seat, h->seq, step));
    cvb_level_returned(h, counter, f->count);
}

/* A recoverer asks for a step of the dead owner's operation `seq`, and does it if it gives credits back. 1: the step
 * has happened, by this call or before; 0: it has not, because a recoverer takes no credits; CVB_ESETTLED: the
 * operation is over. */
int cvb_recover_credits(struct cvb_handle *h, uint32_t dead, uint64_t seq, enum cvb_step step,
                        const struct cvb_journal *f)
{
    const uint32_t counter = counter_of_step(h, step, f);
    if (counter == CVB_NO_COUNTER)
        return 1;
    struct cvb_pair *word = word_of_step(h, step, counter);
    uint64_t tag = tag_of(dead, seq, step), *head = &cvb_seat_at(h, dead)->journal.head;
    for (;;) {
        struct cvb_pair w = cvb_load_pair(word);
        uint64_t now = cvb_load64_acq(head);
        if (cvb_head_seq(now) != seq || cvb_head_phase(now) == CVB_CLOSED)
            return CVB_ESETTLED;
        if (w.hi == tag || (cvb_head_done(now) >> step & 1))
            break;
        if (is_take(step))
            return 0;
        keep_evidence(h, w.hi);
        if (cvb_cas_pair(word, w, (struct cvb_pair){w.lo + f->count, tag}))
            break;
    }
    cvb_level_returned(h, counter, f->count); /* the dead owner may have died before it did so */
    return 1;
}

/* Gives the counter another tag and the same credits. So the CAS of a process that had read the counter and its limit
 * before fails, and that process reads both again (L1). */
void cvb_counter_renew(struct cvb_handle *h, uint32_t counter)
{
    const struct cvb_journal nothing = {0};
    cvb_journal_open(h, CVB_OP_LIMIT, &nothing); /* for a tag that nobody has had */
    add_step(h, &cvb_counter_at(h, counter)->taken, 0, tag_of(h->seat, h->seq, CVB_LIMIT_SET));
    cvb_journal_close(h);
}

/* How many records of a source all limits together would let into the stage now. *refusal: the error of the limit that
 * has least room. *below: how many records would leave all counters below their high watermarks. */
uint32_t cvb_room_at_limits(struct cvb_handle *h, uint32_t source, uint32_t stage, uint32_t *below, int *refusal)
{
    uint32_t which[3];
    cvb_counters_of(h, source, stage, which);
    int64_t least = INT64_MAX, least_below = INT64_MAX;
    for (unsigned x = 0; x < 3; x++) {
        const struct cvb_marks *marks = cvb_marks_of(h, which[x]);
        int64_t used = cvb_counter_used(h, which[x]), room = marks->limit - used, room_below = marks->high - 1 - used;
        if (room < least) {
            least = room;
            *refusal = refusals[x];
        }
        if (room_below < least_below)
            least_below = room_below;
    }
    *below = least_below < 0 ? 0 : (uint32_t)least_below;
    return least < 0 ? 0 : (uint32_t)least;
}

static void give_back(struct cvb_handle *h, const struct cvb_journal *f, unsigned takes)
{
    for (unsigned x = 0; x < 3; x++)
        if (takes >> x & 1)
            cvb_return_credits(h, (enum cvb_step)(CVB_BACK_SOURCE + x), f);
}

/* A unit HELD by this seat becomes RES, with credits of its source, of the total, and of the stage. If a limit refuses
 * them, the error names the limit and the unit stays HELD. */
int cvb_refill(struct cvb_handle *h, uint32_t u, uint32_t stage)
{
    struct cvb_unit *unit = cvb_unit_at(h, u);
    struct cvb_pair w = cvb_load_pair(&unit->word);
    uint32_t mask = cvb_hi_mask(w.hi);
    struct cvb_journal f = {.unit = u, .before = w, .count = cvb_mask_count(mask), .stage = (uint16_t)stage};
    f.to_stage = f.stage;
    f.source = cvb_load16_rlx(&unit->source);
    if (f.source >= h->segment.settings.max_sources)
        return CVB_ECORRUPT;
    cvb_journal_open(h, CVB_OP_REFILL, &f);
    for (unsigned step = CVB_TAKE_SOURCE; step <= CVB_TAKE_STAGE; step++) {
        int error = cvb_take_credits(h, (enum cvb_step)step, &f);
        if (!error)
            continue;
        unsigned taken = (1u << step) - 1;
        cvb_store64_seq(&cvb_seat_at(h, h->seat)->journal.head, cvb_head(h->seq, CVB_OP_REFILL, CVB_ABORT, taken));
        give_back(h, &f, taken);
        cvb_journal_close(h);
        return error;
    }
    struct cvb_pair reserved = {cvb_lo_generation(CVB_RES, cvb_lo_number(w.lo)), cvb_hi(mask, stage, h->seat, 0)};
    if (!cvb_cas_pair(&unit->word, w, reserved))
        return cvb_corrupt_at_work(h);
    cvb_journal_close(h);
    return 0;
}

/* A unit that is RES or LEASED by this seat becomes FREE, and its credits come back. A lease is settled as soon as the
 * journal is open. */
CVB_RARE int cvb_give(struct cvb_handle *h, uint32_t u)
{
    struct cvb_unit *unit = cvb_unit_at(h, u);
    struct cvb_pair w = cvb_load_pair(&unit->word);
    uint64_t next = cvb_load64_rlx(&unit->generation) + 1;
    struct cvb_pair freed = {cvb_lo_generation(CVB_FREE, next), cvb_hi(cvb_hi_mask(w.hi), 0, 0, 0)};
    struct cvb_journal f = {.unit = u, .before = w, .after = freed, .count = cvb_mask_count(cvb_hi_mask(w.hi))};
    f.stage = (uint16_t)cvb_hi_stage(w.hi);
    f.source = cvb_load16_rlx(&unit->source);
    bool mine = cvb_hi_seat(w.hi) == h->seat && (cvb_lo_state(w.lo) == CVB_RES || cvb_lo_state(w.lo) == CVB_LEASED);
    if (!mine || f.stage >= h->segment.settings.max_stages || f.source >= h->segment.settings.max_sources)
        return CVB_ECORRUPT;
    cvb_journal_open(h, CVB_OP_GIVE, &f);
    if (!cvb_cas_pair(&unit->word, w, freed))
        return cvb_corrupt_at_work(h);
    cvb_set_free_hint(h, u);
    give_back(h, &f, 7);
    cvb_journal_close(h);
    return 0;
}
