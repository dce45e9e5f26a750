/* linear_test.c - the check of histories finds what is wrong with histories that were made up to be wrong, explains
 * those that are right, and agrees with a search that leaves out nothing and remembers nothing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "linear.h"

enum { BUDGET = 100000, RANDOM = 20000, PROCESSES = 3 };

static struct history h;
static int failures;

/* One call of a process on records of stage 1, source 0, or as it says. */
static void call(int p, long began, long ended, enum history_verb verb, const struct model_step *records, int n,
                 int why)
{
    history_call(&h, p, verb, records[0].stage, n + (why >= 0));
    for (int i = 0; i < n + (why >= 0); i++)
        history_argument(&h, p, &records[i]);
    history_ended(&h, p, began, ended, n, why);
}

static struct model_step of(uint32_t record)
{
    return (struct model_step){.stage = 1, .content = record, .becomes = record, .retry = -1};
}

static void put(int p, long began, long ended, uint32_t record)
{
    call(p, began, ended, HISTORY_PUT, (struct model_step[]){of(record)}, 1, -1);
}

static void put_two(int p, long began, long ended, uint32_t first, uint32_t second)
{
    call(p, began, ended, HISTORY_PUT, (struct model_step[]){of(first), of(second)}, 2, -1);
}

static void refused(int p, long began, long ended, enum model_limit why)
{
    call(p, began, ended, HISTORY_PUT, (struct model_step[]){of(99)}, 0, (int)why);
}

static void get_of(int p, long began, long ended, unsigned stage, uint32_t record, int retry)
{
    struct model_step s = of(record);
    s.stage = (uint8_t)stage;
    s.retry = (int16_t)retry;
    call(p, began, ended, HISTORY_GET, &s, 1, -1);
}

static void get(int p, long began, long ended, uint32_t record, int retry)
{
    get_of(p, began, ended, 1, record, retry);
}

static void none_of(int p, long began, long ended, unsigned stage)
{
    history_call(&h, p, HISTORY_GET, stage, 1);
    history_ended(&h, p, began, ended, 0, -1);
}

static void none_held(int p, long began, long ended)
{
    history_call(&h, p, HISTORY_GET, 1, 1);
    history_held(&h, p);
    history_ended(&h, p, began, ended, 0, -1);
}

static void none(int p, long began, long ended) { none_of(p, began, ended, 1); }

static void settle(int p, long began, long ended, enum history_verb verb, uint32_t record)
{
    struct model_step s = of(record);
    s.stage = verb == HISTORY_FORWARD ? 2 : 1;
    call(p, began, ended, verb, &s, 1, -1);
}

static void ack(int p, long began, long ended, uint32_t record) { settle(p, began, ended, HISTORY_ACK, record); }

static void killed(int p, long began, long died, enum history_verb verb, uint32_t record)
{
    struct model_step s = of(record);
    s.stage = verb == HISTORY_FORWARD ? 2 : 1;
    history_call(&h, p, verb, s.stage, 1);
    if (verb != HISTORY_GET)
        history_argument(&h, p, &s);
    history_killed(&h, p, began);
    history_died(&h, p, died);
}

static void delay(int p, long began, long ended, uint32_t record, long time)
{
    struct model_step s = of(record);
    history_call(&h, p, HISTORY_DELAY, 1, 1);
    history_delay(&h, p, time);
    history_argument(&h, p, &s);
    history_ended(&h, p, began, ended, 1, -1);
}

/* Two records are delayed, the second one by less. */
static void delay_two(long first, long second)
{
    h.limits.retries = 3;
    put_two(0, 1, 2, 1, 2);
    get(1, 3, 4, 1, 0);
    get(1, 5, 6, 2, 0);
    delay(1, 7, 9, 1, first);
    delay(1, 10, 11, 2, second);
}

static void recover(int p, long began, long ended)
{
    history_call(&h, p, HISTORY_RECOVER, 0, 0);
    history_ended(&h, p, began, ended, 1, -1);
}

static void found(int p, long began, long ended, int index)
{
    struct model_step s = of(0);
    history_call(&h, p, HISTORY_WAIT, 0, 1);
    history_argument(&h, p, &s);
    history_ended(&h, p, began, ended, index, -1);
}

