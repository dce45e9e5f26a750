/* delay.c - retries with time: what is returned for later is not there before its time, is there when it has come,
 * keeps its order, counts against all limits meanwhile, and survives deaths of those who returned it and of those who
 * wait.
 */
#include "../support/support.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

enum { STAGE = 1, OTHER = 2, SOURCE = 0, LONG_MS = 600000, SECOND = 1000000000 };
static const char *name;
static struct cvb_handle *h;

static void make(uint32_t retries, uint32_t delay_ms, uint32_t cap_ms)
{
    struct cvb_settings s = small_settings(200, 100, 200);
    s.max_retries = retries;
    s.retry_delay_ms = delay_ms;
    s.retry_delay_cap_ms = cap_ms;
    name = segment_name("delay");
    h = make_segment(name, &s);
    cr_assert(h && name_everything(h));
}

static void setup(void) { make(3, 0, 0); }

static void teardown(void)
{
    cvb_detach(h);
    cvb_unlink(name);
}

TestSuite(delay, .init = setup, .fini = teardown);

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

static void put(uint64_t from, unsigned n) { cr_assert_eq(put_numbers(h, STAGE, SOURCE, from, n, NULL), (int)n); }

static void take(struct cvb_lease *l, unsigned n) { cr_assert_eq(get_all(h, STAGE, l, n), (int)n); }

static void return_after(const struct cvb_lease *l, size_t n, uint32_t delay_ms)
{
    int error = cvb_return_after(h, l, n, delay_ms);
    cr_assert_eq(error, 0, "%s", cvb_error_text(error));
}

/* Waits for the next record, and gets it. */
static struct cvb_lease next_of(struct cvb_handle *at)
{
    const uint32_t stage = STAGE;
    struct cvb_lease l;
    int there = cvb_wait_records(at, &stage, 1, (int64_t)30 * SECOND);
    cr_assert_eq(there, 0, "%s", cvb_error_text(there));
    cr_assert_eq(cvb_get_batch(at, STAGE, &l, 1), 1);
    return l;
}

static uint32_t delayed(void)
{
    struct cvb_audit a;
    cr_assert_eq(cvb_audit(h, &a), 0);
    cr_assert(a.exact && !a.problems, "%s", a.first_problem);
    cr_assert_leq(a.delayed, a.queued);
    return a.delayed;
}

Test(delay, a_record_is_not_there_before_its_time_and_is_there_then)
{
    struct cvb_lease l;
    put(7, 1);
    take(&l, 1);
    uint64_t due = now_ns() + 50000000;
    return_after(&l, 1, 50);
    int got = cvb_get_batch(h, STAGE, &l, 1);
    cr_assert(!got || now_ns() >= due);
    l = got ? l : next_of(h);
    cr_assert_geq(now_ns(), due);
    cr_assert_eq(number_of(&l), 7);
    cr_assert_eq(l.retry_count, 1);
    cr_assert_eq(delayed(), 0);
    cr_assert_eq(cvb_ack(h, &l, 1), 0);
    cr_assert_null(audit_says(h, 0, 0));
}

Test(delay, a_get_that_does_not_wait_finds_it_as_well)
{
    struct cvb_lease l;
    put(7, 1);
    take(&l, 1);
    uint64_t due = now_ns() + 20000000, end = due + (uint64_t)30 * SECOND;
    return_after(&l, 1, 20);
    int got = 0;
    while (!got && now_ns() < end)
        got = cvb_get_batch(h, STAGE, &l, 1);
    cr_assert_eq(got, 1);
    cr_assert_geq(now_ns(), due);
}

