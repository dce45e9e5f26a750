/* traffic.c - see traffic.h. */
#include "traffic.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { BATCH = 128 };

struct item {
    uint64_t number;
    uint32_t producer;
    uint32_t check;
};

struct worker {
    struct traffic *t;
    uint32_t index, level; /* level: of the chain */
    struct cvb_handle *h;
    uint64_t seed;
};

static void add64(uint64_t *at, uint64_t n) { __atomic_fetch_add(at, n, __ATOMIC_RELAXED); }
static uint32_t tick(struct traffic *t) { return __atomic_fetch_add(&t->clock, 1, __ATOMIC_SEQ_CST); }
static bool failed(struct traffic *t) { return __atomic_load_n(&t->failed, __ATOMIC_RELAXED); }
static int fail(struct traffic *t, int code, int error)
{
    int32_t none = 0;
    __atomic_compare_exchange_n(&t->failed, &none, error ? error : code, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
    return code;
}
static uint32_t check_of(const struct item *i) { return (uint32_t)i->number * 2654435761u ^ i->producer; }

struct traffic *traffic_new(const char *tag)
{
    struct traffic *t = shared_memory(sizeof *t);
    if (t) {
        snprintf(t->name, sizeof t->name, "%s", segment_name(tag));
        t->sources = t->chain = t->put_most = t->get_most = 1;
        t->seconds = 220;
        t->enough = 25;
    }
    return t;
}

static int put_some(struct worker *w, const struct item *items, unsigned n, int *why)
{
    struct traffic *t = w->t;
    struct cvb_record r[BATCH];
    struct cvb_slot slots[BATCH];
    for (unsigned i = 0; i < n; i++)
        r[i] = (struct cvb_record){.payload = &items[i], .length = sizeof items[i], .source = w->index % t->sources};
    if (!t->copyless)
        return cvb_buffer_batch_for_stage(w->h, t->stage[0], r, n, why);
    int got = cvb_reserve(w->h, t->stage[0], r, slots, n, why);
    for (int i = 0; i < got; i++)
        memcpy(slots[i].payload, &items[i], sizeof items[i]);
    int error = got > 0 ? cvb_publish(w->h, slots, (size_t)got) : 0;
    return error ? error : got;
}

static int produce(struct worker *w)
{
    struct traffic *t = w->t;
    uint64_t next = 0, enough = now_ms() + t->enough * 1000ull;
    while (next < t->each && !failed(t) && now_ms() < enough) {
        struct item items[BATCH];
        unsigned n = 1 + random_below(&w->seed, t->put_most);
        for (unsigned i = 0; i < n; i++) {
            items[i] = (struct item){next + i, w->index, 0};
            items[i].check = check_of(&items[i]);
        }
        n = t->each - next < n ? (unsigned)(t->each - next) : n;
        int why = 0, put = put_some(w, items, n, &why);
        if (put < 0 || put > (int)n || (put < (int)n && (why > CVB_ESTAGE_FULL || why < CVB_EMEMORY_FULL)))
            return fail(t, 10, put < 0 ? put : why);
        next += (unsigned)put;
        if (put < (int)n) {
            cvb_wait_credits(w->h, t->stage[0], w->index % t->sources, 20000000);
            sched_yield();
        }
    }
    t->made[w->index] = next;
    __atomic_fetch_sub(&t->all, t->each - next, __ATOMIC_RELEASE);
    return 0;
}

/* Looks at what came; keeps what is needed of it, because a settled lease's payload is gone. */
static void look_at(struct worker *w, const struct cvb_lease *l, unsigned n, struct item *items, uint64_t *last)
{
    struct traffic *t = w->t;
    for (unsigned i = 0; i < n; i++) {
        memcpy(&items[i], l[i].payload, sizeof items[i]);
        if (l[i].length != sizeof items[i] || items[i].producer >= t->producers || items[i].number >= t->each ||
            items[i].check != check_of(&items[i]) || l[i].source != items[i].producer % t->sources ||
            l[i].stage != t->stage[w->level] || l[i].retry_count) {
            add64(&t->bad, 1);
            items[i].producer = UINT32_MAX;
            continue;
        }
        uint64_t *before = &last[items[i].producer];
        if (items[i].number < *before)
            add64(&t->disorder, 1);
        if (items[i].number != *before)
            add64(&t->gaps, 1);
        *before = items[i].number + 1;
    }
}

static void note_settled(struct traffic *t, const struct item *items, unsigned n, struct traffic_stamp stamp)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < n; i++) {
        if (items[i].producer == UINT32_MAX)
            continue;
        uint64_t at = items[i].producer * t->each + items[i].number;
        sum += items[i].number;
        __atomic_fetch_add(&t->seen[at], 1, __ATOMIC_RELAXED);
        if (t->stamped)
            t->stamps[at] = stamp;
    }
    add64(&t->sum, sum);
    add64(&t->settled, n);
}

static void shuffle(struct worker *w, struct cvb_lease *l, unsigned n)
{
    for (unsigned i = n; i > 1; i--) {
        unsigned k = random_below(&w->seed, i);
        struct cvb_lease swap = l[k];
        l[k] = l[i - 1];
        l[i - 1] = swap;
    }
}