/* It opens source 0, or is told that another has it. */
static void opens(int p, long began, long ended, bool busy)
{
    struct model_step s = of(0);
    history_call(&h, p, HISTORY_OPEN, 0, 1);
    history_argument(&h, p, &s);
    history_ended(&h, p, began, ended, busy ? -1 : 0, -1);
}

static void leaves(int p, long began, long ended, enum history_verb how)
{
    struct model_step s = of(0);
    history_call(&h, p, how, 0, 1);
    history_argument(&h, p, &s);
    history_ended(&h, p, began, ended, 0, -1);
}

/* Histories without fault. */

static void puts_overlap(void)
{
    put(0, 1, 10, 1);
    put(1, 2, 9, 2);
    get(2, 11, 12, 2, 0);
    get(2, 13, 14, 1, 0);
}

static void others_come_into_a_batch(void)
{
    h.limits.stage = 3;
    put_two(0, 1, 10, 1, 2);
    put(1, 2, 9, 3);
    get(2, 11, 12, 1, 0);
    get(2, 13, 14, 3, 0);
    get(2, 15, 16, 2, 0);
}

static void killed_put_comes_late(void)
{
    killed(0, 1, 5, HISTORY_PUT, 1);
    none(1, 6, 7);
    get(1, 8, 9, 1, 0);
}

static void killed_put_never_comes(void)
{
    killed(0, 1, 5, HISTORY_PUT, 1);
    recover(1, 6, 7);
    none(1, 8, 9);
    h.drained = true;
}

static void killed_get_comes_again(void)
{
    put(1, 1, 2, 1);
    killed(0, 3, 5, HISTORY_GET, 0);
    none(1, 6, 7);
    recover(1, 8, 9);
    get(1, 10, 11, 1, 1);
    ack(1, 12, 13, 1);
    h.drained = true;
}

static void refused_while_others_put(void)
{
    put(0, 1, 10, 1);
    refused(1, 2, 3, MODEL_STAGE);
}

static void refused_while_one_is_dead(void)
{
    put(0, 1, 2, 1);
    history_died(&h, 0, 3);
    refused(1, 4, 5, MODEL_STAGE);
}

static void recovery_left_to_who_attaches(void)
{
    put(1, 1, 2, 1);
    killed(0, 3, 5, HISTORY_GET, 0);
    history_call(&h, 2, HISTORY_ATTACH, 0, 0);
    recover(1, 6, 7);
    none(1, 8, 9);
    history_ended(&h, 2, 4, 10, 0, -1);
    get(1, 11, 12, 1, 1);
}

static void refused_at_the_limit(void)
{
    put_two(0, 1, 2, 1, 2);
    refused(1, 3, 4, MODEL_STAGE);
}

static void past_the_limit_by_deaths(void)
{
    put(2, 1, 2, 1);
    get(0, 3, 4, 1, 0);
    history_died(&h, 0, 5);
    get(1, 6, 7, 1, 1);
    history_died(&h, 1, 8);
    recover(2, 9, 10);
    none(2, 11, 12);
    get_of(2, 13, 14, 0, 1, 0);
}

/* A get of a stage that is held after it has found what was past its limit. */
static void past_the_limit_and_held(void)
{
    put(2, 1, 2, 1);
    get(0, 3, 4, 1, 0);
    history_died(&h, 0, 5);
    get(1, 6, 7, 1, 1);
    history_died(&h, 1, 8);
    recover(2, 9, 10);
    put(2, 11, 12, 2);
    none_held(2, 13, 14);
    get_of(2, 15, 16, 0, 1, 0);
    get(2, 17, 18, 2, 0);
}

static void room_by_an_ack_at_work(void)
{
    put_two(0, 1, 2, 1, 2);
    get(1, 3, 4, 1, 0);
    ack(1, 5, 10, 1);
    put(0, 6, 7, 3);
}

static void delayed_by_their_times(void)
{
    delay_two(20, 10);
    none(2, 19, 20);
    get(2, 21, 22, 2, 1);
    get(2, 27, 28, 1, 1);
}

/* The first one is due after 27, and before 30. */
static void delayed_in_either_order(void)
{
    delay_two(20, 18);
    none(2, 26, 29);
    get(2, 32, 33, 1, 1);
    get(2, 34, 35, 2, 1);
}