Test(delay, records_come_in_the_order_of_their_times)
{
    static const unsigned ms[] = {90, 30, 60, 31, 10, 91};
    uint64_t from[6], to[6], soonest = UINT64_MAX; /* between `from` and `to` it is due */
    struct cvb_lease l[6];
    put(0, 6);
    take(l, 6);
    for (unsigned i = 0; i < 6; i++) {
        from[i] = now_ns() + ms[i] * UINT64_C(1000000);
        return_after(&l[i], 1, ms[i]);
        to[i] = now_ns() + ms[i] * UINT64_C(1000000);
        soonest = from[i] < soonest ? from[i] : soonest;
    }
    cr_assert(delayed() == 6 || now_ns() >= soonest, "one was there before its time");
    for (unsigned i = 0; i < 6; i++)
        l[i] = next_of(h);
    for (unsigned i = 0; i < 6; i++)
        for (unsigned k = i + 1; k < 6; k++)
            cr_assert_leq(from[number_of(&l[i])], to[number_of(&l[k])], "record %u came before %u",
                          (unsigned)number_of(&l[i]), (unsigned)number_of(&l[k]));
}

Test(delay, records_of_one_call_and_of_one_delay_keep_their_order)
{
    enum { MANY = 60 };
    struct cvb_lease l[MANY];
    put(0, MANY);
    take(l, MANY);
    for (unsigned i = 0; i < MANY; i += 3)
        return_after(&l[i], 3, 20);
    for (uint64_t i = 0; i < MANY; i++) {
        struct cvb_lease next = next_of(h);
        cr_assert_eq(number_of(&next), i, "%u, not %u", (unsigned)number_of(&next), (unsigned)i);
    }
}

Test(delay, what_is_due_enters_the_end_of_its_stage)
{
    struct cvb_lease l, queued;
    put(1, 1);
    take(&l, 1);
    put(2, 2);
    return_after(&l, 1, 1);
    const uint64_t due = now_ns() + 1000000;
    while (now_ns() <= due)
        ;
    for (uint64_t i = 2; i < 4; i++) {
        take(&queued, 1);
        cr_assert_eq(number_of(&queued), i);
    }
    queued = next_of(h);
    cr_assert_eq(number_of(&queued), 1);
}

Test(delay, a_delayed_record_counts_against_all_limits_and_is_shown)
{
    struct cvb_lease l[100];
    struct cvb_census total, stages[8], sources[8], handles[24];
    int why;
    put(0, 100);
    take(l, 100);
    return_after(l, 40, LONG_MS);
    cr_assert_eq(put_numbers(h, STAGE, SOURCE, 0, 1, &why), 0);
    cr_assert_eq(why, CVB_ESTAGE_FULL);
    cr_assert_eq(cvb_stage_size(h, STAGE), 100);
    cr_assert_eq(delayed(), 40);
    cr_assert_null(audit_says(h, 40, 60));
    cr_assert_eq(cvb_census(h, &total, stages, sources, handles), 0);
    cr_assert(total.queued == 40 && total.delayed == 40 && total.leased == 60);
    cr_assert(stages[STAGE].queued == 40 && stages[STAGE].delayed == 40);
    cr_assert_eq(sources[SOURCE].delayed, 40);
    uint32_t held = 0;
    for (unsigned i = 0; i < 24; i++)
        held += handles[i].queued + handles[i].delayed;
    cr_assert_eq(held, 0, "what is delayed is nobody's");
    cr_assert_eq(cvb_ack(h, &l[40], 60), 0);
    cr_assert_eq(put_numbers(h, STAGE, SOURCE, 0, 61, &why), 60);
}

Test(delay, a_part_of_a_batch_waits_alone)
{
    struct cvb_lease l[8], more[8];
    put(0, 8);
    take(l, 8);
    cr_assert_eq(cvb_release(h, &l[5], 3), 0);
    take(more, 3);
    cr_assert_eq(number_of(more), 5);
    return_after(&l[2], 3, 5);
    cr_assert_eq(delayed(), 3);
    cr_assert_eq(cvb_return_after(h, &l[2], 1, 5), CVB_ESETTLED);
    cr_assert_eq(cvb_ack(h, l, 2), 0);
    for (uint64_t i = 2; i < 5; i++) {
        struct cvb_lease next = next_of(h);
        cr_assert(number_of(&next) == i && next.retry_count == 1);
    }
}

