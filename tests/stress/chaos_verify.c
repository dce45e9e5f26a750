/* chaos_verify.c - the ledger's rules, and what must hold when a round is over (chaos.h says why). */
#include "chaos.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void chaos_violation(const char *format, ...)
{
    va_list list;
    if (__atomic_fetch_add(&chaos->violations, 1, __ATOMIC_SEQ_CST))
        return;
    va_start(list, format);
    vsnprintf(chaos->first_violation, sizeof chaos->first_violation, format, list);
    va_end(list);
}

uint32_t *chaos_entry(const struct cvb_lease *l)
{
    struct item item;
    if (l->length < ITEM_LEAST || l->length > sizeof item) {
        chaos_violation("a record of length %u", l->length);
        return NULL;
    }
    memcpy(&item, l->payload, l->length);
    uint32_t check = (uint32_t)item.number * 2654435761u ^ item.producer ^ l->length << 16;
    bool good = item.producer < PRODUCERS && item.number < RECORDS && item.check == check && l->source == item.producer;
    for (uint32_t i = ITEM_LEAST; good && i < l->length; i++)
        good = item.filling[i - ITEM_LEAST] == (unsigned char)check;
    if (good)
        return &chaos->ledger[item.producer][item.number];
    chaos_violation("a record whose bytes are not those that were put: (%u, %llu)", item.producer,
                    (unsigned long long)item.number);
    return NULL;
}

void chaos_seen(const struct cvb_lease *l, unsigned level)
{
    uint32_t *entry = chaos_entry(l);
    if (!entry)
        return;
    uint32_t before = chaos_mark(entry, level == 1 ? SEEN | SEEN_IN_SINK : SEEN);
    if (!(before & TRIED))
        chaos_violation("a record that was not put");
    if (before & ACKED)
        chaos_violation("a record after its ack");
    if (level == 0 && (before & (PASSED | SEEN_IN_SINK)))
        chaos_violation("a record in the first stage after its forward");
    if (level == 2) { /* from here it may go to the sink anew */
        __atomic_fetch_and(entry, ~(0xffu << COUNT_SHIFT(1)), __ATOMIC_SEQ_CST);
        return;
    }
    uint32_t often = __atomic_fetch_add(entry, 1u << COUNT_SHIFT(level), __ATOMIC_SEQ_CST) >> COUNT_SHIFT(level) & 0xff;
    if (l->retry_count < often || l->retry_count > chaos->settings.max_retries + 1) /* a death in company is one more */
        chaos_violation("seen %u times before, retry_count %u", often, l->retry_count);
}

/* It is given back untried: that it was seen does not count. */
void chaos_unseen(const struct cvb_lease *l, unsigned level)
{
    uint32_t *entry = chaos_entry(l);
    if (entry && level < 2)
        __atomic_fetch_sub(entry, 1u << COUNT_SHIFT(level), __ATOMIC_SEQ_CST);
}

static int64_t drain_seen(struct cvb_handle *h, uint32_t stage, unsigned level)
{
    struct cvb_lease l[BATCH_MOST];
    int64_t all = 0;
    int n;
    while ((n = cvb_get_batch(h, stage, l, BATCH_MOST)) > 0) {
        uint32_t *entry[BATCH_MOST];
        for (int i = 0; i < n; i++) {
            chaos_seen(&l[i], level);
            entry[i] = chaos_entry(&l[i]);
        }
        int error = cvb_ack(h, l, (size_t)n);
        if (error)
            return error;
        for (int i = 0; i < n; i++)
            if (entry[i])
                chaos_mark(entry[i], SETTLING | ACKED);
        all += n;
    }
    return n < 0 ? n : all;
}

static void expect_audit(struct cvb_handle *h, uint32_t queued, const char *when)
{
    const char *wrong = audit_says(h, queued, 0);
    if (wrong)
        chaos_violation("%s: %s", when, wrong);
}

