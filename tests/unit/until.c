/* until.c - the calls that wait by themselves: put, get and forward until all is done or the time is over; how much
 * room there is, and waiting for it.
 */
#include "../support/support.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

static const char *name;
static struct cvb_handle *h;
static uint32_t stage, next;
enum { SECOND = 1000000000, FEW = 20, PER_STAGE = 100 };

/* A stage holds 100 and pauses at 80 until 50; a source may have 150, all together 300. */
static void setup(void)
{
    struct cvb_settings s = small_settings(300, PER_STAGE, 150);
    s.max_retries = 0;
    name = segment_name("until");
    h = make_segment(name, &s);
    cr_assert_not_null(h);
    cr_assert_eq(cvb_stage(h, "filter", &stage), 0);
    cr_assert_eq(cvb_stage(h, "enrich", &next), 0);
    cr_assert(name_everything(h));
}

static void teardown(void)
{
    cvb_detach(h);
    cvb_unlink(name);
}

TestSuite(until, .init = setup, .fini = teardown, .timeout = 120);

static void fill(uint32_t at, uint32_t source, int n)
{
    cr_assert_eq(put_numbers(h, at, source, 0, (unsigned)n, NULL), n);
}

/* Records of numbers from `first` on. */
static void make(struct cvb_record *r, uint64_t *number, size_t n, uint64_t first, uint32_t source)
{
    for (size_t i = 0; i < n; i++) {
        number[i] = first + i;
        r[i] = (struct cvb_record){.payload = &number[i], .length = sizeof number[i], .source = source};
    }
}

Test(until, room_is_what_a_put_would_get)
{
    cr_assert_eq(cvb_room(h, stage, 1), 100, "the stage has the least");
    cr_assert_eq(cvb_room(h, CVB_NO_STAGE, 1), 150);
    cr_assert_eq(cvb_room(h, stage, CVB_NO_SOURCE), 100);
    fill(next, 1, 90);
    cr_assert_eq(cvb_room(h, stage, 1), 60, "now the source");
    cr_assert_eq(cvb_room(h, stage, 2), 100);
    fill(3, 2, 100);
    fill(4, 3, 60);
    cr_assert_eq(cvb_room(h, stage, 4), 50, "now the total");
    cr_assert_eq(cvb_room(h, stage, CVB_NO_SOURCE), 100, "a forward needs no room in total");
    cr_assert_eq(put_numbers(h, stage, 4, 0, 70, NULL), 50);
    cr_assert_eq(cvb_room(h, stage, 4), 0);
    drain(h, 4);
    cr_assert_eq(cvb_room(h, stage, 4), 50, "what was acked gives room, though its credits stay with idle units");
    cr_assert_eq(put_numbers(h, stage, 4, 0, 70, NULL), 50);
    cr_assert_eq(cvb_room(h, stage, 1000), CVB_EUNKNOWN);
    cr_assert_eq(cvb_room(h, 1000, 1), CVB_EUNKNOWN);
    cr_assert_eq(cvb_room(h, CVB_STAGE_DEAD_LETTER, 1), CVB_EUNKNOWN);
    cr_assert_eq(cvb_room(h, CVB_NO_STAGE, CVB_NO_SOURCE), CVB_EINVAL);
    cr_assert_eq(cvb_room(NULL, stage, 1), CVB_EINVAL);
}

/* What a child does that waits, and what came of it. */
struct job {
    enum { PUT, GET, FORWARD, REPLACE, WAIT_ROOM, WAIT_CREDITS } what;
    uint32_t from, to, source;
    unsigned count;
    int64_t timeout_ns;
    bool ready; /* from now on it does nothing but the call */
    int done, why;
};

