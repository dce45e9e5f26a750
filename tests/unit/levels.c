/* Sizes, credits and signals against a model, whichever handle looks when: PAUSE begins at the high watermark and lasts
 * until the low one, also where only idle units change hands; what is counted is exact after each operation, at any
 * age. */
#include "../support/support.h"

#include <criterion/criterion.h>
#include <string.h>

enum { HANDLES = 3, STAGES = 3, SOURCES = 3, HELD = 64 };
static struct cvb_handle *h[HANDLES];
static const char *name;
static struct cvb_settings settings;

/* A limit: how many records it holds, and whether it pauses. */
struct level {
    uint32_t limit, high, low;
    int64_t live;
    bool paused;
};

static struct {
    struct level total, stage[STAGES], source[SOURCES];
    struct cvb_lease held[HANDLES][HELD];
    unsigned held_count[HANDLES];
    struct cvb_slot slot[HANDLES][HELD];
    uint32_t slot_stage[HANDLES][HELD], slot_source[HANDLES][HELD];
    unsigned slots[HANDLES];
} model;

static void moved(struct level *l, int64_t by)
{
    l->live += by;
    if (l->live >= l->high)
        l->paused = true;
    else if (l->live <= l->low)
        l->paused = false;
}

/* n records of a source enter a stage, or leave it. Stages are numbered from 1. */
static void count(uint32_t stage, uint32_t source, int64_t n)
{
    moved(&model.total, n);
    moved(&model.source[source], n);
    moved(&model.stage[stage - 1], n);
}

static struct level level_of(uint32_t limit, unsigned high, unsigned low)
{
    return (struct level){.limit = limit, .high = (limit * high + 99) / 100, .low = limit * low / 100};
}

static void setup(uint64_t *seed, uint32_t total, uint32_t stage, uint32_t source)
{
    unsigned low = random_below(seed, 70), high = low + 5 + random_below(seed, 95 - low);
    settings = small_settings(total, stage, source);
    settings.max_stages = STAGES + 1;
    settings.max_sources = SOURCES;
    settings.max_handles = HANDLES;
    settings.backpressure_threshold = high / 100.0;
    settings.resume_threshold = low / 100.0;
    name = segment_name("levels");
    h[0] = make_segment(name, &settings);
    cr_assert(h[0] && name_everything(h[0]));
    for (unsigned i = 1; i < HANDLES; i++)
        cr_assert_eq(cvb_attach(name, &h[i]), 0);
    memset(&model, 0, sizeof model);
    model.total = level_of(total, high, low);
    for (unsigned i = 0; i < STAGES; i++)
        model.stage[i] = level_of(stage, high, low);
    for (unsigned i = 0; i < SOURCES; i++)
        model.source[i] = level_of(source, high, low);
}

static void put(unsigned p, uint64_t *seed)
{
    uint32_t stage = 1 + random_below(seed, STAGES), source = random_below(seed, SOURCES);
    unsigned n = 1 + random_below(seed, random_below(seed, 2) ? 1 : 40);
    int why, done = put_numbers(h[p], stage, source, 0, n, &why);
    cr_assert_geq(done, 0);
    count(stage, source, done);
    int64_t room = model.total.limit - model.total.live, own = model.source[source].limit - model.source[source].live,
            there = model.stage[stage - 1].limit - model.stage[stage - 1].live;
    if (done < (int)n)
        cr_assert(room <= 0 || own <= 0 || there <= 0, "refused (%s) with room for %d, %d, %d", cvb_error_text(why),
                  (int)room, (int)own, (int)there);
}

static void get(unsigned p, uint64_t *seed)
{
    unsigned room = HELD - model.held_count[p], n = random_below(seed, room + 1);
    int got = cvb_get_batch(h[p], 1 + random_below(seed, STAGES), &model.held[p][model.held_count[p]], n);
    cr_assert_geq(got, 0);
    model.held_count[p] += (unsigned)got;
}

