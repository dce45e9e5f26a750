/* state.c - the contract of state.h and crash.h: sizes, counts, census, names, peers, list, audit; exact when quiet. */
#include "../support/support.h"

#include <criterion/criterion.h>
#include <math.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static const char *name;
static struct cvb_handle *h;
static uint32_t stage, next, source;

static void setup(void)
{
    struct cvb_settings s = small_settings(40, 20, 30);
    name = segment_name("state");
    h = make_segment(name, &s);
    cr_assert_not_null(h);
    cr_assert_eq(cvb_stage(h, "filter", &stage), 0);
    cr_assert_eq(cvb_stage(h, "enrich", &next), 0);
    cr_assert_eq(cvb_source(h, "kafka-1", &source), 0);
}

static void teardown(void)
{
    cvb_detach(h);
    cvb_unlink(name);
}

TestSuite(state, .init = setup, .fini = teardown);

static bool near(double a, double b) { return fabs(a - b) < 1e-9; }

/* 5 queued, 4 leased and 3 reserved in stage; 2 queued in next. */
static void fill_some(struct cvb_lease *l, struct cvb_slot *s)
{
    struct cvb_record shape = {.length = 8, .source = source};
    cr_assert_eq(put_numbers(h, stage, source, 0, 9, NULL), 9);
    cr_assert_eq(cvb_get_batch(h, stage, l, 4), 4);
    cr_assert_eq(cvb_reserve(h, stage, &shape, s, 3, NULL), 3);
    cr_assert_eq(put_numbers(h, next, source, 9, 2, NULL), 2);
}

Test(state, sizes_count_queued_leased_and_reserved)
{
    struct cvb_lease l[4];
    struct cvb_slot s[3];
    uint32_t with[4] = {99, 99, 99, 99};
    cr_assert_eq(cvb_stages_with_data(h, with, 4), 0);
    fill_some(l, s);
    cr_assert_eq(cvb_stage_size(h, stage), 12);
    cr_assert_eq(cvb_stage_size(h, next), 2);
    cr_assert_eq(cvb_total_buffered(h), 14);
    cr_assert(near(cvb_stage_utilization(h, stage), 12 / 20.0));
    cr_assert(near(cvb_global_utilization(h), 14 / 40.0));
    cr_assert_eq(cvb_stages_with_data(h, with, 1), 2, "how many there are, not how many there was room for");
    cr_assert(with[0] == stage && with[1] == 99);
    cr_assert_eq(cvb_stages_with_data(h, with, 4), 2);
    cr_assert(with[0] == stage && with[1] == next);
    cr_assert_eq(cvb_stages_with_data(h, NULL, 0), 2);
    cr_assert_eq(cvb_ack(h, l, 4), 0);
    cr_assert_eq(cvb_cancel(h, s, 3), 0);
    cr_assert_eq(cvb_stage_size(h, stage), 5);
    cr_assert_eq(drain(h, stage), 5);
    cr_assert_eq(cvb_stage_size(h, stage), 0);
    cr_assert_eq(cvb_total_buffered(h), 2);
    cr_assert_eq(drain(h, next), 2);
    cr_assert_eq(cvb_stages_with_data(h, with, 4), 0);
}

Test(state, the_dead_letter_stage_has_a_size_too)
{
    struct cvb_lease l[3];
    cr_assert_eq(put_numbers(h, stage, source, 0, 3, NULL), 3);
    for (int turn = 0; turn < 4; turn++) {
        cr_assert_eq(cvb_get_batch(h, stage, l, 3), 3);
        cr_assert_eq(cvb_return_to_buffer(h, l, 3), 0);
    }
    uint32_t with;
    cr_assert_eq(cvb_stage_size(h, CVB_STAGE_DEAD_LETTER), 3);
    cr_assert_eq(cvb_stage_size(h, stage), 0);
    cr_assert_eq(cvb_stages_with_data(h, &with, 1), 1);
    cr_assert_eq(with, CVB_STAGE_DEAD_LETTER);
    cr_assert_eq(cvb_get_batch(h, CVB_STAGE_DEAD_LETTER, l, 3), 3);
    for (int i = 0; i < 3; i++)
        cr_assert_eq(l[i].origin, stage);
}

