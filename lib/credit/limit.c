/* limit.c - the limits, thresholds and retry limits of a live segment, and the watermarks that follow from them.
 *
 * Overview: a limit stands beside its counter, and is 0 as long as it is what the segment was made for. To take a
 * credit needs that line anyway. Nothing in the segment makes a limit larger than that: rings and lists have no more
 * room.
 *
 * Why nobody puts by an old limit once cvb_set_limit has returned: a put takes credits by a CAS of `taken` from what it
 * read before it read the limit. So the limit is stored first, and then `taken` gets another tag and the same value: a
 * CAS from an older word fails, and a process that reads the new word reads the new limit after it (L1). What idle
 * units keep are credits too, and a claim of one touches no counter. So where credits in use are above the limit the
 * flag says OVER; a put looks after its claim, and gives the unit back if it finds that (L2). An ack that finds it
 * gives back at once. OVER goes by a CAS of the flag from a word that was read before the limit and the counter were:
 * cvb_level_begin changes the word after the limit was stored, so nobody takes OVER away by an old limit.
 *
 * If a process dies between these steps, the new limit stays: every take of credits keeps to it, and the first put that
 * it refuses corrects the flag (reclaim.c); so do recovery and all other looks at the level.
 */
#include <conveyor/limits.h>
#include <conveyor/wait.h>

#include "credit/credit.h"
#include "place/named.h"

#define ONE UINT64_C(1000000000) /* thresholds are exact to nine decimals: a product of floating point would not be */
#define LOW_SHIFT 32
#define RETRIES_MOST 254u
#define LIMIT_OF_SHIFT 32

static uint32_t limit_made(const struct cvb_handle *h, uint32_t counter)
{
    const struct cvb_settings *s = &h->segment.settings;
    const unsigned kind = cvb_kind_of_counter(h, counter);
    return kind == 0 ? s->max_per_source : kind == 1 ? s->max_total_records : s->max_per_stage;
}

static uint32_t place_of_counter(const struct cvb_handle *h, uint32_t counter)
{
    return counter - 1 - h->segment.settings.max_stages;
}

/* The limit in force. A value that cvb_set_limit never stores counts as none, and so does a limit that was set for a
 * name of the source's place that is retired. */
static uint32_t limit_now(struct cvb_handle *h, uint32_t counter)
{
    const uint64_t word = cvb_load64_acq(&cvb_counter_at(h, counter)->limit);
    const uint32_t limit = (uint32_t)word, made = limit_made(h, counter);
    if (limit - 1 >= made)
        return made;
    if (cvb_kind_of_counter(h, counter) || word >> LIMIT_OF_SHIFT == cvb_id_of_place(h, place_of_counter(h, counter)))
        return limit;
    return made;
}

/* Stores a limit. Of a source, by a CAS from what was read before the id was seen to be its name's: so the limit of a
 * later name is never overwritten. */
static int store_limit(struct cvb_handle *h, uint32_t counter, uint32_t source, uint32_t limit)
{
    uint64_t *word = &cvb_counter_at(h, counter)->limit, before;
    if (cvb_kind_of_counter(h, counter)) {
        cvb_store64_rel(word, limit);
        return 0;
    }
    do {
        before = cvb_load64_acq(word);
        if (!cvb_source_known(h, source))
            return CVB_EUNKNOWN;
    } while (!cvb_cas64(word, before, (uint64_t)source << LIMIT_OF_SHIFT | limit));
    return 0;
}

/* A part, 0 to 1, in billionths. */
static uint64_t billionths(double part) { return (uint64_t)(part * (double)ONE + 0.5); }

static uint64_t thresholds_word(double backpressure, double resume)
{
    const uint64_t high = billionths(backpressure);
    return (high ? high : 1) | billionths(resume) << LOW_SHIFT;
}

static uint64_t thresholds_now(struct cvb_handle *h)
{
    const struct cvb_settings *s = &h->segment.settings;
    const uint64_t word = cvb_load64_acq(&h->thresholds->word);
    const bool valid = (uint32_t)word - 1 < ONE && word >> LOW_SHIFT <= ONE;
    return valid ? word : thresholds_word(s->backpressure_threshold, s->resume_threshold);
}