/* Its process was killed before it had done so. */
static void killed_delay_comes_late(void)
{
    h.limits.retries = 3;
    put(1, 1, 2, 1);
    get(0, 3, 4, 1, 0);
    history_call(&h, 0, HISTORY_DELAY, 1, 1);
    history_delay(&h, 0, 10);
    history_argument(&h, 0, &(struct model_step){.stage = 1, .content = 1});
    history_killed(&h, 0, 5);
    history_died(&h, 0, 6);
    none(1, 20, 21);
    recover(1, 22, 23);
    get(1, 24, 25, 1, 1);
}

/* The first one is due at 29 at the latest. */
static void empty_while_it_may_wait(void)
{
    delay_two(20, 30);
    none(2, 29, 31);
    get(2, 32, 33, 1, 1);
}

static void opened_by_one_after_the_other(void)
{
    opens(0, 1, 2, false);
    opens(1, 3, 4, true);
    opens(0, 5, 6, false);
    leaves(0, 7, 10, HISTORY_CLOSE);
    opens(2, 8, 12, true);
    opens(1, 9, 11, false);
    leaves(1, 13, 16, HISTORY_LEAVE);
    opens(0, 14, 15, true);
    opens(0, 17, 18, false);
}

/* The death is at 6: told before it and after it. */
static void opened_after_a_death(void)
{
    opens(0, 1, 2, false);
    opens(1, 3, 7, true);
    history_died(&h, 0, 6);
    opens(2, 5, 8, false);
    opens(1, 9, 10, true);
}

static void busy_by_an_open_that_was_killed(void)
{
    history_call(&h, 0, HISTORY_OPEN, 0, 1);
    history_argument(&h, 0, &(struct model_step){.source = 0});
    history_killed(&h, 0, 1);
    history_died(&h, 0, 6);
    opens(1, 2, 4, true);
    opens(1, 5, 8, false);
}

static void opened_again_by_who_came_back(void)
{
    opens(0, 1, 2, false);
    leaves(0, 3, 4, HISTORY_LEAVE);
    opens(0, 5, 6, false);
    opens(1, 7, 8, true);
}

/* And with one. */

static void empty_though_due(void)
{
    delay_two(20, 30);
    none(2, 30, 31);
    get(2, 32, 33, 1, 1);
}

static void opened_by_two(void)
{
    opens(0, 1, 2, false);
    opens(1, 3, 4, false);
}

static void busy_though_nobody_has_it(void) { opens(0, 1, 2, true); }

static void busy_after_a_close(void)
{
    opens(0, 1, 2, false);
    leaves(0, 3, 4, HISTORY_CLOSE);
    opens(1, 5, 6, true);
}

static void busy_after_a_death(void)
{
    opens(0, 1, 2, false);
    history_died(&h, 0, 3);
    opens(1, 4, 5, true);
}

static void busy_after_who_had_it_has_left(void)
{
    opens(0, 1, 2, false);
    leaves(0, 3, 4, HISTORY_LEAVE);
    opens(1, 5, 6, true);
}

static void opened_before_a_death(void)
{
    opens(0, 1, 2, false);
    opens(1, 3, 4, false);
    history_died(&h, 0, 5);
}

static void one_producer_out_of_order(void)
{
    put(0, 1, 2, 1);
    put(0, 3, 4, 2);
    get(1, 5, 6, 2, 0);
    get(1, 7, 8, 1, 0);
}

static void batch_out_of_order(void)
{
    put_two(0, 1, 2, 1, 2);
    get(1, 3, 4, 2, 0);
    get(1, 5, 6, 1, 0);
}

static void overlapping_gets_out_of_order(void)
{
    put_two(0, 1, 2, 1, 2);
    get(1, 3, 6, 2, 0);
    none(2, 7, 8);
    get(2, 9, 10, 1, 0);
}

static void empty_though_there(void)
{
    put(0, 1, 2, 1);
    none(1, 3, 4);
    get(1, 5, 6, 1, 0);
}

static void delivered_twice(void)
{
    put(0, 1, 2, 1);
    get(1, 3, 6, 1, 0);
    get(2, 4, 5, 1, 0);
}

static void delivered_after_its_ack(void)
{
    put(0, 1, 2, 1);
    get(1, 3, 4, 1, 0);
    ack(1, 5, 6, 1);
    get(1, 7, 8, 1, 1);
}

static void delivered_before_its_put(void)
{
    get(1, 1, 2, 1, 0);
    put(0, 3, 4, 1);
}

