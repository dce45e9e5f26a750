/* chaos_work.c - what the workers of the chaos run do, forever, until they are killed or told to stop. */
#include "chaos.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct self {
    unsigned index;
    uint64_t seed;
    struct cvb_handle *h;
};

static void beat(struct self *me) { __atomic_fetch_add(&chaos->worker[me->index].beats, 1, __ATOMIC_RELAXED); }
static bool told_to_stop(void) { return __atomic_load_n(&chaos->stop, __ATOMIC_ACQUIRE); }
static void add(uint64_t *at, uint64_t n) { __atomic_fetch_add(at, n, __ATOMIC_RELAXED); }
static bool is_full(int why) { return why <= CVB_ESTAGE_FULL && why >= CVB_EMEMORY_FULL; }

static uint32_t make_item(struct self *me, struct item *item, uint64_t number)
{
    uint32_t length = ITEM_LEAST + random_below(&me->seed, sizeof item->filling);
    item->producer = me->index;
    item->number = number;
    item->check = (uint32_t)number * 2654435761u ^ me->index ^ length << 16;
    memset(item->filling, (int)item->check, length - ITEM_LEAST);
    return length;
}

/* Reserves, writes, and publishes; sometimes gives all up. As many as were published, or an error. */
static int put_copyless(struct self *me, const struct cvb_record *r, unsigned n, int *why)
{
    struct cvb_slot slots[BATCH_MOST];
    struct cvb_record shape = {.length = sizeof(struct item), .source = me->index};
    int got = cvb_reserve(me->h, chaos->filter, &shape, slots, n, why);
    if (got <= 0)
        return got;
    for (int i = 0; i < got; i++) {
        memcpy(slots[i].payload, r[i].payload, r[i].length);
        slots[i].length = r[i].length;
    }
    bool cancel = !random_below(&me->seed, 10);
    int error = cancel ? cvb_cancel(me->h, slots, (size_t)got) : cvb_publish(me->h, slots, (size_t)got);
    return error ? error : cancel ? 0 : got;
}

static int produce(struct self *me)
{
    static struct item items[BATCH_MOST];
    struct cvb_record r[BATCH_MOST];
    uint64_t next = chaos->worker[me->index].next;
    uint32_t *entry = chaos->ledger[me->index] + next;
    unsigned n = 1 + random_below(&me->seed, chaos->put_most);
    if (next + n > RECORDS)
        return 0;
    for (unsigned i = 0; i < n; i++)
        r[i] = (struct cvb_record){
            .payload = &items[i], .length = make_item(me, &items[i], next + i), .source = me->index};
    chaos->worker[me->index].next = next + n; /* my successor does not use these again */
    for (unsigned i = 0; i < n; i++)
        chaos_mark(&entry[i], i ? TRIED : TRIED | BATCH);
    int why = 0, put = random_below(&me->seed, 4) ? cvb_buffer_batch_for_stage(me->h, chaos->filter, r, n, &why)
                                                  : put_copyless(me, r, n, &why);
    if (put < 0 || put > (int)n || (why && !is_full(why))) {
        chaos_violation("a put said %d, %s", put, cvb_error_text(put < 0 ? put : why));
        return 1;
    }
    for (int i = 0; i < put; i++)
        chaos_mark(&entry[i], IN);
    for (unsigned i = (unsigned)put; i < n; i++)
        __atomic_store_n(&entry[i], 0, __ATOMIC_SEQ_CST); /* surely not in: these numbers are used again */
    chaos->worker[me->index].next = next + (unsigned)put;
    if (put < (int)n && random_below(&me->seed, 2))
        cvb_wait_credits(me->h, chaos->filter, me->index, 5000000);
    return 0;
}

static void mark_all(const struct cvb_lease *l, size_t n, uint32_t marks)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t *entry = chaos_entry(&l[i]);
        if (entry)
            chaos_mark(entry, marks);
    }
}

static int ack(struct self *me, const struct cvb_lease *l, size_t n)
{
    uint32_t *entry[BATCH_MOST]; /* the payloads are gone after the ack */
    mark_all(l, n, SETTLING);
    for (size_t i = 0; i < n; i++)
        entry[i] = chaos_entry(&l[i]);
    int error = cvb_ack(me->h, l, n);
    if (error) {
        chaos_violation("an ack said %s", cvb_error_text(error));
        return 1;
    }
    for (size_t i = 0; i < n; i++)
        if (entry[i])
            chaos_mark(entry[i], ACKED);
    add(&chaos->acked, n);
    return 0;
}

static int give_back(struct self *me, const struct cvb_lease *l, size_t n)
{
    int error = cvb_return_to_buffer(me->h, l, n);
    if (error)
        chaos_violation("a return said %s", cvb_error_text(error));
    return error != 0;
}