Test(delay, errors_leave_all_as_it_was)
{
    struct cvb_lease l[2], wrong;
    put(0, 2);
    take(l, 2);
    wrong = l[1];
    wrong.place.handle++;
    struct cvb_lease both[] = {l[0], wrong};
    cr_assert_eq(cvb_return_after(h, both, 2, 10), CVB_EFOREIGN);
    cr_assert_eq(cvb_return_after(NULL, l, 1, 10), CVB_EINVAL);
    cr_assert_eq(cvb_return_after(h, NULL, 1, 10), CVB_EINVAL);
    cr_assert_eq(cvb_return_after(h, NULL, 0, 10), 0);
    cr_assert_null(audit_says(h, 0, 2));
    return_after(l, 1, 0);
    cr_assert_eq(delayed(), 0, "no delay: at once");
    take(both, 1);
    cr_assert_eq(both[0].retry_count, 1);
}

Test(delay, past_its_retries_a_record_is_a_dead_letter_at_once)
{
    struct cvb_lease l;
    put(5, 1);
    for (unsigned i = 0; i <= 3; i++) {
        l = next_of(h);
        cr_assert_eq(l.retry_count, i);
        return_after(&l, 1, 1);
    }
    cr_assert_eq(delayed(), 0);
    cr_assert_eq(cvb_get_batch(h, CVB_STAGE_DEAD_LETTER, &l, 1), 1);
    cr_assert_eq(number_of(&l), 5);
}

Test(delay, by_its_settings_a_return_waits_twice_as_long_each_time, .init = NULL)
{
    static const unsigned at_least_ms[] = {8, 16, 20, 20};
    struct cvb_lease l;
    make(10, 8, 20);
    put(5, 1);
    take(&l, 1);
    for (unsigned i = 0; i < 4; i++) {
        uint64_t due = now_ns() + at_least_ms[i] * UINT64_C(1000000);
        cr_assert_eq(cvb_return_to_buffer(h, &l, 1), 0);
        cr_assert_eq(delayed(), 1);
        l = next_of(h);
        cr_assert_geq(now_ns(), due);
        cr_assert_eq(l.retry_count, i + 1);
    }
    cr_assert_eq(cvb_release(h, &l, 1), 0);
    cr_assert_eq(cvb_get_batch(h, STAGE, &l, 1), 1, "what is released is there at once");
    cr_assert_eq(cvb_return_after(h, &l, 1, 0), 0);
    cr_assert_eq(cvb_get_batch(h, STAGE, &l, 1), 1, "the call's own delay counts");
}

Test(delay, the_delay_of_a_live_segment_can_be_set)
{
    uint32_t delay_ms, cap_ms;
    struct cvb_lease l;
    cr_assert_eq(cvb_retry_delay_of(h, &delay_ms, &cap_ms), 0);
    cr_assert(delay_ms == 0 && cap_ms == 60000);
    cr_assert_eq(cvb_set_retry_delay(h, 100, 99), CVB_EINVAL);
    cr_assert_eq(cvb_set_retry_delay(h, LONG_MS, LONG_MS), 0);
    cr_assert_eq(cvb_retry_delay_of(h, &delay_ms, &cap_ms), 0);
    cr_assert(delay_ms == LONG_MS && cap_ms == LONG_MS);
    put(1, 1);
    take(&l, 1);
    cr_assert_eq(cvb_return_to_buffer(h, &l, 1), 0);
    cr_assert_eq(delayed(), 1);
    cr_assert_eq(cvb_set_retry_delay(h, 0, 0), 0);
    put(2, 1);
    take(&l, 1);
    cr_assert_eq(cvb_return_to_buffer(h, &l, 1), 0);
    cr_assert_eq(delayed(), 1);
}