static void refused_though_alone(void)
{
    put(0, 1, 2, 1);
    refused(1, 3, 4, MODEL_STAGE);
}

static void refused_after_recovery(void)
{
    killed(0, 1, 5, HISTORY_PUT, 1);
    recover(1, 6, 7);
    refused(1, 8, 9, MODEL_SOURCE);
}

static void limit_exceeded(void)
{
    put_two(0, 1, 2, 1, 2);
    put(1, 3, 4, 3);
}

static void limit_exceeded_by_a_lease(void)
{
    put_two(0, 1, 2, 1, 2);
    get(1, 3, 4, 1, 0);
    put(0, 5, 6, 3);
}

static void retry_not_counted(void)
{
    put(0, 1, 2, 1);
    get(1, 3, 4, 1, 0);
    settle(1, 5, 6, HISTORY_RETURN, 1);
    get(1, 7, 8, 1, 0);
}

static void returned_to_the_front(void)
{
    put_two(0, 1, 2, 1, 2);
    get(1, 3, 4, 1, 0);
    settle(1, 5, 6, HISTORY_RETURN, 1);
    get(1, 7, 8, 1, 1);
}

static void dead_letter_too_early(void)
{
    put(0, 1, 2, 1);
    get(1, 3, 4, 1, 0);
    settle(1, 5, 6, HISTORY_RETURN, 1);
    get_of(1, 7, 8, 0, 1, 0);
}

static void dead_letter_never(void)
{
    put(2, 1, 2, 1);
    get(0, 3, 4, 1, 0);
    history_died(&h, 0, 5);
    get(1, 6, 7, 1, 1);
    history_died(&h, 1, 8);
    recover(2, 9, 10);
    get(2, 11, 12, 1, 2);
}

static void forwarded_and_still_there(void)
{
    put(0, 1, 2, 1);
    get(1, 3, 4, 1, 0);
    settle(1, 5, 6, HISTORY_FORWARD, 1);
    get(2, 7, 8, 1, 0);
}

static void killed_forward_gives_room_first(void)
{
    put_two(0, 1, 2, 1, 2);
    get(1, 3, 4, 1, 0);
    killed(1, 5, 6, HISTORY_FORWARD, 1);
    put(0, 7, 8, 3);
    none_of(2, 9, 10, 2);
    get_of(2, 11, 12, 2, 1, 0);
}

static void forwarded_late(void)
{
    put(0, 1, 2, 1);
    get(1, 3, 4, 1, 0);
    settle(1, 5, 6, HISTORY_FORWARD, 1);
    none_of(2, 7, 8, 2);
}

static void forwarded_and_lost(void)
{
    put(0, 1, 2, 1);
    get(1, 3, 4, 1, 0);
    settle(1, 5, 6, HISTORY_FORWARD, 1);
    h.drained = true;
}

static void killed_put_after_its_recovery(void)
{
    killed(0, 1, 5, HISTORY_PUT, 1);
    recover(1, 6, 7);
    none(1, 8, 9);
    get(1, 10, 11, 1, 0);
}

static void leased_by_the_dead_after_recovery(void)
{
    put(1, 1, 2, 1);
    killed(0, 3, 5, HISTORY_GET, 0);
    recover(1, 6, 7);
    none(1, 8, 9);
}

static void killed_get_comes_again_uncounted(void)
{
    put(1, 1, 2, 1);
    get(0, 3, 4, 1, 0);
    history_died(&h, 0, 5);
    get(1, 6, 7, 1, 0);
}

static void comes_again_from_the_living(void)
{
    put(1, 1, 2, 1);
    get(0, 3, 4, 1, 0);
    get(1, 6, 7, 1, 1);
}

static void leased_after_its_death(void)
{
    killed(0, 1, 5, HISTORY_GET, 0);
    put(1, 6, 7, 1);
    get(1, 8, 9, 1, 1);
}

static void delayed_too_short(void)
{
    delay_two(20, 10);
    get(2, 18, 19, 2, 1);
}

static void delayed_in_the_wrong_order(void)
{
    delay_two(20, 10);
    get(2, 32, 33, 1, 1);
    get(2, 34, 35, 2, 1);
}

static void found_in_an_empty_stage(void)
{
    put(0, 1, 2, 1);
    get(1, 3, 4, 1, 0);
    found(2, 5, 6, 0);
}