/* Forwards as they are, or with new payloads; those that find no room go back. */
static int pass_on(struct self *me, const struct cvb_lease *l, size_t n)
{
    struct cvb_record r[BATCH_MOST];
    static struct item items[BATCH_MOST];
    uint32_t *entry[BATCH_MOST];
    int why = 0;
    for (size_t i = 0; i < n; i++) {
        memcpy(&items[i], l[i].payload, l[i].length);
        r[i] = (struct cvb_record){.payload = &items[i], .length = l[i].length};
        entry[i] = chaos_entry(&l[i]);
    }
    mark_all(l, n, PASSING);
    int got = random_below(&me->seed, 2) ? cvb_forward(me->h, chaos->sink, l, n, &why)
                                         : cvb_forward_records(me->h, chaos->sink, l, r, n, &why);
    if (got < 0 || got > (int)n || (why && !is_full(why))) {
        chaos_violation("a forward said %d, %s", got, cvb_error_text(got < 0 ? got : why));
        return 1;
    }
    for (int i = 0; i < got; i++)
        if (entry[i])
            chaos_mark(entry[i], PASSED);
    return (size_t)got < n ? give_back(me, l + got, n - (size_t)got) : 0;
}

static void shuffle(struct self *me, struct cvb_lease *l, unsigned n)
{
    for (unsigned i = n; i > 1; i--) {
        unsigned k = random_below(&me->seed, i);
        struct cvb_lease swap = l[k];
        l[k] = l[i - 1];
        l[i - 1] = swap;
    }
}

static int settle(struct self *me, struct cvb_lease *l, unsigned n, unsigned level)
{
    bool forwards = level == 0 ? random_below(&me->seed, 8) : level == 2 && random_below(&me->seed, 2);
    if (random_below(&me->seed, 2))
        shuffle(me, l, n);
    for (unsigned done = 0, piece; done < n; done += piece) {
        piece = 1 + random_below(&me->seed, n - done);
        bool back = !random_below(&me->seed, 12) && level != 2;
        int bad = back       ? give_back(me, l + done, piece)
                  : forwards ? pass_on(me, l + done, piece)
                             : ack(me, l + done, piece);
        if (bad)
            return bad;
    }
    return 0;
}

static int consume(struct self *me, unsigned level)
{
    struct cvb_lease l[BATCH_MOST];
    const uint32_t stages[] = {chaos->filter, chaos->sink, CVB_STAGE_DEAD_LETTER};
    int n = cvb_get_batch(me->h, stages[level], l, 1 + random_below(&me->seed, chaos->get_most));
    if (n < 0) {
        chaos_violation("get_batch said %s", cvb_error_text(n));
        return 1;
    }
    for (int i = 0; i < n; i++) {
        chaos_seen(&l[i], level);
        if (l[i].retry_count)
            add(&chaos->redelivered, 1);
    }
    if (level == 2)
        add(&chaos->dead_letters, (uint64_t)n);
    if (!n)
        cvb_wait_records(me->h, &stages[level], 1, 5000000);
    if (n && !random_below(&me->seed, 200)) { /* leaves in the middle, with all it has leased */
        for (int i = 0; i < n; i++)
            chaos_unseen(&l[i], level);
        if (cvb_detach(me->h) || cvb_attach(chaos->name, &me->h))
            return 1;
        return 0;
    }
    return n ? settle(me, l, (unsigned)n, level) : 0;
}

static int observe(struct self *me)
{
    const struct cvb_settings *s = &chaos->settings;
    for (int i = 0; i < 200; i++) {
        int64_t total = cvb_total_buffered(me->h), filter = cvb_stage_size(me->h, chaos->filter),
                sink = cvb_stage_size(me->h, chaos->sink);
        if (total > s->max_total_records || filter > s->max_per_stage || sink > s->max_per_stage || total < 0 ||
            filter < 0 || sink < 0)
            chaos_violation("a limit was exceeded: %lld in all, %lld and %lld in the stages", (long long)total,
                            (long long)filter, (long long)sink);
    }
    add(&chaos->samples, 200);
    struct cvb_audit a;
    int error = random_below(&me->seed, 20) ? 0 : cvb_audit(me->h, &a);
    if (error)
        chaos_violation("an audit said %s", cvb_error_text(error));
    cvb_wait_records(me->h, &chaos->sink, 1, 1000000);
    usleep(500); /* leaves the processors to the others */
    return 0;
}

int chaos_work(void *argument)
{
    struct self me = {.index = *(unsigned *)argument};
    me.seed = chaos->seed + 1000003 * ++chaos->worker[me.index].lives + me.index;
    int error = cvb_attach(chaos->name, &me.h);
    if (error) {
        chaos_violation("an attach said %s", cvb_error_text(error));
        return 1;
    }
    int bad = 0;
    while (!bad && !told_to_stop()) {
        unsigned consumer = me.index - PRODUCERS;
        if (me.index < PRODUCERS)
            bad = produce(&me);
        else if (consumer < CONSUMERS)
            bad = consume(&me, consumer >= CONSUMERS / 2);
        else if (consumer < CONSUMERS + OPERATORS)
            bad = consume(&me, 2);
        else
            bad = observe(&me);
        beat(&me);
    }
    return bad || cvb_detach(me.h);
}