/* How many records go in before `why` refuses. */
static unsigned fill(struct cvb_handle *h, uint32_t stage, uint32_t source, int *why)
{
    unsigned n = 0;
    while (n < 1000000 && put_numbers(h, stage, source, n, 1, why) == 1)
        n++;
    return n;
}

static void expect_fill(const char *what, unsigned got, int why, unsigned limit, int expected)
{
    /* several limits may be reached by the same record: the smaller one may be named */
    if (got != limit || (why != expected && why != CVB_ESOURCE_FULL))
        chaos_violation("%s took %u of %u more, then: %s", what, got, limit, cvb_error_text(why));
}

/* All sources together have more than any other limit, so one of them is refused by that. */
static unsigned fill_of_all_sources(struct cvb_handle *h, uint32_t stage, int *why)
{
    unsigned n = 0;
    *why = CVB_ESOURCE_FULL;
    for (uint32_t source = 0; source < PRODUCERS; source++) {
        int one = 0;
        n += fill(h, stage, source, &one);
        *why = one == CVB_ESOURCE_FULL ? *why : one;
    }
    return n;
}

static void fill_to_each_limit(struct cvb_handle *h)
{
    const struct cvb_settings *s = &chaos->settings;
    int why = 0;
    for (uint32_t source = 0; source < PRODUCERS; source++) {
        unsigned n = fill(h, chaos->filter, source, &why);
        expect_fill("a source", n, why, s->max_per_source, CVB_ESOURCE_FULL);
        if (drain(h, chaos->filter) != (int64_t)n)
            chaos_violation("the filled records did not come back");
    }
    unsigned in_stage = fill_of_all_sources(h, chaos->filter, &why);
    expect_fill("the stage", in_stage, why, s->max_per_stage, CVB_ESTAGE_FULL);
    unsigned in_all = fill_of_all_sources(h, chaos->sink, &why), n;
    expect_fill("the total", in_stage + in_all, why, s->max_total_records, CVB_ETOTAL_FULL);
    expect_audit(h, in_stage + in_all, "filled");
    n = (unsigned)(drain(h, chaos->filter) + drain(h, chaos->sink));
    if (n != in_stage + in_all)
        chaos_violation("%u of %u filled records came back", n, in_stage + in_all);
    expect_audit(h, 0, "drained again");
}

static void check_ledger(void)
{
    uint64_t lost = 0, holes = 0, records = 0;
    for (uint32_t p = 0; p < PRODUCERS; p++) {
        bool missing = false; /* one of this put is not there */
        for (uint64_t i = 0; i < chaos->worker[p].next && i < RECORDS; i++) {
            uint32_t e = chaos->ledger[p][i];
            if (e & BATCH)
                missing = false;
            records++;
            lost += (e & IN) && !(e & SETTLING);
            holes += missing && (e & (IN | SEEN));
            missing = missing || !(e & (IN | SEEN));
        }
    }
    if (lost)
        chaos_violation("%llu of %llu records are lost", (unsigned long long)lost, (unsigned long long)records);
    if (holes)
        chaos_violation("%llu records of killed puts without those before them", (unsigned long long)holes);
}

void chaos_verify(void)
{
    struct cvb_handle *h = NULL;
    struct cvb_audit a;
    int error = cvb_attach(chaos->name, &h);
    error = error ? error : cvb_recover(h);
    error = error < 0 ? error : cvb_audit(h, &a);
    if (error || !h) {
        chaos_violation("at the end: %s", cvb_error_text(error));
        return;
    }
    expect_audit(h, a.queued, "recovered");
    int64_t left =
        drain_seen(h, chaos->filter, 0) + drain_seen(h, chaos->sink, 1) + drain_seen(h, CVB_STAGE_DEAD_LETTER, 2);
    if (left != a.queued)
        chaos_violation("%u were queued, %lld came out", a.queued, (long long)left);
    expect_audit(h, 0, "drained");
    check_ledger();
    fill_to_each_limit(h);
    cvb_detach(h);
}