/* The last n of what a process has leased end. */
static void settle(unsigned p, uint64_t *seed)
{
    unsigned n = random_below(seed, model.held_count[p] + 1), way = random_below(seed, 6);
    const struct cvb_lease *l = &model.held[p][model.held_count[p] - n];
    uint32_t to = 1 + random_below(seed, STAGES);
    int why, done = (int)n;
    if (way < 4) {
        cr_assert_eq(cvb_ack(h[p], l, n), 0);
        for (unsigned i = 0; i < n; i++)
            count(l[i].stage, l[i].source, -1);
    } else if (way == 4) {
        cr_assert_eq(cvb_release(h[p], l, n), 0);
    } else {
        done = cvb_forward(h[p], to, l, n, &why);
        cr_assert_geq(done, 0);
        for (int i = 0; i < done; i++) { /* a forward never moves source and total */
            if (l[i].stage == to)
                continue;
            moved(&model.stage[to - 1], 1);
            moved(&model.stage[l[i].stage - 1], -1);
        }
        memmove(&model.held[p][model.held_count[p] - n], l + done, (n - (unsigned)done) * sizeof *l);
    }
    model.held_count[p] -= (unsigned)done;
}

static void reserve(unsigned p, uint64_t *seed)
{
    unsigned *have = &model.slots[p], n = 1 + random_below(seed, 6);
    struct cvb_record shape = {.payload = "", .length = 8, .source = random_below(seed, SOURCES)};
    uint32_t stage = 1 + random_below(seed, STAGES);
    int why;
    if (*have + n > HELD || random_below(seed, 2)) {
        n = random_below(seed, *have + 1);
        struct cvb_slot *s = &model.slot[p][*have - n];
        bool publish = random_below(seed, 2);
        cr_assert_eq(publish ? cvb_publish(h[p], s, n) : cvb_cancel(h[p], s, n), 0);
        for (unsigned i = 0; i < n; i++, --*have)
            if (!publish)
                count(model.slot_stage[p][*have - 1], model.slot_source[p][*have - 1], -1);
        return;
    }
    int got = cvb_reserve(h[p], stage, &shape, &model.slot[p][*have], n, &why);
    cr_assert_geq(got, 0);
    for (int i = 0; i < got; i++, ++*have) {
        model.slot_stage[p][*have] = stage;
        model.slot_source[p][*have] = shape.source;
    }
    count(stage, shape.source, got);
}

static enum cvb_signal signal_of(const struct level *l)
{
    return l->paused ? CVB_SIGNAL_PAUSE : l->live > l->low ? CVB_SIGNAL_SLOW_DOWN : CVB_SIGNAL_NONE;
}

static enum cvb_signal stronger(enum cvb_signal a, enum cvb_signal b) { return a > b ? a : b; }

static void look(unsigned p, uint64_t *seed)
{
    uint32_t stage = 1 + random_below(seed, STAGES), source = random_below(seed, SOURCES);
    struct cvb_backpressure b;
    int64_t own = model.source[source].limit - model.source[source].live, all = model.total.limit - model.total.live;
    cr_assert_eq(cvb_stage_size(h[p], stage), model.stage[stage - 1].live);
    cr_assert_eq(cvb_total_buffered(h[p]), model.total.live);
    cr_assert_eq(cvb_available_credits(h[p], source), own < all ? own : all);
    cr_assert_eq(cvb_backpressure(h[p], stage, CVB_NO_SOURCE, &b), 0);
    cr_assert_eq(b.signal, signal_of(&model.stage[stage - 1]), "stage at %d of %u, %u, %u: %d",
                 (int)model.stage[stage - 1].live, model.stage[stage - 1].low, model.stage[stage - 1].high,
                 model.stage[stage - 1].limit, (int)b.signal);
    cr_assert_eq(cvb_backpressure(h[p], CVB_NO_STAGE, source, &b), 0);
    cr_assert_eq(b.signal, stronger(signal_of(&model.source[source]), signal_of(&model.total)));
    cr_assert_eq(cvb_wait_credits(h[p], stage, source, 0),
                 model.stage[stage - 1].paused || model.source[source].paused || model.total.paused ? CVB_ETIMEDOUT
                                                                                                    : 0);
}