static void wrong_size(void)
{
    put(0, 1, 2, 1);
    struct model_step s = {.kind = MODEL_SIZE, .stage = 1, .content = 0};
    history_call(&h, 1, HISTORY_LOOK, 0, 0);
    history_argument(&h, 1, &s);
    history_ended(&h, 1, 3, 4, 0, -1);
}

static void wrong_credits(void)
{
    put(0, 1, 2, 1);
    struct model_step s = {.kind = MODEL_CREDITS, .content = 3};
    history_call(&h, 1, HISTORY_LOOK, 0, 0);
    history_argument(&h, 1, &s);
    history_ended(&h, 1, 3, 4, 0, -1);
}

static const struct {
    const char *name;
    void (*make)(void);
    enum linear_verdict verdict;
} cases[] = {
#define RIGHT(name)                                                                                                    \
    {                                                                                                                  \
#name, name, LINEAR_YES                                                                                        \
    }
#define WRONG(name)                                                                                                    \
    {                                                                                                                  \
#name, name, LINEAR_NO                                                                                         \
    }
    RIGHT(puts_overlap),
    RIGHT(others_come_into_a_batch),
    RIGHT(killed_put_comes_late),
    RIGHT(killed_put_never_comes),
    RIGHT(killed_get_comes_again),
    RIGHT(refused_while_others_put),
    RIGHT(refused_while_one_is_dead),
    RIGHT(recovery_left_to_who_attaches),
    RIGHT(refused_at_the_limit),
    RIGHT(past_the_limit_by_deaths),
    RIGHT(past_the_limit_and_held),
    RIGHT(room_by_an_ack_at_work),
    RIGHT(delayed_by_their_times),
    RIGHT(delayed_in_either_order),
    RIGHT(killed_delay_comes_late),
    RIGHT(empty_while_it_may_wait),
    RIGHT(opened_by_one_after_the_other),
    RIGHT(opened_after_a_death),
    RIGHT(busy_by_an_open_that_was_killed),
    RIGHT(opened_again_by_who_came_back),
    WRONG(empty_though_due),
    WRONG(opened_by_two),
    WRONG(busy_though_nobody_has_it),
    WRONG(busy_after_a_close),
    WRONG(busy_after_a_death),
    WRONG(busy_after_who_had_it_has_left),
    WRONG(opened_before_a_death),
    WRONG(one_producer_out_of_order),
    WRONG(batch_out_of_order),
    WRONG(overlapping_gets_out_of_order),
    WRONG(empty_though_there),
    WRONG(delivered_twice),
    WRONG(delivered_after_its_ack),
    WRONG(delivered_before_its_put),
    WRONG(refused_though_alone),
    WRONG(refused_after_recovery),
    WRONG(limit_exceeded),
    WRONG(limit_exceeded_by_a_lease),
    WRONG(retry_not_counted),
    WRONG(returned_to_the_front),
    WRONG(dead_letter_too_early),
    WRONG(dead_letter_never),
    WRONG(forwarded_and_still_there),
    WRONG(killed_forward_gives_room_first),
    WRONG(forwarded_late),
    WRONG(forwarded_and_lost),
    WRONG(killed_put_after_its_recovery),
    WRONG(leased_by_the_dead_after_recovery),
    WRONG(killed_get_comes_again_uncounted),
    WRONG(comes_again_from_the_living),
    WRONG(leased_after_its_death),
    WRONG(delayed_too_short),
    WRONG(delayed_in_the_wrong_order),
    WRONG(found_in_an_empty_stage),
    WRONG(wrong_size),
    WRONG(wrong_credits),
};

static void print(const char *line) { puts(line); }

static void expect(const char *name, enum linear_verdict is, enum linear_verdict wanted)
{
    static const char *const words[] = {"explained", "not explained", "not decided"};
    if (is == wanted)
        return;
    printf("%s is %s, and should be %s\n", name, words[is], words[wanted]);
    linear_explain(&h, print);
    failures++;
}

static enum linear_verdict check(long budget)
{
    history_close(&h);
    return linear_check(&h, budget);
}

