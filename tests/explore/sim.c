/* sim.c - fibers, the scheduler's strategies, kills and stops. */
#include "sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STACK = 1 << 17, LIMIT = 200000, CHANGES = 6, SITES = 12 };
static const long NEVER = 1L << 60;

struct sim sim;
static void *outside;           /* the stack of who called sim_run */
static const char *last_access; /* of the process that is alone */
static const void *last_at, *last_place;

/* Saves the registers that a call keeps, leaves this stack and goes on with the other one. */
void sim_switch(void **save, void *to);
__asm__(
    ".text\n.globl sim_switch\nsim_switch:\n push %rbp\n push %rbx\n push %r12\n push %r13\n push %r14\n push %r15\n"
    " mov %rsp,(%rdi)\n mov %rsi,%rsp\n pop %r15\n pop %r14\n pop %r13\n pop %r12\n pop %rbx\n pop %rbp\n"
    " pop %rcx\n jmp *%rcx\n");

static void hand_over(void **save);
extern const char __executable_start[];

uint64_t sim_random(void)
{
    sim.state ^= sim.state << 13;
    sim.state ^= sim.state >> 7;
    return sim.state ^= sim.state << 17;
}

unsigned sim_below(unsigned n) { return (unsigned)((sim_random() >> 32) * n >> 32); }

void sim_reset(uint64_t seed)
{
    sim.seed = seed;
    sim.state = seed * 0x9E3779B97F4A7C15u + 0x1234567;
    if (!sim.state)
        sim.state = 1;
    for (int i = 0; i < 4; i++)
        sim_random();
    sim.count = 0;
    sim.current = SIM_AFTER;
    sim.total = sim.skipped = 0;
    sim.changed = true;
    sim.alone_after = 0;
    last_access = NULL;
    for (int i = 0; i <= SIM_FIBERS; i++)
        sim.bound[i] = 4000;
}

void sim_late(void)
{
    if (sim.current >= SIM_FIBERS)
        return;
    const bool dies = sim.site_deaths && !sim_below(4);
    sim.site_deaths -= dies;
    sim_plan(sim.current, dies, 1 + sim_below(4));
}

/* What is wrong only if several are late at exact places of the code, or die there: a stop or a death that is likely,
 * behind one of SITES places, which the seed chooses. */
static void stop_at_site(const struct sim_fiber *f)
{
    uint64_t x = (uint64_t)((const char *)f->place - __executable_start) + sim.seed * 0x632BE59BD9B4E019u;
    x = (x ^ x >> 29) * 0x9E3779B97F4A7C15u;
    if ((x >> 32) % SITES || sim_below(3))
        return;
    sim_late();
}

static void executed(struct sim_fiber *f)
{
    if (f->access)
        sim.after_step(f->access, f->at, f->place);
    if (f->access && sim.sites)
        stop_at_site(f);
    f->access = NULL;
}

static void entry(void)
{
    struct sim_fiber *f = &sim.fiber[sim.current];
    f->run(sim.current);
    executed(f);
    f->done = true;
    sim.changed = true;
    hand_over(&f->sp);
}

int sim_spawn(void (*run)(int))
{
    struct sim_fiber *f = &sim.fiber[sim.count];
    char *stack = f->stack ? f->stack : malloc(STACK);
    *f = (struct sim_fiber){.stack = stack, .run = run, .kill_at = -1, .stop_at = -1, .priority = sim_random()};
    void **p = (void **)(void *)(((uintptr_t)stack + STACK) & ~(uintptr_t)15);
    *--p = NULL;
    *--p = (void *)(uintptr_t)entry;
    for (int i = 0; i < 6; i++)
        *--p = NULL;
    f->sp = p;
    return sim.count++;
}

void sim_point(const char *access, const void *at, const void *place)
{
    if (sim.current == SIM_AFTER) {
        if (last_access)
            sim.after_step(last_access, last_at, last_place);
        last_access = access;
        last_at = at;
        last_place = place;
        SIM_CHECK(++sim.alone_after <= sim.bound[SIM_AFTER], "an operation that is alone does not end");
        return;
    }
    struct sim_fiber *f = &sim.fiber[sim.current];
    last_access = NULL;
    executed(f);
    f->access = access;
    f->at = at;
    f->place = place;
    SIM_CHECK(++f->alone <= sim.bound[sim.current], "an operation goes on though nobody else has success");
    hand_over(&f->sp);
}

void sim_progress(void)
{
    for (int i = 0; i < sim.count; i++)
        sim.fiber[i].alone = 0;
    sim.alone_after = 0;
}

struct strategy {
    unsigned kind, stay;
    long change[CHANGES];
    int last;
};

/* kind 0: uniform; 1, 2: long and short runs of one fiber; 3: priorities that change at a few steps. */
static int pick(struct strategy *s, const int *ready, int n)
{
    int k = -1;
    if (s->kind == 0)
        return ready[sim_below((unsigned)n)];
    if (s->kind < 3) {
        if (sim_below(s->stay))
            for (int i = 0; i < n; i++)
                if (ready[i] == s->last)
                    k = s->last;
        return k < 0 ? ready[sim_below((unsigned)n)] : k;
    }
    for (int i = 0; i < CHANGES; i++)
        if (s->change[i] == sim.total && s->last >= 0)
            sim.fiber[s->last].priority = sim_random() >> 8;
    k = ready[0];
    for (int i = 1; i < n; i++)
        if (sim.fiber[ready[i]].priority > sim.fiber[k].priority)
            k = ready[i];
    if (!sim_below(60))
        sim.fiber[k].priority = sim_random() >> 4;
    return k;
}