static int do_job(void *argument)
{
    struct job *j = argument;
    struct cvb_handle *mine;
    struct cvb_lease l[PER_STAGE];
    struct cvb_record r[PER_STAGE];
    uint64_t number[PER_STAGE];
    alarm(100);
    int error = cvb_attach(name, &mine);
    make(r, number, j->count, 1000, j->source);
    if (error || ((j->what == FORWARD || j->what == REPLACE) && get_all(mine, j->from, l, j->count) != (int)j->count))
        return 1;
    __atomic_store_n(&j->ready, true, __ATOMIC_RELEASE);
    if (j->what == PUT)
        j->done = cvb_put_wait(mine, j->to, r, j->count, j->timeout_ns, &j->why);
    else if (j->what == GET)
        j->done = cvb_get_wait(mine, j->from, l, j->count, j->timeout_ns);
    else if (j->what == FORWARD)
        j->done = cvb_forward_wait(mine, j->to, l, j->count, j->timeout_ns, &j->why);
    else if (j->what == REPLACE)
        j->done = cvb_forward_records_wait(mine, j->to, l, r, j->count, j->timeout_ns, &j->why);
    else if (j->what == WAIT_ROOM)
        j->done = cvb_wait_room(mine, j->to, j->source, j->timeout_ns);
    else
        j->done = cvb_wait_credits(mine, j->to, j->source, j->timeout_ns);
    return j->what == GET && j->done > 0 && cvb_ack(mine, l, (size_t)j->done) ? 2 : -cvb_detach(mine);
}

static pid_t child;
static struct job *job;

static bool sleeps(void *unused)
{
    (void)unused;
    return __atomic_load_n(&job->ready, __ATOMIC_ACQUIRE) &&
           (process_state(child) == 'S' || process_state(child) == 'Z');
}

/* Begins the job in a child, and returns when that sleeps, or has ended already, by its deadline. */
static void begin(struct job j)
{
    job = shared_memory(sizeof *job);
    *job = j;
    child = spawn(do_job, job);
    cr_assert(wait_until(sleeps, NULL, 60000));
}

static void expect_end(int done, int why)
{
    cr_assert_eq(reap(child), 0);
    cr_assert_eq(job->done, done, "%d, not %d (%s)", job->done, done, cvb_error_text(job->why));
    cr_assert_eq(job->why, why, "%s", cvb_error_text(job->why));
}

/* So many leave, and no more, whatever comes meanwhile. */
static void take_away(uint32_t from, unsigned n)
{
    struct cvb_lease l[100];
    cr_assert_eq(get_all(h, from, l, n), (int)n);
    cr_assert_eq(cvb_ack(h, l, n), 0);
}

Test(until, a_put_waits_until_all_are_in)
{
    fill(stage, 1, 100);
    begin((struct job){.what = PUT, .to = stage, .source = 2, .count = 100, .timeout_ns = -1});
    take_away(stage, 100);
    while (process_state(child) != 'Z' && process_state(child))
        cr_assert_geq(drain(h, stage), 0);
    expect_end(100, 0);
    drain(h, stage);
    cr_assert_null(audit_says(h, 0, 0));
}

/* The stage is full. There is room for 5 before a put's deadline: the level says pause all the time, but the last try
 * finds it. False if this process was too late with that room. */
static bool put_finds_room_at_its_end(int64_t timeout_ns)
{
    const uint64_t soonest_end = now_ms() + (uint64_t)timeout_ns / 1000000;
    begin((struct job){.what = PUT, .to = stage, .source = 2, .count = FEW, .timeout_ns = timeout_ns});
    take_away(stage, 5);
    if (now_ms() < soonest_end) {
        expect_end(5, CVB_ETIMEDOUT);
        return true;
    }
    cr_assert_eq(reap(child), 0);
    cr_assert_eq(job->why, CVB_ETIMEDOUT);
    fill(stage, 2, job->done > 0 ? 5 - job->done : 5);
    return false;
}

Test(until, a_put_at_its_deadline_has_put_what_there_was_room_for)
{
    struct cvb_record r[FEW];
    uint64_t number[FEW];
    int why = 1;
    make(r, number, FEW, 0, 1);
    fill(stage, 2, 90);
    cr_assert_eq(cvb_put_wait(h, stage, r, FEW, SECOND / 50, &why), 10);
    cr_assert_eq(why, CVB_ETIMEDOUT);
    cr_assert_eq(cvb_put_wait(h, stage, r, FEW, SECOND / 50, &why), CVB_ETIMEDOUT, "none");
    cr_assert_eq(cvb_put_wait(h, stage, r, FEW, 0, NULL), CVB_ETIMEDOUT, "it does not sleep");
    cr_assert_eq(why, CVB_ETIMEDOUT);
    for (int64_t timeout_ns = 2L * SECOND; !put_finds_room_at_its_end(timeout_ns); timeout_ns *= 2)
        continue;
}

