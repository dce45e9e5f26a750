/* processes.c - fork, exec, stopped peers, and pid namespaces: what a handle is to a process, and what one process can
 * do to another.
 */
#include "../support/support.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char *name;
static struct cvb_handle *h;
enum { STAGE = 1, NEXT = 2 };

static void setup(void)
{
    struct cvb_settings s = small_settings(400, 300, 200);
    name = segment_name("processes");
    h = make_segment(name, &s);
    cr_assert(h && name_everything(h));
}

static void teardown(void)
{
    cvb_detach(h);
    cvb_unlink(name);
}

TestSuite(processes, .init = setup, .fini = teardown);

#define FORKED(call)                                                                                                   \
    do {                                                                                                               \
        long got = (long)(call);                                                                                       \
        if (got != CVB_EFORKED) {                                                                                      \
            fprintf(stderr, "%s gave %ld\n", #call, got);                                                              \
            return 1;                                                                                                  \
        }                                                                                                              \
    } while (0)

static int use_the_parents_handle(void *lease)
{
    struct cvb_record r = {.payload = "x", .length = 1}, taken;
    struct cvb_lease l = *(struct cvb_lease *)lease;
    struct cvb_slot slot = {0};
    struct cvb_settings s;
    struct cvb_counts counts;
    struct cvb_backpressure b;
    struct cvb_audit a;
    struct cvb_census c;
    struct cvb_peer p;
    uint32_t id, stage = STAGE;
    int why;
    char text[CVB_NAME_MAX + 1];
    alarm(60);
    FORKED(cvb_settings_of(h, &s));
    FORKED(cvb_stage(h, "x", &id));
    FORKED(cvb_source(h, "x", &id));
    FORKED(cvb_pipeline(h, "x", &id));
    FORKED(cvb_buffer_for_stage(h, STAGE, &r));
    FORKED(cvb_buffer_batch_for_stage(h, STAGE, &r, 1, &why));
    FORKED(cvb_reserve(h, STAGE, &r, &slot, 1, &why));
    FORKED(cvb_publish(h, &slot, 1));
    FORKED(cvb_cancel(h, &slot, 1));
    FORKED(cvb_get_batch(h, STAGE, &l, 1));
    FORKED(cvb_take_batch(h, STAGE, &taken, 1, text, sizeof text));
    FORKED(cvb_ack(h, &l, 1));
    FORKED(cvb_return_to_buffer(h, &l, 1));
    FORKED(cvb_forward(h, NEXT, &l, 1, &why));
    FORKED(cvb_forward_records(h, NEXT, &l, &r, 1, &why));
    FORKED(cvb_backpressure(h, STAGE, 0, &b));
    FORKED(cvb_should_backpressure(h, 0));
    FORKED(cvb_available_credits(h, 0));
    FORKED(cvb_wait_credits(h, STAGE, 0, 0));
    FORKED(cvb_wait_records(h, &stage, 1, 0));
    FORKED(cvb_stage_size(h, STAGE));
    FORKED(cvb_total_buffered(h));
    FORKED(cvb_stage_utilization(h, STAGE));
    FORKED(cvb_global_utilization(h));
    FORKED(cvb_stages_with_data(h, &id, 1));
    FORKED(cvb_stage_counts(h, 0, &counts));
    FORKED(cvb_source_counts(h, 0, &counts));
    FORKED(cvb_census(h, &c, NULL, NULL, NULL));
    FORKED(cvb_stage_name(h, 0, text));
    FORKED(cvb_source_name(h, 0, text));
    FORKED(cvb_pipeline_name(h, 0, text));
    FORKED(cvb_peer(h, 0, &p));
    FORKED(cvb_recover(h));
    FORKED(cvb_audit(h, &a));
    FORKED(cvb_detach(h));
    struct cvb_handle *own; /* and it may have one of its own */
    if (cvb_attach(name, &own) || cvb_buffer_for_stage(own, STAGE, &r))
        return 2;
    return cvb_detach(own);
}

Test(processes, a_forked_child_has_no_part_in_its_parents_handle, .timeout = 60)
{
    struct cvb_lease l;
    cr_assert_eq(put_numbers(h, STAGE, 0, 42, 1, NULL), 1);
    cr_assert_eq(cvb_get_batch(h, STAGE, &l, 1), 1);
    cr_assert_eq(reap(spawn(use_the_parents_handle, &l)), 0);
    cr_assert_null(audit_says(h, 1, 1), "%s", audit_says(h, 1, 1));
    cr_assert_eq(number_of(&l), 42);
    cr_assert_eq(cvb_ack(h, &l, 1), 0, "the parent's handle is as it was, also after the child's detach");
}

struct family {
    pid_t parent, child;
    bool leased;
};

/* A parent that leases, has a child, and is killed. */
static int lease_and_fork(void *argument)
{
    struct family *f = argument;
    struct cvb_handle *mine;
    struct cvb_lease l[5];
    if (cvb_attach(name, &mine) || cvb_get_batch(mine, STAGE, l, 5) != 5)
        return 1;
    pid_t child = fork();
    if (!child) {
        alarm(60); /* nobody waits for it if the test fails */
        for (;;)
            pause();
    }
    f->child = child;
    raise(SIGKILL);
    return 2;
}

/* The child lets go of the parent's lock when it first runs: not before the parent's death, perhaps. */
static bool recovers_one(void *handle) { return cvb_recover(handle) == 1; }

Test(processes, a_living_child_does_not_keep_its_dead_parent_alive, .timeout = 60)
{
    struct family *f = shared_memory(sizeof *f);
    struct cvb_lease l[5];
    cr_assert_eq(put_numbers(h, STAGE, 0, 0, 5, NULL), 5);
    cr_assert_eq(reap(spawn(lease_and_fork, f)), SIGNALED + SIGKILL);
    cr_assert_eq(kill(f->child, 0), 0, "the child lives");
    cr_assert(wait_until(recovers_one, h, 30000), "and its parent's seat is free all the same");
    cr_assert_eq(get_all(h, STAGE, l, 5), 5);
    for (int i = 0; i < 5; i++)
        cr_assert_eq(l[i].retry_count, 1);
    cr_assert_eq(cvb_ack(h, l, 5), 0);
    kill(f->child, SIGKILL);
}

/* exec ends the process's handles: mapping and locks are gone, what it leased comes again. */
static int lease_and_exec(void *unused)
{
    (void)unused;
    struct cvb_handle *mine;
    struct cvb_lease l[5];
    if (cvb_attach(name, &mine) || cvb_get_batch(mine, STAGE, l, 5) != 5)
        return 1;
    execlp("sleep", "sleep", "60", (char *)NULL);
    return 2;
}

static bool is_sleep(void *pid)
{
    char path[40], text[64] = "";
    snprintf(path, sizeof path, "/proc/%d/comm", *(pid_t *)pid);
    FILE *f = fopen(path, "r");
    bool is = f && fgets(text, sizeof text, f) && !strcmp(text, "sleep\n");
    if (f)
        fclose(f);
    return is;
}

static bool a_seat_is_recovered(void *unused)
{
    (void)unused;
    return cvb_recover(h) == 1;
}

Test(processes, exec_ends_a_handle, .timeout = 60)
{
    cr_assert_eq(put_numbers(h, STAGE, 0, 0, 5, NULL), 5);
    pid_t child = spawn(lease_and_exec, NULL);
    cr_assert(wait_until(is_sleep, &child, 30000));
    cr_assert(wait_until(a_seat_is_recovered, NULL, 30000)); /* the kernel lets go of the file a little later */
    cr_assert_null(audit_says(h, 5, 0), "%s", audit_says(h, 5, 0));
    kill(child, SIGKILL);
    cr_assert_eq(reap(child), SIGNALED + SIGKILL);
}

Test(processes, two_handles_of_one_process_are_two_peers)
{
    struct cvb_handle *other;
    struct cvb_lease l[2];
    cr_assert_eq(cvb_attach(name, &other), 0);
    cr_assert_eq(put_numbers(h, STAGE, 0, 0, 2, NULL), 2);
    cr_assert_eq(cvb_get_batch(h, STAGE, &l[0], 1), 1);
    cr_assert_eq(cvb_get_batch(other, STAGE, &l[1], 1), 1);
    cr_assert_eq(cvb_recover(other), 0, "neither is dead to the other");
    cr_assert_eq(cvb_detach(h), 0);
    cr_assert_geq(cvb_recover(other), 0);
    cr_assert_null(audit_says(other, 1, 1), "%s", audit_says(other, 1, 1));
    h = other;
    cr_assert_eq(cvb_ack(h, &l[1], 1), 0);
}

struct busy {
    uint64_t turns[8];
    uint32_t index;
};

/* All verbs, round and round. What others stopped in the middle may fill the buffer, so nothing here waits for room. */
static int work(void *argument)
{
    struct busy *b = *(struct busy **)argument;
    uint32_t me = ((uint32_t *)argument)[2];
    uint64_t seed = me + 1;
    struct cvb_handle *mine;
    struct cvb_lease l[20];
    struct cvb_slot s[10];
    if (cvb_attach(name, &mine))
        return 1;
    for (;;) {
        struct cvb_record shape = {.length = 8, .source = me};
        if (put_numbers(mine, STAGE, me, 0, 1 + random_below(&seed, 20), NULL) < 0)
            return 2;
        int n = cvb_reserve(mine, STAGE, &shape, s, 1 + random_below(&seed, 10), NULL);
        if (n < 0 || (n && cvb_publish(mine, s, (size_t)n)))
            return 3;
        n = cvb_get_batch(mine, random_below(&seed, 2) ? STAGE : NEXT, l, 1 + random_below(&seed, 20));
        int some = n > 0 && l[0].stage == STAGE ? cvb_forward(mine, NEXT, l, (size_t)n / 2, NULL) : 0;
        if (n < 0 || some < 0 || (n > some && cvb_ack(mine, l + some, (size_t)(n - some))))
            return 4;
        cvb_wait_records(mine, (uint32_t[]){STAGE}, 1, 0);
        __atomic_fetch_add(&b->turns[me], 1, __ATOMIC_RELAXED);
    }
}

struct progress {
    struct busy *b;
    uint64_t from[8];
    uint32_t stopped;
};

static bool the_others_went_on(void *argument)
{
    struct progress *p = argument;
    for (int i = 0; i < 4; i++)
        if (!(p->stopped >> i & 1) && __atomic_load_n(&p->b->turns[i], __ATOMIC_RELAXED) < p->from[i] + 50)
            return false;
    return true;
}

/* At each of many random moments some are stopped where they are; each of the others finishes 50 rounds of all verbs.
 */
Test(processes, who_is_stopped_blocks_nobody, .timeout = 240)
{
    struct progress p = {.b = shared_memory(sizeof *p.b)};
    struct {
        struct busy *b;
        uint32_t me;
    } argument = {p.b, 0};
    pid_t child[4];
    uint64_t seed = 5;
    for (; argument.me < 4; argument.me++)
        child[argument.me] = spawn(work, &argument);
    for (int round = 0; round < 300; round++) {
        p.stopped = 1 + random_below(&seed, 14); /* at least one goes on */
        nanosleep(&(struct timespec){.tv_nsec = (long)random_below(&seed, 2000000)}, NULL);
        for (int i = 0; i < 4; i++)
            if (p.stopped >> i & 1)
                kill(child[i], SIGSTOP);
        for (int i = 0; i < 4; i++)
            p.from[i] = __atomic_load_n(&p.b->turns[i], __ATOMIC_RELAXED);
        cr_assert(wait_until(the_others_went_on, &p, 30000), "round %d: stopped %x", round, p.stopped);
        for (int i = 0; i < 4; i++)
            kill(child[i], SIGCONT);
    }
    for (int i = 0; i < 4; i++) {
        kill(child[i], SIGKILL);
        cr_assert_eq(reap(child[i]), SIGNALED + SIGKILL);
    }
    cr_assert_geq(cvb_recover(h), 0);
    cr_assert_geq(drain(h, STAGE), 0);
    cr_assert_geq(drain(h, NEXT), 0);
    cr_assert_geq(drain(h, CVB_STAGE_DEAD_LETTER), 0);
    cr_assert_null(audit_says(h, 0, 0), "%s", audit_says(h, 0, 0));
}

/* In a pid namespace of its own: process 1 there, which leases and is killed, or stays. */
static int lease_as_process_one(void *argument)
{
    struct family *f = argument;
    if (unshare(CLONE_NEWPID))
        return 100;
    pid_t inside = fork();
    if (!inside) {
        struct cvb_handle *mine;
        struct cvb_lease l[5];
        if (getpid() != 1 || cvb_attach(name, &mine) || cvb_get_batch(mine, STAGE, l, 5) != 5)
            _exit(1);
        while (!__atomic_load_n(&f->child, __ATOMIC_ACQUIRE)) /* the child to kill: known before anybody looks */
            sched_yield();
        __atomic_store_n(&f->leased, true, __ATOMIC_RELEASE);
        for (;;)
            pause();
    }
    __atomic_store_n(&f->child, inside, __ATOMIC_RELEASE);
    return inside < 0 ? 100 : reap(inside) - SIGNALED;
}

static bool has_leased(void *f) { return __atomic_load_n(&((struct family *)f)->leased, __ATOMIC_ACQUIRE); }
static bool has_leased_or_ended(void *f) { return has_leased(f) || process_state(((struct family *)f)->parent) == 'Z'; }

Test(processes, life_and_death_across_pid_namespaces, .timeout = 60)
{
    struct family *f = shared_memory(sizeof *f);
    cr_assert_eq(put_numbers(h, STAGE, 0, 0, 5, NULL), 5);
    pid_t child = f->parent = spawn(lease_as_process_one, f);
    cr_assert(wait_until(has_leased_or_ended, f, 30000));
    if (!has_leased(f)) {
        cr_assert_eq(reap(child), 100);
        cr_skip_test("a pid namespace is not permitted here");
    }
    cr_assert_eq(cvb_recover(h), 0, "it lives, though its pid here is another's");
    cr_assert_null(audit_says(h, 0, 5));
    kill(f->child, SIGKILL);
    cr_assert_eq(reap(child), SIGKILL);
    cr_assert_eq(cvb_recover(h), 1);
    cr_assert_null(audit_says(h, 5, 0), "%s", audit_says(h, 5, 0));
}