/* Field by field: the model checker cannot follow a struct that is copied as a whole. */
static void make_marks(struct cvb_marks *m, uint32_t limit, uint64_t thresholds)
{
    const uint64_t high = (uint32_t)thresholds, low = thresholds >> LOW_SHIFT;
    m->limit = limit;
    m->thresholds = thresholds;
    m->high = (uint32_t)((limit * high + ONE - 1) / ONE);
    m->low = (uint32_t)(limit * low / ONE);
    if (!m->high)
        m->high = 1;
    if (m->low >= m->high)
        m->low = m->high - 1;
}

/* The limit of a counter and its watermarks, as they are now. What is returned is valid until the next call for a
 * counter of the same kind (source, total, stage). */
const struct cvb_marks *cvb_marks_of(struct cvb_handle *h, uint32_t counter)
{
    struct cvb_marks *m = &h->marks[cvb_kind_of_counter(h, counter)];
    const uint32_t limit = limit_now(h, counter);
    const uint64_t thresholds = thresholds_now(h);
    if (m->limit != limit || m->thresholds != thresholds)
        make_marks(m, limit, thresholds);
    return m;
}

/* How often a record of the stage may fail. */
uint32_t cvb_retries_of(struct cvb_handle *h, uint32_t stage)
{
    uint32_t word = cvb_load32_rlx(&cvb_counter_at(h, cvb_counter_of_stage(stage))->max_retries);
    if (!word)
        word = cvb_load32_rlx(&cvb_counter_at(h, CVB_COUNTER_TOTAL)->max_retries);
    return !word ? h->segment.settings.max_retries : word > RETRIES_MOST + 1 ? CVB_RETRIES_NEVER : word - 1;
}

/* Makes a changed limit, or changed thresholds, hold from now on. */
static void heed(struct cvb_handle *h, uint32_t counter)
{
    cvb_counter_renew(h, counter);
    cvb_level_begin(h, counter);
}

/* The counter that the caller means, or an error. */
static int64_t counter_meant(struct cvb_handle *h, uint32_t stage, uint32_t source)
{
    if (stage == CVB_NO_STAGE && source == CVB_NO_SOURCE)
        return CVB_COUNTER_TOTAL;
    if (stage == CVB_STAGE_DEAD_LETTER || (stage != CVB_NO_STAGE && source != CVB_NO_SOURCE))
        return CVB_EINVAL;
    if (source == CVB_NO_SOURCE)
        return cvb_id_known(h, CVB_KIND_STAGE, stage) ? (int64_t)cvb_counter_of_stage(stage) : CVB_EUNKNOWN;
    return cvb_source_known(h, source) ? (int64_t)cvb_counter_of_source(h, cvb_place_of(source)) : CVB_EUNKNOWN;
}

int cvb_set_limit(struct cvb_handle *h, uint32_t stage, uint32_t source, uint32_t limit)
{
    CVB_ONE_USER(h);
    int error = cvb_handle_check(h);
    if (error)
        return error;
    const int64_t meant = counter_meant(h, stage, source);
    if (meant < 0)
        return (int)meant;
    const uint32_t counter = (uint32_t)meant;
    if (!limit || limit > limit_made(h, counter))
        return CVB_EINVAL;
    const uint32_t before = limit_now(h, counter);
    error = store_limit(h, counter, source, limit);
    if (error)
        return error;
    heed(h, counter);
    cvb_event_set(h, stage, source, "limit", before, limit);
    return 0;
}

int64_t cvb_limit_of(struct cvb_handle *h, uint32_t stage, uint32_t source)
{
    int error = cvb_handle_reads(h);
    const int64_t counter = error ? error : counter_meant(h, stage, source);
    return counter < 0 ? counter : limit_now(h, (uint32_t)counter);
}