Test(state, census_tells_who_has_what)
{
    struct cvb_lease l[4];
    struct cvb_slot s[3];
    struct cvb_census total, stages[8], sources[8], handles[24];
    fill_some(l, s);
    cr_assert_eq(cvb_census(h, &total, NULL, NULL, NULL), 0);
    cr_assert(total.queued == 7 && total.leased == 4 && total.reserved == 3);
    cr_assert_eq(cvb_census(h, &total, stages, sources, handles), 0);
    cr_assert(stages[stage].queued == 5 && stages[stage].leased == 4 && stages[stage].reserved == 3);
    cr_assert(stages[next].queued == 2 && stages[next].leased == 0 && stages[next].reserved == 0);
    cr_assert(sources[source].queued == 7 && sources[source].leased == 4 && sources[source].reserved == 3);
    uint32_t leased = 0, reserved = 0;
    for (int i = 0; i < 24; i++) {
        leased += handles[i].leased;
        reserved += handles[i].reserved;
    }
    cr_assert(leased == 4 && reserved == 3);
    cr_assert_eq(cvb_census(h, NULL, NULL, NULL, NULL), CVB_EINVAL);
    cr_assert_eq(cvb_census(NULL, &total, NULL, NULL, NULL), CVB_EINVAL);
}

Test(state, leases_are_told_by_stage_and_handle)
{
    struct cvb_lease l[4], more;
    struct cvb_slot s[3];
    uint32_t by[24], in[2] = {stage, next}, expected[2] = {4, 1};
    fill_some(l, s);
    cr_assert_eq(cvb_get_batch(h, next, &more, 1), 1);
    for (int k = 0; k < 2; k++) {
        uint32_t sum = 0, holders = 0;
        memset(by, 0xff, sizeof by);
        cr_assert_eq(cvb_leased_by(h, in[k], by), 0);
        for (int i = 0; i < 24; i++) {
            sum += by[i];
            holders += by[i] != 0;
        }
        cr_expect(sum == expected[k] && holders == 1, "%u of stage %u, by %u", sum, in[k], holders);
    }
    cr_expect_eq(cvb_leased_by(h, 7, by), CVB_EUNKNOWN);
    cr_expect_eq(cvb_leased_by(h, stage, NULL), CVB_EINVAL);
}

static void count_everything(void)
{
    struct cvb_lease l[20];
    int why;
    cr_assert_eq(put_numbers(h, stage, source, 0, 30, &why), 20);
    cr_assert_eq(cvb_get_batch(h, stage, l, 20), 20);
    cr_assert_eq(cvb_ack(h, l, 4), 0);
    cr_assert_eq(cvb_return_to_buffer(h, l + 4, 3), 0);
    cr_assert_eq(cvb_forward(h, next, l + 7, 6, &why), 6);
    for (int turn = 0; turn < 3; turn++) {
        cr_assert_eq(cvb_get_batch(h, stage, l, 3), 3);
        cr_assert_eq(cvb_return_to_buffer(h, l, 3), 0);
    }
}

Test(state, counts_by_stage_and_by_source)
{
    struct cvb_counts c, n, d, of;
    count_everything();
    cr_assert_eq(cvb_stage_counts(h, stage, &c), 0);
    cr_assert_eq(cvb_stage_counts(h, next, &n), 0);
    cr_assert_eq(cvb_stage_counts(h, CVB_STAGE_DEAD_LETTER, &d), 0);
    cr_assert_eq(cvb_source_counts(h, source, &of), 0);
    cr_expect_eq(c.accepted, 20);
    cr_expect_eq(c.delivered, 29);
    cr_expect_eq(c.acked, 4);
    cr_expect_eq(c.returned, 12);
    cr_expect_eq(c.forwarded, 6);
    cr_expect_eq(c.dead_lettered, 3);
    cr_expect_geq(c.refused_stage, 1);
    cr_expect_eq(c.refused_source + c.refused_total + c.refused_memory, 0);
    cr_expect_eq(n.accepted, 6, "a forwarded record was accepted there");
    cr_expect_eq(d.accepted, 3);
    cr_expect_eq(of.accepted, 20);
    cr_expect_eq(of.acked, 4);
    cr_expect_eq(of.forwarded, 6);
    cr_expect_eq(of.dead_lettered, 3);
}

static int lease_and_die(void *unused)
{
    (void)unused;
    struct cvb_handle *mine;
    struct cvb_lease l[5];
    if (cvb_attach(name, &mine) || cvb_get_batch(mine, stage, l, 5) != 5)
        return 1;
    raise(SIGKILL);
    return 2;
}