static int pass_on(struct worker *w, const struct cvb_lease *l, unsigned n)
{
    struct traffic *t = w->t;
    struct cvb_record r[BATCH];
    struct item items[BATCH];
    for (unsigned i = 0; i < n; i++) {
        memcpy(&items[i], l[i].payload, sizeof items[i]);
        r[i] = (struct cvb_record){.payload = &items[i], .length = sizeof items[i]};
    }
    for (unsigned done = 0; done < n && !failed(t);) {
        int why = 0;
        uint32_t to = t->stage[w->level + 1];
        int got = t->replace ? cvb_forward_records(w->h, to, l + done, r + done, n - done, &why)
                             : cvb_forward(w->h, to, l + done, n - done, &why);
        if (got < 0 || (got < (int)(n - done) && why != CVB_ESTAGE_FULL && why != CVB_EMEMORY_FULL))
            return got < 0 ? got : why;
        done += (unsigned)got;
        if (done < n)
            sched_yield();
    }
    return 0;
}

static int settle(struct worker *w, struct cvb_lease *l, unsigned n)
{
    struct traffic *t = w->t;
    if (t->scatter)
        shuffle(w, l, n);
    for (unsigned done = 0; done < n;) {
        unsigned piece = t->scatter ? 1 + random_below(&w->seed, n - done) : n;
        int error = w->level + 1 < t->chain ? pass_on(w, l + done, piece) : cvb_ack(w->h, l + done, piece);
        if (error)
            return error;
        done += piece;
    }
    return 0;
}

static int consume(struct worker *w)
{
    struct traffic *t = w->t;
    uint64_t last[TRAFFIC_PROCESSES] = {0};
    while (__atomic_load_n(&t->settled, __ATOMIC_ACQUIRE) < __atomic_load_n(&t->all, __ATOMIC_ACQUIRE) && !failed(t)) {
        struct cvb_lease l[BATCH];
        struct item items[BATCH];
        struct traffic_stamp stamp = {t->stamped ? tick(t) : 0, 0};
        int n = cvb_get_batch(w->h, t->stage[w->level], l, 1 + random_below(&w->seed, t->get_most));
        if (n < 0)
            return fail(t, 11, n);
        if (!n) {
            cvb_wait_records(w->h, &t->stage[w->level], 1, 20000000);
            sched_yield();
            continue;
        }
        stamp.end = t->stamped ? tick(t) : 0;
        look_at(w, l, (unsigned)n, items, last);
        int error = settle(w, l, (unsigned)n);
        if (error)
            return fail(t, 12, error);
        if (w->level + 1 == t->chain)
            note_settled(t, items, (unsigned)n, stamp);
    }
    return 0;
}

static int work(void *argument)
{
    struct worker *w = argument;
    bool producer = w->index < w->t->producers;
    alarm(w->t->seconds);
    if (cvb_attach(w->t->name, &w->h))
        return 9;
    int code = producer ? produce(w) : consume(w);
    return cvb_detach(w->h) ? 13 : code;
}

const char *traffic_start(struct traffic *t, struct cvb_handle *h)
{
    t->all = t->producers * t->each;
    t->seen = shared_memory(t->all);
    t->stamps = t->stamped ? shared_memory(t->all * sizeof *t->stamps) : NULL;
    if (!t->seen || (t->stamped && !t->stamps))
        return "no memory";
    for (uint32_t i = 0; i < t->chain; i++) {
        char text[24];
        snprintf(text, sizeof text, "level-%u", i);
        if (cvb_stage(h, text, &t->stage[i]))
            return "no stage";
    }
    if (!name_everything(h))
        return "no names";
    uint32_t all = t->producers + t->consumers * t->chain;
    if (all > TRAFFIC_PROCESSES)
        return "too many processes";
    for (uint32_t i = 0; i < all; i++) {
        struct worker w = {t, i, i < t->producers ? 0 : (i - t->producers) / t->consumers, NULL, i + 1};
        t->child[t->children++] = spawn(work, &w);
    }
    return NULL;
}

const char *traffic_finish(struct traffic *t)
{
    static char text[160];
    text[0] = 0;
    for (uint32_t i = 0; i < t->children; i++) {
        int code = reap(t->child[i]);
        if (code && !text[0])
            snprintf(text, sizeof text, "%s %u ended with %d: %s", i < t->producers ? "producer" : "consumer", i, code,
                     cvb_error_text(t->failed));
    }
    if (text[0])
        return text;
    uint64_t all = 0, sum = 0, lost = 0, twice = 0;
    for (uint32_t p = 0; p < t->producers; p++) {
        all += t->made[p];
        sum += t->made[p] * (t->made[p] - 1) / 2;
        for (uint64_t i = 0; i < t->each; i++) {
            uint8_t seen = t->seen[p * t->each + i];
            lost += i < t->made[p] && !seen;
            twice += seen > (i < t->made[p]);
        }
    }
    if (!lost && !twice && !t->bad && t->settled == all && t->all == all && t->sum == sum)
        return NULL;
    snprintf(text, sizeof text, "of %llu: %llu settled, %llu lost, %llu twice, %llu bad, sum off by %lld",
             (unsigned long long)all, (unsigned long long)t->settled, (unsigned long long)lost,
             (unsigned long long)twice, (unsigned long long)t->bad, (long long)(t->sum - sum));
    return text;
}

uint64_t traffic_inversions(const struct traffic *t)
{
    uint64_t found = 0;
    for (uint32_t p = 0; p < t->producers; p++) {
        uint32_t earliest_end = UINT32_MAX;
        for (uint64_t i = t->made[p]; i--;) {
            const struct traffic_stamp *s = &t->stamps[p * t->each + i];
            found += earliest_end < s->start;
            earliest_end = s->end < earliest_end ? s->end : earliest_end;
        }
    }
    return found;
}