Test(until, a_put_of_several_sources_waits_for_each)
{
    struct cvb_record r[FEW];
    uint64_t number[FEW];
    make(r, number, FEW, 0, 1);
    for (unsigned i = 0; i < FEW; i += 2)
        r[i].source = 2;
    int why = 1;
    cr_assert_eq(cvb_put_wait(h, stage, r, FEW, -1, &why), FEW);
    cr_assert_eq(why, 0);
    r[3].source = 1000;
    cr_assert_eq(cvb_put_wait(h, stage, r, FEW, -1, &why), 3);
    cr_assert_eq(why, CVB_EUNKNOWN, "what no waiting mends ends it at once");
    cr_assert_eq(cvb_put_wait(h, stage, r + 3, 1, -1, &why), CVB_EUNKNOWN);
    cr_assert_eq(cvb_put_wait(h, CVB_STAGE_DEAD_LETTER, r, 1, -1, &why), CVB_EUNKNOWN);
    cr_assert_eq(cvb_put_wait(h, stage, r, 0, -1, &why), 0);
    cr_assert_eq(why, 0);
    cr_assert_eq(cvb_put_wait(NULL, stage, r, 1, -1, &why), CVB_EINVAL);
}

Test(until, a_get_waits_for_the_first)
{
    struct cvb_lease l[FEW];
    cr_assert_eq(cvb_get_wait(h, stage, l, FEW, SECOND / 50), CVB_ETIMEDOUT);
    cr_assert_eq(cvb_get_wait(h, stage, l, FEW, 0), CVB_ETIMEDOUT);
    cr_assert_eq(cvb_get_wait(h, stage, l, 0, -1), 0);
    cr_assert_eq(cvb_get_wait(h, 1000, l, FEW, -1), CVB_EUNKNOWN);
    begin((struct job){.what = GET, .from = stage, .count = FEW, .timeout_ns = -1});
    fill(stage, 1, 1);
    expect_end(1, 0);
    fill(stage, 1, 3);
    cr_assert_eq(cvb_get_wait(h, stage, l, FEW, -1), 3);
}

Test(until, forwards_wait_for_room)
{
    for (int how = FORWARD; how <= REPLACE; how++) {
        fill(next, 1, 100);
        fill(stage, 2, FEW);
        begin((struct job){.what = how, .from = stage, .to = next, .source = 2, .count = FEW, .timeout_ns = -1});
        take_away(next, 100);
        expect_end(FEW, 0);
        struct cvb_lease l[FEW];
        cr_assert_eq(get_all(h, next, l, FEW), FEW);
        for (unsigned i = 0; i < FEW; i++)
            cr_assert_eq(number_of(&l[i]), (how == FORWARD ? 0 : 1000) + i);
        cr_assert_eq(cvb_ack(h, l, FEW), 0);
        cr_assert_null(audit_says(h, 0, 0));
    }
}

Test(until, a_forward_at_its_deadline_keeps_the_rest_leased)
{
    struct cvb_lease l[FEW];
    int why;
    fill(next, 1, 90);
    fill(stage, 2, FEW);
    cr_assert_eq(get_all(h, stage, l, FEW), FEW);
    cr_assert_eq(cvb_forward_wait(h, next, l, FEW, SECOND / 50, &why), 10);
    cr_assert_eq(why, CVB_ETIMEDOUT);
    cr_assert_eq(cvb_forward_wait(h, next, l + 10, 10, SECOND / 50, &why), CVB_ETIMEDOUT);
    cr_assert_eq(cvb_forward_records_wait(h, next, l + 10, NULL, 10, -1, &why), CVB_EINVAL);
    cr_assert_eq(cvb_forward_wait(h, 1000, l + 10, 10, -1, &why), CVB_EUNKNOWN);
    cr_assert_eq(cvb_ack(h, l + 10, 10), 0);
    cr_assert_eq(drain(h, next), 100);
    cr_assert_null(audit_says(h, 0, 0));
}