/* Most steps are loads; half of the blows count writes, so that the moments before them are met more often. */
void sim_plan(int fiber, bool kill, unsigned steps)
{
    struct sim_fiber *f = &sim.fiber[fiber];
    if (sim.choose)
        return;
    f->by_write = sim_below(2);
    f->writes = 0;
    *(kill ? &f->kill_at : &f->stop_at) =
        f->by_write ? (long)sim_below(steps / 8 + 1) : f->steps + (long)sim_below(steps);
}

/* True if the fiber is killed or stopped before this step. */
static bool strike(int k)
{
    struct sim_fiber *f = &sim.fiber[k];
    if (f->by_write && (!f->access || f->access[0] == 'l'))
        return false;
    long now = f->by_write ? f->writes : f->steps;
    if (f->kill_at >= 0 && now >= f->kill_at) {
        f->killed = true;
        sim.changed = true;
        sim.kills_all++;
        SIM_LOG("p%d is KILLED before its %s", k, f->access ? f->access : "first step");
        sim.killed(k);
        return true;
    }
    if (f->stop_at >= 0 && now >= f->stop_at) {
        f->stop_at = -1;
        sim_pause_until(k, sim_clock() + (sim_below(3) ? (long)sim_below(600) : LIMIT), false);
        sim.stops_all++;
        SIM_LOG("p%d is STOPPED before its %s", k, f->access ? f->access : "first step");
        return true;
    }
    return false;
}

static struct {
    int fiber[SIM_FIBERS], n;
    long next; /* when somebody more can run */
} ready;

static void find_ready(void)
{
    ready.n = 0;
    ready.next = NEVER;
    sim.changed = false;
    for (int i = 0; i < sim.count; i++) {
        struct sim_fiber *f = &sim.fiber[i];
        if (f->done || f->killed)
            continue;
        if (f->resume <= sim_clock()) {
            f->sleeping = false;
            ready.fiber[ready.n++] = i;
        } else if (f->resume < ready.next)
            ready.next = f->resume;
    }
}

/* Nobody can run: the clock goes on to the next who can. */
static void pass_time(void)
{
    bool stopped = false;
    for (int i = 0; i < sim.count; i++) {
        const struct sim_fiber *f = &sim.fiber[i];
        stopped |= !f->done && !f->killed && !f->sleeping;
    }
    if (!stopped)
        sim.only_sleepers();
    sim.skipped += ready.next - sim_clock();
}

void sim_pause_until(int fiber, long clock, bool asleep)
{
    sim.fiber[fiber].resume = clock;
    sim.fiber[fiber].sleeping = asleep;
    sim.changed = true;
}

void sim_wake(int fiber)
{
    if (sim.fiber[fiber].sleeping)
        sim_pause_until(fiber, 0, false);
}

static struct strategy strategy;

bool sim_can_run(int fiber)
{
    for (int i = 0; i < ready.n; i++)
        if (ready.fiber[i] == fiber)
            return true;
    return false;
}

/* The process that does the next step; SIM_AFTER if all have come to their end. */
static int next_fiber(void)
{
    for (;;) {
        if (sim.changed || sim_clock() >= ready.next)
            find_ready();
        if (!ready.n && ready.next == NEVER)
            return SIM_AFTER;
        if (!ready.n) {
            pass_time();
            continue;
        }
        int k = sim.choose ? sim.choose() : pick(&strategy, ready.fiber, ready.n);
        if (!strike(k))
            return strategy.last = k;
    }
}

/* Leaves the stack of sim.current, unless it does the next step itself. */
static void hand_over(void **save)
{
    int from = sim.current, k = next_fiber();
    sim.current = k;
    if (k == SIM_AFTER) {
        sim_switch(save, outside);
        return;
    }
    struct sim_fiber *f = &sim.fiber[k];
    f->steps++;
    f->writes += f->access && f->access[0] != 'l';
    SIM_CHECK(++sim.total < LIMIT, "the processes do not come to an end");
    if (!f->began)
        f->began = sim_clock();
    if (k != from)
        sim_switch(save, f->sp);
}

void sim_run(void)
{
    static const unsigned stays[] = {4, 12, 50};
    strategy = (struct strategy){.kind = sim_below(4), .stay = stays[sim_below(3)], .last = -1};
    for (int i = 0; i < CHANGES; i++)
        strategy.change[i] = sim_below(1500);
    hand_over(&outside);
    sim.steps_all += sim.total;
}

enum { LINES = 250, WIDTH = 300 };
static char lines[LINES][WIDTH];
static unsigned long line_count;

void sim_log(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *line = lines[line_count++ % LINES];
    int n = snprintf(line, WIDTH, "%5ld ", sim.total);
    vsnprintf(line + n, (size_t)(WIDTH - n), format, args);
    va_end(args);
    if (!sim.again)
        puts(line);
}

void sim_fail(const char *format, ...)
{
    va_list args;
    fflush(stdout);
    if (!sim.trace && !sim.brief) { /* the same schedule again, this time with its trace */
        char seed[32];
        snprintf(seed, sizeof seed, "%llu", (unsigned long long)sim.seed);
        execl("/proc/self/exe", "explore", "--scenario", sim.scenario, "--seed", seed, "--schedules", "1", "--again",
              sim.histories_only ? "--histories" : (char *)NULL, (char *)NULL);
    }
    if (sim.again)
        for (unsigned long i = line_count > LINES ? line_count - LINES : 0; i < line_count; i++)
            puts(lines[i % LINES]);
    printf("FAILED scenario %s seed %llu step %ld p%d: ", sim.scenario, (unsigned long long)sim.seed, sim.total,
           sim.current);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("\nreplay: explore --scenario %s --seed %llu --schedules 1 --trace\n", sim.scenario,
           (unsigned long long)sim.seed);
    fflush(stdout);
    _exit(1);
}