static void check_cases(void)
{
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        history_reset(&h, &(struct model_limits){.total = 4, .stage = 2, .source = 3, .retries = 1});
        cases[i].make();
        expect(cases[i].name, check(BUDGET), cases[i].verdict);
    }
    history_reset(&h, &(struct model_limits){.total = 4, .stage = 4, .source = 4, .retries = 1});
    puts_overlap();
    expect("a budget of one state", check(1), LINEAR_UNDECIDED);
}

/* Random histories of few calls: made by the model at random moments, many with a result that is not the model's. */

static unsigned below(unsigned n) { return (unsigned)rand() % n; }

static uint32_t records;

/* A call that the process could make now, with the result that it would have. */
static void draw_call(struct model *m, int p, long began, long ended)
{
    struct model_step s = of(0);
    int leased = -1, first = model_first(m, 1);
    for (int i = 0; i < m->records; i++)
        if (m->record[i].where == MODEL_LEASED && m->record[i].owner == p)
            leased = i;
    enum history_verb verb = leased >= 0 && below(2) ? HISTORY_ACK + below(2) : below(2) ? HISTORY_PUT : HISTORY_GET;
    s.kind = verb == HISTORY_PUT   ? MODEL_PUT
             : verb == HISTORY_GET ? MODEL_GET
             : verb == HISTORY_ACK ? MODEL_ACK
                                   : MODEL_RETURN;
    s.content = verb == HISTORY_PUT ? ++records : verb != HISTORY_GET ? m->record[leased].content : 0;
    if (verb == HISTORY_GET && first >= 0) {
        s.content = m->record[first].content;
        s.retry = m->record[first].retry;
    }
    if (!below(6)) {
        found(p, began, ended, (first >= 0) ^ !below(4) ? 0 : -1);
        return;
    }
    bool done = model_do(m, &h.limits, p, &s);
    if (verb == HISTORY_GET && !below(6)) /* a wrong result */
        s.content = 1 + below(records + 1);
    if (verb == HISTORY_GET && !(done = s.content && (done ? below(8) : !below(8))))
        none(p, began, ended);
    else
        call(p, began, ended, verb, &s, done, verb == HISTORY_PUT && !done ? MODEL_STAGE : -1);
}

/* Each call's moment is at `at`; it begins before and ends after, with others' moments between. */
static void draw_history(void)
{
    struct model m = {0};
    long ended[PROCESSES] = {0};
    history_reset(&h, &(struct model_limits){.total = 4, .stage = 2 + below(2), .source = 4, .retries = below(3)});
    records = 0;
    for (long at = 1; at < 10; at++) {
        int p = (int)below(PROCESSES);
        long began = at * 100 - (long)below(300), end = at * 100 + (long)below(300);
        if (began <= ended[p])
            began = ended[p] + 1;
        if (began >= at * 100)
            continue; /* its last call is still at work */
        ended[p] = end * 4 + p;
        draw_call(&m, p, began * 4 + p, ended[p]);
        ended[p] = end;
    }
}

/* All orders, one after the other. */
static bool any_order(const struct model *m, const int *at)
{
    long end = HISTORY_NEVER;
    for (int p = 0; p < PROCESSES; p++)
        if (at[p] < h.program[p].steps && h.program[p].step[at[p]].ended < end)
            end = h.program[p].step[at[p]].ended;
    if (end == HISTORY_NEVER)
        return true;
    for (int p = 0; p < PROCESSES; p++) {
        const struct history_step *s = &h.program[p].step[at[p]];
        struct model next = *m;
        int then[PROCESSES];
        memcpy(then, at, sizeof then);
        then[p]++;
        if (at[p] < h.program[p].steps && s->began < end && model_do(&next, &h.limits, p, &s->what) &&
            any_order(&next, then))
            return true;
    }
    return false;
}

static void check_random(void)
{
    static const struct model empty;
    int wrong = 0;
    srand(1);
    for (int i = 0; i < RANDOM; i++) {
        static const int none_done[PROCESSES];
        draw_history();
        enum linear_verdict v = check(BUDGET);
        bool explained = any_order(&empty, none_done);
        wrong += !explained;
        expect("a random history", v, explained ? LINEAR_YES : LINEAR_NO);
        if (failures)
            return;
    }
    printf("%d random histories, %d of them wrong\n", RANDOM, wrong);
    if (wrong < RANDOM / 10 || wrong > RANDOM * 9 / 10)
        failures++;
}

int main(void)
{
    check_cases();
    check_random();
    printf("%d failures\n", failures);
    return failures != 0;
}