Test(state, counts_outlive_handles_and_redeliveries_are_told)
{
    struct cvb_counts c;
    cr_assert_eq(put_numbers(h, stage, source, 0, 5, NULL), 5);
    cr_assert_eq(reap(spawn(lease_and_die, NULL)), SIGNALED + SIGKILL);
    cr_assert_eq(cvb_recover(h), 1);
    cr_assert_eq(cvb_recover(h), 0, "nobody is left to recover");
    cr_assert_eq(cvb_stage_counts(h, stage, &c), 0);
    cr_expect_eq(c.redelivered, 5);
    cr_assert_eq(cvb_detach(h), 0);
    cr_assert_eq(cvb_attach(name, &h), 0);
    cr_assert_eq(cvb_stage_counts(h, stage, &c), 0);
    cr_expect_eq(c.accepted, 5);
    struct cvb_lease l[5];
    cr_assert_eq(get_all(h, stage, l, 5), 5);
    for (int i = 0; i < 5; i++)
        cr_assert_eq(l[i].retry_count, 1);
}

Test(state, names_by_id)
{
    char text[CVB_NAME_MAX + 1];
    cr_assert_eq(cvb_stage_name(h, 0, text), 0);
    cr_assert_str_eq(text, "dead-letter");
    cr_assert_eq(cvb_stage_name(h, stage, text), 0);
    cr_assert_str_eq(text, "filter");
    cr_assert_eq(cvb_source_name(h, source, text), 0);
    cr_assert_str_eq(text, "kafka-1");
    cr_assert_eq(cvb_stage_name(h, 3, text), CVB_EUNKNOWN);
    cr_assert_eq(cvb_source_name(h, 1, text), CVB_EUNKNOWN);
    cr_assert_eq(cvb_pipeline_name(h, 0, text), 0);
    cr_assert_str_eq(text, "default");
    cr_assert_eq(cvb_pipeline_name(h, 1, text), CVB_EUNKNOWN);
    cr_assert_eq(cvb_stage_name(h, UINT32_MAX, text), CVB_EUNKNOWN);
    cr_assert_eq(cvb_stage_name(NULL, 0, text), CVB_EINVAL);
}

Test(state, errors)
{
    struct cvb_counts c;
    struct cvb_peer p;
    cr_assert_eq(cvb_stage_size(h, 8), CVB_EUNKNOWN);
    cr_assert_eq(cvb_stage_size(NULL, 0), CVB_EINVAL);
    cr_assert_eq(cvb_total_buffered(NULL), CVB_EINVAL);
    cr_assert(cvb_stage_utilization(h, 8) < 0 && cvb_global_utilization(NULL) < 0);
    cr_assert_eq(cvb_stages_with_data(h, NULL, 1), CVB_EINVAL);
    cr_assert_eq(cvb_stage_counts(h, 7, &c), CVB_EUNKNOWN, "nobody has that name yet");
    cr_assert_eq(cvb_stage_counts(h, 8, &c), CVB_EUNKNOWN);
    cr_assert_eq(cvb_source_counts(h, 7, &c), CVB_EUNKNOWN);
    cr_assert_eq(cvb_stage_counts(h, stage, NULL), CVB_EINVAL);
    cr_assert_eq(cvb_peer(h, 24, &p), CVB_EINVAL);
    cr_assert_eq(cvb_peer(h, 0, NULL), CVB_EINVAL);
    cr_assert_eq(cvb_audit(h, NULL), CVB_EINVAL);
    cr_assert_eq(cvb_audit(NULL, NULL), CVB_EINVAL);
    cr_assert_eq(cvb_recover(NULL), CVB_EINVAL);
    cr_assert_eq(cvb_list(NULL, NULL), CVB_EINVAL);
}