/* Seven weeks, after as many failures as the doubling counts, and more. */
Test(delay, the_longest_delays_do_not_overflow, .init = NULL)
{
    struct cvb_lease l, again;
    make(60, 0, 0);
    put(1, 2);
    take(&l, 1);
    return_after(&l, 1, UINT32_MAX);
    cr_assert_eq(cvb_set_retry_delay(h, 1, 1), 0);
    for (unsigned i = 0; i < 40; i++) {
        l = next_of(h);
        cr_assert_eq(number_of(&l), 2);
        cr_assert_eq(cvb_return_to_buffer(h, &l, 1), 0);
    }
    l = next_of(h);
    cr_assert_eq(l.retry_count, 40);
    cr_assert_eq(cvb_set_retry_delay(h, UINT32_MAX, UINT32_MAX), 0);
    cr_assert_eq(cvb_return_to_buffer(h, &l, 1), 0);
    cr_assert_eq(delayed(), 2);
    cr_assert_eq(cvb_get_batch(h, STAGE, &again, 1), 0);
    put(3, 1);
    take(&l, 1);
    return_after(&l, 1, 1);
    l = next_of(h);
    cr_assert_eq(number_of(&l), 3);
    cr_assert_eq(delayed(), 2);
}

Test(delay, settings_that_make_no_sense_are_refused)
{
    struct cvb_settings s;
    char text[200];
    cvb_settings_init(&s);
    cr_assert(s.retry_delay_ms == 0 && s.retry_delay_cap_ms == 0);
    s.retry_delay_ms = 100;
    s.retry_delay_cap_ms = 99;
    cr_assert_eq(cvb_settings_check(&s, text, sizeof text), CVB_EINVAL);
    cr_assert_str_eq(text, "retry_delay_cap_ms is 99: it must be retry_delay_ms (100) at least");
    s.retry_delay_ms = 120000;
    s.retry_delay_cap_ms = 0;
    cr_assert_eq(cvb_settings_check(&s, text, sizeof text), 0);
}

/* A sink whose database is away for a while fails with all that it touches; each record once at least, however late the
 * sinks begin. */
struct outage {
    uint64_t over_ns;
    uint32_t records, done;
};

static bool fails(const struct outage *o, const struct cvb_lease *l)
{
    return !l->retry_count || now_ns() < o->over_ns;
}

static int sink(void *argument)
{
    struct outage *o = argument;
    struct cvb_handle *mine;
    struct cvb_lease l[8];
    const uint32_t stage = STAGE;
    if (cvb_attach(name, &mine))
        return 1;
    while (__atomic_load_n(&o->done, __ATOMIC_SEQ_CST) < o->records) {
        int there = cvb_wait_records(mine, &stage, 1, SECOND / 10);
        int n = there ? 0 : cvb_get_batch(mine, STAGE, l, 8);
        if ((there && there != CVB_ETIMEDOUT) || n < 0)
            return 2;
        for (int i = 0; i < n; i++) {
            const bool failed = fails(o, &l[i]);
            if (failed ? cvb_return_to_buffer(mine, &l[i], 1) : cvb_ack(mine, &l[i], 1))
                return 3;
            __atomic_add_fetch(&o->done, !failed, __ATOMIC_SEQ_CST);
        }
    }
    return cvb_detach(mine);
}

Test(delay, a_sink_that_fails_for_a_while_makes_no_dead_letters, .init = NULL)
{
    enum { SINKS = 3 };
    make(4, 40, 1000); /* 40 + 80 + 160 + 320 ms from the first failure until the fourth retry */
    put(0, 50);
    struct outage *o = shared_memory(sizeof *o);
    *o = (struct outage){now_ns() + 300000000, 50, 0};
    pid_t child[SINKS];
    for (int i = 0; i < SINKS; i++)
        child[i] = spawn(sink, o);
    for (int i = 0; i < SINKS; i++)
        cr_assert_eq(reap(child[i]), 0);
    struct cvb_counts c;
    cr_assert_eq(cvb_stage_counts(h, STAGE, &c), 0);
    cr_assert(c.acked == 50 && c.returned >= 50 && !c.dead_lettered, "%u acked, %u returned, %u dead letters",
              (unsigned)c.acked, (unsigned)c.returned, (unsigned)c.dead_lettered);
    cr_assert_null(audit_says(h, 0, 0));
}