/* Its source is at its limit again; the total, which it holds a credit of, is as full, and must not matter. */
Test(until, a_dead_letter_waits_for_its_source)
{
    struct cvb_lease l[10];
    fill(stage, 1, 10);
    cr_assert_eq(get_all(h, stage, l, 10), 10);
    cr_assert_eq(cvb_return_to_buffer(h, l, 10), 0);
    cr_assert_eq(cvb_stage_size(h, CVB_STAGE_DEAD_LETTER), 10);
    fill(3, 1, 100);
    fill(4, 1, 50);
    fill(4, 2, 50);
    fill(5, 2, 90);
    cr_assert_eq(cvb_room(h, CVB_NO_STAGE, 3), 0);
    begin((struct job){
        .what = FORWARD, .from = CVB_STAGE_DEAD_LETTER, .to = stage, .source = 1, .count = 10, .timeout_ns = -1});
    cr_assert_eq(drain(h, 3), 100); /* the source's level is low then; that of the total, 200 of 300, is not */
    expect_end(10, 0);
}

/* A record less is room, though the level says pause until half of them have left. */
Test(until, room_ends_a_wait_at_once_credits_do_not)
{
    struct cvb_lease l[PER_STAGE];
    fill(stage, 1, 100);
    cr_assert_eq(cvb_wait_room(h, stage, 2, SECOND / 50), CVB_ETIMEDOUT);
    begin((struct job){.what = WAIT_ROOM, .to = stage, .source = 2, .timeout_ns = 50L * SECOND});
    cr_assert_eq(get_all(h, stage, l, 100), 100);
    cr_assert_eq(cvb_ack(h, l, 1), 0);
    expect_end(0, 0);
    cr_assert_eq(cvb_wait_room(h, stage, 2, 0), 0);
    cr_assert_eq(cvb_wait_credits(h, stage, 2, SECOND / 50), CVB_ETIMEDOUT);
    cr_assert_eq(cvb_wait_room(h, CVB_STAGE_DEAD_LETTER, 2, 0), CVB_EUNKNOWN);
    cr_assert_eq(cvb_wait_room(h, 1000, 2, 0), CVB_EUNKNOWN);
    cr_assert_eq(cvb_wait_room(NULL, stage, 2, 0), CVB_EINVAL);
}

Test(until, cvb_wake_ends_each)
{
    struct cvb_record r = {.payload = "x", .length = 1, .source = 1};
    struct cvb_lease l;
    int why = 0;
    fill(stage, 1, 1);
    cr_assert_eq(cvb_get_wait(h, stage, &l, 1, -1), 1);
    fill(stage, 2, 99);
    fill(next, 2, 51);
    fill(next, 3, 49);
    cr_assert_eq(cvb_wake(h), 0);
    cr_assert_eq(cvb_put_wait(h, stage, &r, 1, -1, &why), CVB_EINTERRUPTED);
    cr_assert_eq(why, CVB_EINTERRUPTED);
    cr_assert_eq(cvb_wake(h), 0);
    cr_assert_eq(cvb_forward_wait(h, next, &l, 1, -1, &why), CVB_EINTERRUPTED);
    cr_assert_eq(cvb_wake(h), 0);
    cr_assert_eq(cvb_get_wait(h, 3, &l, 1, -1), CVB_EINTERRUPTED);
    cr_assert_eq(cvb_wake(h), 0);
    cr_assert_eq(cvb_wait_room(h, stage, 1, -1), CVB_EINTERRUPTED);
    cr_assert_eq(cvb_get_wait(h, 3, &l, 1, 0), CVB_ETIMEDOUT, "each call ends one wait");
}

static void on_signal(int number) { (void)number; }

Test(until, a_signal_ends_it_if_asked)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    struct cvb_lease l;
    sigaction(SIGALRM, &action, NULL);
    cr_assert_eq(cvb_interruptible(h, 1), 0);
    const struct itimerval again = {{0, 20000}, {0, 20000}}, off = {{0, 0}, {0, 0}};
    setitimer(ITIMER_REAL, &again, NULL);
    cr_assert_eq(cvb_get_wait(h, stage, &l, 1, -1), CVB_EINTERRUPTED);
    cr_assert_eq(cvb_interruptible(h, 0), 0);
    cr_assert_eq(cvb_get_wait(h, stage, &l, 1, SECOND / 5), CVB_ETIMEDOUT);
    setitimer(ITIMER_REAL, &off, NULL);
}
