/* credit.h - credits of the limits: taken and given back, kept by idle units, and what levels say of them. */
#ifndef CVB_LIB_CREDIT_H
#define CVB_LIB_CREDIT_H

#include "unit/unit.h"

/* credit.c: counters of credits. cvb_take_credits refuses what would go above a limit. */
int cvb_refill(struct cvb_handle *h, uint32_t unit, uint32_t stage);
int cvb_give(struct cvb_handle *h, uint32_t unit);
uint32_t cvb_room_at_limits(struct cvb_handle *h, uint32_t source, uint32_t stage, uint32_t *below, int *refusal);
int cvb_take_credits(struct cvb_handle *h, enum cvb_step step, const struct cvb_journal *fields);
void cvb_return_credits(struct cvb_handle *h, enum cvb_step step, const struct cvb_journal *fields);
int cvb_recover_credits(struct cvb_handle *h, uint32_t dead, uint64_t seq, enum cvb_step step,
                        const struct cvb_journal *fields);
bool cvb_step_happened(struct cvb_handle *h, uint32_t actor_seat, uint64_t seq, enum cvb_step step,
                       const struct cvb_journal *fields, uint32_t *counter);
void cvb_counter_renew(struct cvb_handle *h, uint32_t counter);

/* The counters that limit a put: in the order in which it takes their credits. */
static inline void cvb_counters_of(struct cvb_handle *h, uint32_t source, uint32_t stage, uint32_t counter[3])
{
    counter[0] = cvb_counter_of_source(h, source);
    counter[1] = CVB_COUNTER_TOTAL;
    counter[2] = cvb_counter_of_stage(stage);
}

/* limit.c */
/* Of a source, the total, or a stage: 0, 1, 2. */
static inline unsigned cvb_kind_of_counter(const struct cvb_handle *h, uint32_t counter)
{
    return counter == CVB_COUNTER_TOTAL ? 1 : counter <= h->segment.settings.max_stages ? 2 : 0;
}
const struct cvb_marks *cvb_marks_of(struct cvb_handle *h, uint32_t counter);
uint32_t cvb_retries_of(struct cvb_handle *h, uint32_t stage);

/* level.c */
/* The counters that a put moves; a forward moves the stage's only. */
#define CVB_RISES_ALL 7u
#define CVB_RISES_SOURCE 1u
#define CVB_RISES_STAGE 4u
int64_t cvb_counter_used(struct cvb_handle *h, uint32_t counter);
int64_t cvb_idle_sum(struct cvb_handle *h, uint32_t counter);
int64_t cvb_idle_count(struct cvb_handle *h, uint32_t counter);
int64_t cvb_live(struct cvb_handle *h, uint32_t counter);
int64_t cvb_room_of(struct cvb_handle *h, uint32_t counter);
bool cvb_level_correct(struct cvb_handle *h, uint32_t counter, bool renew);
void cvb_level_begin(struct cvb_handle *h, uint32_t counter);
bool cvb_level_pauses(struct cvb_handle *h, uint32_t counter);
void cvb_level_moved(struct cvb_handle *h, uint32_t counter, uint32_t n);
void cvb_level_returned(struct cvb_handle *h, uint32_t counter, uint32_t n);
void cvb_level_raised(struct cvb_handle *h, uint32_t stage, uint32_t source, uint32_t n, unsigned which);
void cvb_level_put(struct cvb_handle *h, uint32_t stage, uint32_t source, uint32_t n);
void cvb_levels_renew(struct cvb_handle *h);
/* A flag's slack: epoch 32 | records 32. */
#define CVB_EPOCH_SHIFT 32
static inline uint32_t cvb_epoch_of(uint64_t slack) { return (uint32_t)(slack >> CVB_EPOCH_SHIFT); }
void cvb_budget_begin(struct cvb_handle *h, struct cvb_budget *b, uint64_t kind, const uint32_t counter[3],
                      uint32_t state);
void cvb_budget_end(struct cvb_handle *h, struct cvb_budget *b);
/* True if n records more of the kind need no look at any level. */
static inline bool cvb_budget_covers(struct cvb_budget *b, uint64_t kind, uint32_t n)
{
    if (b->left < n || b->kind != kind)
        return false;
    for (unsigned x = 0; x < 3; x++)
        if (cvb_epoch_of(cvb_load64_acq(b->slack[x])) != b->epoch[x])
            return false;
    b->left -= n;
    return true;
}
/* Called after a put or a reservation of n records, of the cache's kind. The change of the counters or counts was a
 * locked instruction, or a full fence has followed it. A budget is asked first: near a watermark, where a producer that
 * is quicker than its consumers always is, the flags need not be read. */