static void rejoin(unsigned p)
{
    for (unsigned i = 0; i < model.slots[p]; i++)
        count(model.slot_stage[p][i], model.slot_source[p][i], -1);
    model.slots[p] = model.held_count[p] = 0;
    cr_assert_eq(cvb_detach(h[p]), 0);
    cr_assert_eq(cvb_attach(name, &h[p]), 0);
}

static void round_of(uint64_t *seed, uint32_t total, uint32_t stage, uint32_t source)
{
    setup(seed, total, stage, source);
    unsigned often = 1 + random_below(seed, 60); /* one look in this many operations */
    for (unsigned i = 0; i < 3000; i++) {
        unsigned p = random_below(seed, HANDLES), what = random_below(seed, 100);
        if (what < 40)
            put(p, seed);
        else if (what < 65)
            get(p, seed);
        else if (what < 88)
            settle(p, seed);
        else if (what < 99)
            reserve(p, seed);
        else
            rejoin(p);
        if (!random_below(seed, often))
            look(random_below(seed, HANDLES), seed);
    }
    look(0, seed);
    struct cvb_audit a;
    cr_assert_eq(cvb_audit(h[0], &a), 0);
    cr_assert_eq(a.problems, 0, "%s", a.first_problem);
    for (unsigned i = 0; i < HANDLES; i++)
        cvb_detach(h[i]);
    cvb_unlink(name);
}

Test(levels, of_random_operations_are_those_of_the_model, .timeout = 100)
{
    uint64_t seed = 11, half = now_ms() + 30000, enough = half + 30000; /* on a slow machine */
    for (unsigned i = 0; i < 40 && now_ms() < half; i++)
        round_of(&seed, 50 + random_below(&seed, 400), 20 + random_below(&seed, 200), 20 + random_below(&seed, 200));
    for (unsigned i = 0; i < 20 && now_ms() < enough; i++)
        round_of(&seed, 3 + random_below(&seed, 20), 1 + random_below(&seed, 20), 1 + random_below(&seed, 20));
}

/* Exactly at each threshold of three decimals, as far as limit and threshold have a whole product, and above otherwise.
 */
Test(levels, marks_are_exact, .timeout = 100)
{
    for (unsigned k = 1; k <= 1000; k += 37)
        for (uint32_t limit = 1; limit <= 120; limit += 7) {
            struct cvb_settings s = small_settings(1000, limit, 1000);
            struct cvb_backpressure b;
            struct cvb_lease l;
            s.backpressure_threshold = k / 1000.0;
            const uint32_t resume = k / 2;
            s.resume_threshold = resume / 1000.0;
            h[0] = make_segment(name = segment_name("marks"), &s);
            cr_assert(h[0] && name_everything(h[0]));
            uint32_t high = (limit * k + 999) / 1000, low = limit * resume / 1000, n = 0;
            low = low < high ? low : high - 1;
            do
                cr_assert_eq(put_numbers(h[0], 1, 0, 0, 1, NULL), 1);
            while (!cvb_backpressure(h[0], 1, CVB_NO_SOURCE, &b) && ++n < limit && b.signal != CVB_SIGNAL_PAUSE);
            cr_assert_eq(n, high, "limit %u, %u / 1000: PAUSE at %u, not %u", limit, k, n, high);
            for (; b.signal == CVB_SIGNAL_PAUSE; n--) {
                cr_assert_eq(cvb_get_batch(h[0], 1, &l, 1), 1);
                cr_assert_eq(cvb_ack(h[0], &l, 1), 0);
                cr_assert_eq(cvb_backpressure(h[0], 1, CVB_NO_SOURCE, &b), 0);
            }
            cr_assert_eq(n, low, "limit %u: PAUSE until %u, not %u", limit, n, low);
            cvb_detach(h[0]);
            cvb_unlink(name);
        }
}