/* Returns all it gets for a while, and dies. */
static int return_and_die(void *argument)
{
    struct cvb_handle *mine;
    struct cvb_lease l[8];
    if (cvb_attach(name, &mine) || get_all(mine, STAGE, l, 8) != 8)
        return 1;
    if (cvb_return_after(mine, l, 8, *(const uint32_t *)argument))
        return 2;
    raise(SIGKILL);
    return 3;
}

Test(delay, what_waits_survives_the_death_of_who_returned_it)
{
    uint32_t delay_ms = 30;
    put(0, 8);
    cr_assert_eq(reap(spawn(return_and_die, &delay_ms)), SIGNALED + SIGKILL);
    for (uint64_t i = 0; i < 8; i++) {
        struct cvb_lease l = next_of(h);
        cr_assert(number_of(&l) == i && l.retry_count == 1, "a death does not count against what was returned before");
        cr_assert_eq(cvb_ack(h, &l, 1), 0);
    }
    cr_assert_null(audit_says(h, 0, 0));
}

/* Waits for a record, acks it, and says which it was. */
static int await_one(void *argument)
{
    uint64_t *got = argument;
    struct cvb_handle *mine;
    struct cvb_lease l;
    const uint32_t stage = STAGE;
    if (cvb_attach(name, &mine))
        return 1;
    __atomic_store_n(&got[1], 1, __ATOMIC_SEQ_CST);
    int n = 0;
    while (!n) /* another process may be quicker, and leave it again by its death */
        n = cvb_wait_records(mine, &stage, 1, (int64_t)30 * SECOND) ? -1 : cvb_get_batch(mine, STAGE, &l, 1);
    if (n < 0)
        return 2;
    got[0] = number_of(&l);
    return cvb_ack(mine, &l, 1) ? 3 : cvb_detach(mine);
}

struct sleeper {
    pid_t pid;
    uint64_t *got;
};

static bool sleeps(void *argument)
{
    const struct sleeper *s = argument;
    return __atomic_load_n(&s->got[1], __ATOMIC_SEQ_CST) && process_state(s->pid) == 'S';
}

Test(delay, who_sleeps_already_is_woken_when_it_is_due)
{
    struct cvb_lease l;
    put(9, 1);
    take(&l, 1);
    uint64_t *got = shared_memory(2 * sizeof *got);
    struct sleeper s = {spawn(await_one, got), got};
    cr_assert(wait_until(sleeps, &s, 20000));
    return_after(&l, 1, 20);
    cr_assert_eq(reap(s.pid), 0);
    cr_assert_eq(got[0], 9);
}

static bool is_empty(void *unused) { return !unused && !cvb_total_buffered(h); }

/* Whoever acks it; this process takes nothing. */
Test(delay, the_death_of_the_process_that_looks_out_leaves_it_to_others)
{
    struct cvb_lease l;
    put(9, 1);
    take(&l, 1);
    uint64_t *got = shared_memory(4 * sizeof *got);
    struct sleeper first = {spawn(await_one, got), got}, second;
    cr_assert(wait_until(sleeps, &first, 20000));
    second = (struct sleeper){spawn(await_one, got + 2), got + 2};
    cr_assert(wait_until(sleeps, &second, 20000));
    return_after(&l, 1, 20);
    kill(first.pid, SIGKILL);
    reap(first.pid);
    cr_assert(wait_until(is_empty, NULL, 30000));
    cr_assert(got[0] == 9 || got[2] == 9, "it was due before the blow, or came to the other one");
    kill(second.pid, SIGKILL);
    reap(second.pid);
}