static inline void cvb_level_after_put(struct cvb_handle *h, const struct cvb_claim_cache *cache, uint32_t stage,
                                       uint32_t source, uint32_t n)
{
    if (!h->at_high && cvb_budget_covers(&h->of_puts, cache->kind, n))
        return;
    uint32_t all = cvb_load32_acq(cvb_flag_at(h, CVB_FLAG_TOTAL)) | cvb_load32_acq(cache->room_of_stage) |
                   cvb_load32_acq(cache->room_of_source);
    if (h->at_high || (all & CVB_FLAG_NEAR))
        cvb_level_put(h, stage, source, n);
}

/* idle.c: an ack leaves a unit idle, with its credits. */
int cvb_park(struct cvb_handle *h, uint32_t u, struct cvb_pair leased);
bool cvb_park_single(struct cvb_handle *h, uint32_t u, struct cvb_pair leased, int *error);
void cvb_idle_enter(struct cvb_handle *h);

/* reuse.c: a put takes an idle unit of its kind. */
/* Which lists and groups of idle units a put scans: only lists with many groups; all groups that are full; all groups.
 */
enum cvb_effort { CVB_SCAN_FAR, CVB_SCAN_FULL, CVB_SCAN_ALL };
/* Of the kind of a cache, which is put together in idle.h. */
static inline uint32_t cvb_count_of_kind(uint64_t kind) { return (uint16_t)(kind >> 16); }
static inline uint32_t cvb_class_of_kind(uint64_t kind) { return (uint32_t)(kind >> 44); }
struct cvb_claim_cache *cvb_cache_for(struct cvb_handle *h, const struct cvb_want *want);
bool cvb_claim_of(struct cvb_handle *h, struct cvb_claim_cache *cache, const struct cvb_want *want,
                  enum cvb_effort effort, uint32_t *unit, struct cvb_pair *word);
void cvb_use_cache(struct cvb_handle *h, struct cvb_claim_cache *cache);
bool cvb_claim_next(struct cvb_handle *h, struct cvb_claim_cache *cache, const struct cvb_want *want, uint32_t *unit,
                    struct cvb_pair *word);
uint32_t cvb_idle_next(struct cvb_handle *h);
void cvb_idle_leave(struct cvb_handle *h);
bool cvb_claim_idle(struct cvb_handle *h, const struct cvb_want *want, enum cvb_effort effort, uint32_t *unit,
                    struct cvb_pair *word);
bool cvb_is_over(struct cvb_handle *h, const struct cvb_want *want);
void cvb_scan_from(struct cvb_handle *h, uint32_t seat, uint64_t number);

/* reclaim.c: after a refusal idle units of other kinds give their credits back. */
bool cvb_reclaim_for(struct cvb_handle *h, int refusal, const struct cvb_want *want, uint32_t *unit,
                     struct cvb_pair *word);
void cvb_reclaim_source(struct cvb_handle *h, uint32_t source);
/* What an operation may do before it is refused for good: this many searches over the lists, in which it sees each list
 * once to its end, and then this many groups more. So a refusal ends after a bounded number of steps, whatever other
 * processes do, and it misses nothing when no other process is at work. */
#define CVB_REFUSAL_LOOKS 8u
#ifndef CVB_REFUSAL_GROUPS
#define CVB_REFUSAL_GROUPS 2048u /* some 40 us */
#endif
static inline void cvb_refusal_begin(struct cvb_handle *h)
{
    h->refusal = (struct cvb_refusal){
        .looks = CVB_REFUSAL_LOOKS,
        .lists =
            h->segment.settings.max_handles + 1 + CVB_REFUSAL_LOOKS, /* the first twice; a look may begin at an end */
        .groups = CVB_REFUSAL_GROUPS,
    };
}
uint32_t cvb_idle_lost(struct cvb_handle *h);
int64_t cvb_repair_idle(struct cvb_handle *h);

/* note.c: what a dead seat's owner had begun to count of its idle units is completed. */
int cvb_note_recover(struct cvb_handle *h, uint32_t dead, uint64_t state);
/* How many idle records of the counter a seat's note says that its rows do not count yet; negative if they count too
 * many. */
int64_t cvb_note_pending(struct cvb_handle *h, uint32_t seat, uint32_t counter);

#endif