int cvb_set_thresholds(struct cvb_handle *h, double backpressure, double resume)
{
    CVB_ONE_USER(h);
    int error = cvb_handle_check(h);
    if (error)
        return error;
    if (!(backpressure > 0 && backpressure <= 1 && resume >= 0 && resume < backpressure))
        return CVB_EINVAL;
    const uint64_t before = thresholds_now(h), after = thresholds_word(backpressure, resume);
    cvb_store64_rel(&h->thresholds->word, after);
    cvb_fence_seq(); /* stages and sources that are named later begin with the new ones */
    heed(h, CVB_COUNTER_TOTAL);
    for (uint32_t stage = 1; cvb_id_known(h, CVB_KIND_STAGE, stage); stage++)
        heed(h, cvb_counter_of_stage(stage));
    for (uint32_t source = 0; cvb_id_known(h, CVB_KIND_SOURCE, source); source++)
        heed(h, cvb_counter_of_source(h, source));
    cvb_event_set(h, CVB_NO_STAGE, CVB_NO_SOURCE, "backpressure_threshold", (uint32_t)before, (uint32_t)after);
    cvb_event_set(h, CVB_NO_STAGE, CVB_NO_SOURCE, "resume_threshold", before >> LOW_SHIFT, after >> LOW_SHIFT);
    return 0;
}

int cvb_thresholds_of(struct cvb_handle *h, double *backpressure, double *resume)
{
    int error = cvb_handle_reads(h);
    if (error || !backpressure || !resume)
        return error ? error : CVB_EINVAL;
    const uint64_t word = thresholds_now(h);
    *backpressure = (double)(uint32_t)word / (double)ONE;
    *resume = (double)(word >> LOW_SHIFT) / (double)ONE;
    return 0;
}

int cvb_set_max_retries(struct cvb_handle *h, uint32_t stage, uint32_t max_retries)
{
    CVB_ONE_USER(h);
    int error = cvb_handle_check(h);
    if (error)
        return error;
    const int64_t counter = counter_meant(h, stage, CVB_NO_SOURCE);
    if (counter < 0)
        return (int)counter;
    const bool special =
        max_retries == CVB_RETRIES_NEVER || (max_retries == CVB_RETRIES_DEFAULT && stage != CVB_NO_STAGE);
    if (!special && max_retries > RETRIES_MOST)
        return CVB_EINVAL;
    const uint32_t word = max_retries == CVB_RETRIES_NEVER ? UINT32_MAX : special ? 0 : max_retries + 1;
    uint32_t *at = &cvb_counter_at(h, (uint32_t)counter)->max_retries;
    const uint32_t before = cvb_load32_rlx(at);
    cvb_store32_rel(at, word);
    cvb_event_set(h, stage, CVB_NO_SOURCE, "max_retries", before ? before - 1 : h->segment.settings.max_retries,
                  word ? word - 1 : h->segment.settings.max_retries);
    return 0;
}

int cvb_set_retry_delay(struct cvb_handle *h, uint32_t delay_ms, uint32_t cap_ms)
{
    CVB_ONE_USER(h);
    int error = cvb_handle_check(h);
    if (error || cap_ms < delay_ms)
        return error ? error : CVB_EINVAL;
    cvb_store64_rel(&h->retry->word, delay_ms | (uint64_t)cap_ms << 32);
    return 0;
}

int cvb_retry_delay_of(struct cvb_handle *h, uint32_t *delay_ms, uint32_t *cap_ms)
{
    int error = cvb_handle_reads(h);
    if (error || !delay_ms || !cap_ms)
        return error ? error : CVB_EINVAL;
    const uint64_t word = cvb_load64_acq(&h->retry->word);
    *delay_ms = (uint32_t)word;
    *cap_ms = (uint32_t)(word >> 32);
    return 0;
}

int64_t cvb_max_retries_of(struct cvb_handle *h, uint32_t stage)
{
    int error = cvb_handle_reads(h);
    const int64_t counter = error ? error : counter_meant(h, stage, CVB_NO_SOURCE);
    return counter < 0 ? counter : cvb_retries_of(h, stage == CVB_NO_STAGE ? CVB_STAGE_DEAD_LETTER : stage);
}