Test(state, counts_of_a_seat_are_its_owners)
{
    struct cvb_lease l[4];
    struct cvb_slot slots[3];
    struct cvb_counts c;
    struct cvb_handle *other;
    cr_assert_eq(cvb_attach(name, &other), 0);
    fill_some(l, slots);
    cr_assert_eq(cvb_ack(h, l, 4), 0);
    cr_assert_eq(drain(other, next), 2);
    cr_assert_eq(cvb_peer_counts(h, 0, &c), 0);
    cr_assert(c.accepted == 11 && c.delivered == 4 && c.acked == 4);
    cr_assert_eq(cvb_peer_counts(h, 1, &c), 0);
    cr_assert(c.accepted == 0 && c.delivered == 2 && c.acked == 2);
    cr_assert_eq(cvb_peer_counts(h, 24, &c), CVB_EINVAL);
    cr_assert_eq(cvb_peer_counts(h, 0, NULL), CVB_EINVAL);
    cr_assert_eq(cvb_detach(other), 0);
}

static enum cvb_peer_state state_of(pid_t pid)
{
    for (uint32_t seat = 0; seat < 24; seat++) {
        struct cvb_peer p;
        cr_assert_eq(cvb_peer(h, seat, &p), 0);
        if (p.state != CVB_PEER_NONE && p.pid == pid)
            return p.state;
    }
    return CVB_PEER_NONE;
}

static int attach_and_stay(void *unused)
{
    (void)unused;
    struct cvb_handle *mine;
    if (cvb_attach(name, &mine))
        return 1;
    for (;;)
        pause();
}

static bool is_alive(void *pid) { return state_of(*(pid_t *)pid) == CVB_PEER_ALIVE; }
static bool is_stopped(void *pid) { return state_of(*(pid_t *)pid) == CVB_PEER_STOPPED; }

Test(state, peers_are_alive_stopped_or_dead, .timeout = 60)
{
    pid_t child = spawn(attach_and_stay, NULL);
    cr_assert_eq(state_of(getpid()), CVB_PEER_ALIVE);
    cr_assert(wait_until(is_alive, &child, 20000));
    kill(child, SIGSTOP);
    cr_assert(wait_until(is_stopped, &child, 20000));
    kill(child, SIGCONT);
    cr_assert(wait_until(is_alive, &child, 20000));
    kill(child, SIGKILL);
    reap(child);
    cr_assert_eq(state_of(child), CVB_PEER_DEAD);
    cr_assert_eq(cvb_recover(h), 1);
    cr_assert_eq(state_of(child), CVB_PEER_NONE);
}

static int lease_and_stay(void *unused)
{
    (void)unused;
    struct cvb_handle *mine;
    struct cvb_lease l[3];
    if (cvb_attach(name, &mine) || cvb_get_batch(mine, stage, l, 3) != 3)
        return 1;
    for (;;)
        pause();
}

static bool has_leased(void *unused)
{
    struct cvb_census total;
    (void)unused;
    return !cvb_census(h, &total, NULL, NULL, NULL) && total.leased == 3;
}

Test(state, an_observer_sees_what_a_dead_peer_left, .timeout = 60)
{
    struct cvb_handle *observer, *other;
    cr_assert_eq(put_numbers(h, stage, source, 0, 5, NULL), 5);
    pid_t child = spawn(lease_and_stay, NULL);
    cr_assert(wait_until(has_leased, NULL, 20000));
    kill(child, SIGKILL);
    reap(child);
    cr_assert_eq(cvb_observe(name, &observer), 0);
    cr_assert_eq(state_of(child), CVB_PEER_DEAD);
    cr_assert(has_leased(NULL));
    cr_assert_eq(cvb_attach(name, &other), 0);
    cr_assert_eq(state_of(child), CVB_PEER_NONE);
    cr_assert(!has_leased(NULL));
    cr_assert_eq(cvb_detach(other), 0);
    cr_assert_eq(cvb_detach(observer), 0);
    cr_assert_null(audit_says(h, 5, 0));
}

static int look(const char *seen, const struct cvb_settings *s, uint64_t bytes, void *data)
{
    if (strcmp(seen, name))
        return 0;
    cr_assert_eq(s->max_total_records, 40);
    cr_assert_gt(bytes, 4096);
    *(int *)data += 1;
    return 77;
}

Test(state, list_visits_this_segment_and_ends_when_told)
{
    int seen = 0;
    cr_assert_eq(cvb_list(look, &seen), 77);
    cr_assert_eq(seen, 1);
}

Test(state, the_audit_of_an_empty_segment)
{
    struct cvb_audit a;
    cr_assert_eq(cvb_audit(h, &a), 0);
    cr_assert(a.capacity == 40 && a.free == 40 && a.exact && !a.problems && !a.first_problem[0]);
}
