/* main.c - a victim runs one public operation of the shipped library, one instruction at a time.
 *
 * For each operation and starting state a victim process is stopped before and after every instruction that writes to
 * the segment; with --each, and where it sleeps or has not mapped the segment yet, by ptrace after every instruction. A
 * kill or a stop there leaves the segment as it is at that moment; so its bytes are copied, and what may follow is
 * played on the copy:
 *
 *   a  nobody has recovered yet: another handle puts, gets, acks and returns, and no limit is exceeded; recovered then
 *   b  killed and recovered: the audit is exact, every accepted record is there, leased ones with one try more, none is
 *      torn or comes twice; then it is filled to exactly each limit and drained to exactly nothing
 *      A source whose records have positions starts again from `accepted`: no gap, none twice; in all aftermaths no
 *      record is there that `settled` has passed, and when all is acked all is settled
 *   c  stopped, on the real segment: others take all, go round the rings, use the cells again; the victim goes on, its
 *      result is true, and b holds
 *   d  the recoverer is killed too, at each of its instructions, or it is stopped and another one recovers
 *
 * Why not every instruction needs an aftermath of its own: a, b and d see nothing of the victim but the segment's
 * bytes. Two instructions between which the bytes are the same have the same aftermath, and are counted as covered by
 * it. c depends on the victim's registers as well, and is played at instructions of its own choice: before and after
 * changes of the segment, and at random ones. That nothing changes the segment but the instructions that were stopped
 * at is looked at: before each of them its bytes are as after the last one. (A step by ptrace costs 30 us and more on a
 * virtual machine, and one instruction in a hundred writes.)
 *
 * A quick run plays a seeded part of them; --full plays all of a, b and d (of d the interleaved recoverers: a part),
 * and c at about --stops places of each case (40), the longest part.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "crash.h"

enum { FAILURES_SHOWN = 3, CASE_SECONDS = 600, STEPS_MOST = 120000 /* to reach places for c */ };

struct options {
    bool full, each;      /* each: every instruction is stopped at, and counted */
    unsigned jobs, stops; /* stops: places of a case where c is played, about so many */
    uint64_t seed;
    const char *operation, *start;
};

/* What a case found; shared by the runner and main. */
struct tally {
    uint64_t instructions, covered, states, accesses, played[4], counted, recoverer_states, steps_most[4], failures;
    char where[512]; /* what was being done */
};

enum way { STEPPED, BY_WRITE, BY_ACCESS };
struct runner {
    const struct options *options;
    const struct operation *operation;
    const struct start *start;
    struct world *w;
    struct tally *t;
    struct arena arena;
    struct bytes real;
    pid_t builder, victim;
    uint64_t address; /* where the victim stopped, if it is not stepped */
    char *packed;
};

static void *shared(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        exit(2);
    return p;
}

static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

/* A random number that seed, case and place decide, so that a run can be repeated. */
static uint64_t chance(const struct runner *r, uint64_t what, uint64_t place)
{
    uint64_t x = r->options->seed;
    x = mix(x ^ (uint64_t)(r->operation - operations) << 8 ^ (uint64_t)(r->start - starts));
    return mix(x ^ what << 56 ^ place);
}

static bool one_in(const struct runner *r, uint64_t what, uint64_t place, unsigned quick, unsigned full)
{
    unsigned n = r->options->full ? full : quick;
    return n && chance(r, what, place) % n == 0;
}

static void failed(struct runner *r, const char *aftermath, uint64_t at, const char *what)
{
    char address[256] = "";
    if (r->t->failures++ >= FAILURES_SHOWN)
        return;
    uint64_t rip = r->victim ? where_is(r->victim) : 0;
    name_address(rip ? rip : r->address, address, sizeof address);
    printf("FAILED %s, %s, aftermath %s at step %llu before %s: %s\n", r->operation->name, r->start->name, aftermath,
           (unsigned long long)at, address, what);
    fflush(stdout);
}

/* The peer that builds the starting state and stays. */
static void build(struct world *w, const struct start *start)
{
    struct cvb_handle *h;
    struct bytes b;
    uint32_t id;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    bool fine = !cvb_attach(w->segment, &h) && !cvb_stage(h, "a", &id) && !cvb_stage(h, "b", &id) &&
                !cvb_stage(h, "c", &id) && !cvb_source(h, "s", &id) && !cvb_source(h, "t", &id) &&
                !cvb_source(h, "u", &id) && !cvb_source(h, "v", &id) && !cvb_source(h, "w", &id);
    if (fine) {
        start->build(w, h);
        fine = bytes_map(w->segment, &b);
        if (fine)
            bytes_free_source(&b, POSITIONED);
        if (fine && start->hints)
            bytes_wrong_hints(&b, HINTS_STALE);
    }
    w->built = fine ? 1 : -1;
    for (;;)
        pause();
}

static void victim_main(struct world *w, const void *what)
{
    const struct operation *o = what;
    o->prepare(w);
    raise(SIGSTOP);
    w->phase = RUNNING;
    w->result = o->run(w);
    w->phase = OVER;
    raise(SIGSTOP);
}

static void writing_main(struct world *w, const void *what)
{
    const struct operation *o = what;
    o->prepare(w);
    raise(SIGSTOP);
    w->phase = RUNNING;
    raise(SIGSTOP);
    faults_begin(w, w->segment, FAULT_AROUND_WRITES);
    w->result = o->run(w);
    w->phase = OVER;
    faults_end();
    raise(SIGSTOP);
}

static void accessing_main(struct world *w, const void *what)
{
    const struct operation *o = what;
    o->prepare(w);
    raise(SIGSTOP);
    faults_begin(w, w->segment, FAULT_ALL);
    w->phase = RUNNING;
    w->result = o->run(w);
    w->phase = OVER;
    faults_end();
    raise(SIGSTOP);
}

/* A new segment in its starting state, and a victim that is about to begin. */
static bool set_up(struct runner *r, enum way way)
{
    static unsigned serial;
    struct world *w = r->w;
    struct cvb_settings s;
    memset(w, 0, sizeof *w);
    snprintf(w->segment, sizeof w->segment, "conveyor-crash-%d-%u", getpid(), serial++);
    snprintf(w->copy, sizeof w->copy, "conveyor-crash-%d-copy", getpid());
    snprintf(w->second, sizeof w->second, "conveyor-crash-%d-second", getpid());
    w->next_id = 1000;
    w->dead = r->start->dead;
    settings_of_test(&s);
    if (cvb_create(w->segment, &s) || !bytes_map(w->segment, &r->real))
        return false;
    if (!(r->builder = fork()))
        build(w, r->start);
    while (!w->built)
        if (waitpid(r->builder, NULL, WNOHANG))
            return false;
    if (w->built < 0)
        return false;
    r->victim = way == STEPPED    ? start_traced(victim_main, w, r->operation)
                : way == BY_WRITE ? start_child(writing_main, w, r->operation)
                                  : start_child(accessing_main, w, r->operation);
    return r->victim != 0;
}

static void tear_down(struct runner *r)
{
    end(r->victim);
    end(r->builder);
    r->victim = r->builder = 0;
    bytes_unmap(&r->real);
    cvb_unlink(r->w->segment);
}

static void note(struct runner *r, const char *what, uint64_t at)
{
    snprintf(r->t->where, sizeof r->t->where, "%s at step %llu", what, (unsigned long long)at);
}

static void judge(struct runner *r, unsigned which, const char *name, uint64_t at, const char *wrong)
{
    r->t->played[which]++;
    if (wrong)
        failed(r, name, at, wrong);
}

/* a, b and d for the segment as it is now. True if a and b were played. */
static bool aftermaths(struct runner *r, uint64_t at, uint64_t state, bool over)
{
    bool always = over || !state;
    bool played = always || one_in(r, 1, state, 4, 1);
    if (played) {
        note(r, "a", at);
        judge(r, 0, "a", at, after_stop(&r->arena, r->packed, over));
        note(r, "b", at);
        judge(r, 1, "b", at, after_kill(&r->arena, r->packed, over));
    }
    if (one_in(r, 2, state, 40, 1)) {
        note(r, "d", at);
        judge(r, 3, "d", at, after_recoverer(&r->arena, r->packed, over, r->options->full ? 1 : 3));
    }
    if (one_in(r, 3, state, 60, 4)) {
        note(r, "d (two recoverers)", at);
        judge(r, 3, "d (two)", at, after_two(&r->arena, r->packed, over, chance(r, 4, state) % 60));
    }
    if (one_in(r, 5, state, 40, 40)) {
        note(r, "a (counted)", at);
        r->t->counted++;
        const char *wrong = after_counted(&r->arena, r->packed);
        if (wrong)
            failed(r, "a (counted)", at, wrong);
    }
    return played;
}

static const char *result_true(const struct world *w)
{
    int e = w->result;
    bool refusal = e <= CVB_ESTAGE_FULL && e >= CVB_EMEMORY_FULL;
    return !e || refusal || ((w->interns || w->anew) && e == CVB_ENAMES) ? NULL
                                                                         : say("its result is: %s", cvb_error_text(e));
}

static bool is_stepped(const struct runner *r) { return r->options->each || r->operation->traits & BY_STEPS; }

/* Steps through the whole operation: to each instruction, or to each stop before and after one that writes. */
static void step_through(struct runner *r)
{
    struct world *w = r->w;
    uint64_t at = 0, state = 0;
    bool played = false;
    bytes_pack(&r->real, r->packed);
    while (w->phase != OVER) {
        if (!(is_stepped(r) ? step : resume)(r->victim)) {
            failed(r, "none", at, "the victim ended");
            return;
        }
        if (w->phase == PREPARING)
            continue;
        r->address = w->address;
        bool over = w->phase == OVER, first = !at++, changed = !bytes_equal(&r->real, r->packed);
        if (changed && !is_stepped(r) && (over || w->before_write))
            failed(r, "none", at, "what changed the segment was none of the instructions that write to it");
        if (first || over || changed) {
            bytes_pack(&r->real, r->packed);
            played = aftermaths(r, at, state++, over);
        }
        r->t->covered += played;
    }
    r->t->instructions = at;
    r->t->states = state;
    const char *wrong = result_true(w);
    if (wrong)
        failed(r, "none", at, wrong);
}

static bool reach_by_steps(struct runner *r, uint64_t at)
{
    while (r->w->phase == PREPARING)
        if (!step(r->victim))
            return false;
    for (uint64_t i = 1; i < at && r->w->phase == RUNNING; i++)
        if (!step(r->victim))
            return false;
    return true;
}

/* The victim is stopped; it goes on when others have used all that they can get at. */
static const char *go_on_after_lap(struct runner *r)
{
    struct world *w = r->w;
    struct facts before, f;
    facts_build(w, false, &before);
    const char *wrong = lap(w, &before);
    if (!wrong && !((r->operation->traits & BY_STEPS) ? go_on(r->victim) : resume(r->victim)))
        wrong = say("the victim ended when it went on");
    if (!wrong)
        wrong = result_true(w);
    if (wrong)
        return wrong;
    end(r->victim);
    facts_build(w, true, &f);
    wrong = facts_after(&f, &before);
    return wrong ? wrong : check_all(w, w->segment, &f);
}

/* c: on a segment of its own, before access number `at`, or instruction `at`. */
static void stop_and_lap(struct runner *r, uint64_t at)
{
    bool steps = r->operation->traits & BY_STEPS;
    note(r, "c", at);
    if (!set_up(r, steps ? STEPPED : BY_ACCESS)) {
        failed(r, "c", at, "no starting state");
        return;
    }
    r->w->stop_at = at;
    const bool reached = steps ? reach_by_steps(r, at) : resume(r->victim);
    r->address = r->w->address;
    if (!reached)
        judge(r, 2, "c", at, "the victim ended");
    else if (r->w->phase != OVER) /* or it went another way than the first time, and there is nothing left to stop */
        judge(r, 2, "c", at, go_on_after_lap(r));
    tear_down(r);
}

static uint64_t count_accesses(struct runner *r)
{
    uint64_t n = 0;
    note(r, "c", 0);
    if (set_up(r, BY_ACCESS) && resume(r->victim))
        n = r->w->accesses;
    else
        failed(r, "c", 0, "the victim ended while its accesses were counted");
    tear_down(r);
    return n;
}

/* A seeded part of the places where it may be stopped; what takes long to reach is reached less often. */
static void stops(struct runner *r)
{
    uint64_t n = (r->operation->traits & BY_STEPS) ? r->t->instructions : count_accesses(r);
    uint64_t wanted = r->options->stops;
    if ((r->operation->traits & BY_STEPS) && wanted > 1 && n * wanted > STEPS_MOST)
        wanted = 1 + STEPS_MOST / n;
    if (!(r->operation->traits & BY_STEPS))
        r->t->accesses = n;
    for (uint64_t at = 1; at <= n; at++)
        if (n <= wanted || chance(r, 8, at) % n < wanted)
            stop_and_lap(r, at);
}

static int run_case(struct runner *r)
{
    alarm(CASE_SECONDS);
    header_size = r->start->only == CELLS ? HEADER_MOST : 0;
    r->packed = malloc(bytes_packed_size());
    if (!r->packed || !set_up(r, is_stepped(r) ? STEPPED : BY_WRITE)) {
        failed(r, "none", 0, "no starting state");
        return 1;
    }
    r->arena.wreck = r->start->hints;
    r->arena.each = r->options->each;
    const char *wrong = arena_open(&r->arena, r->w);
    if (wrong) {
        failed(r, "none", 0, wrong);
        return 1;
    }
    step_through(r);
    memcpy(r->t->steps_most, r->arena.steps_most, sizeof r->t->steps_most);
    r->t->recoverer_states = r->arena.recoverer_states;
    arena_close(&r->arena);
    tear_down(r);
    stops(r);
    return 0;
}

/* Leaves no segment behind, whatever happened to the runner. */
static void clean(pid_t runner)
{
    char command[128];
    snprintf(command, sizeof command, "rm -f /dev/shm/conveyor-crash-%d-*", runner);
    if (system(command))
        return;
}

static void run_apart(struct runner *r)
{
    memset(r->t, 0, sizeof *r->t);
    fflush(stdout);
    pid_t pid = fork();
    if (!pid)
        _exit(run_case(r));
    int status;
    waitpid(pid, &status, 0);
    clean(pid);
    if (WIFSIGNALED(status)) {
        r->t->failures++;
        printf("FAILED %s, %s: %s while playing %s\n", r->operation->name, r->start->name,
               WTERMSIG(status) == SIGALRM ? "does not end" : strsignal(WTERMSIG(status)), r->t->where);
    }
}

static void print_row(const char *operation, const char *start, const struct tally *t)
{
    printf("%-16s %-16s %8llu of %8llu %6llu  a %6llu b %6llu c %6llu d %6llu (%llu)  %llu failed\n", operation, start,
           (unsigned long long)t->covered, (unsigned long long)t->instructions, (unsigned long long)t->states,
           (unsigned long long)t->played[0], (unsigned long long)t->played[1], (unsigned long long)t->played[2],
           (unsigned long long)t->played[3], (unsigned long long)t->recoverer_states, (unsigned long long)t->failures);
    fflush(stdout);
}

static void add_up(struct tally *sum, const struct tally *t)
{
    sum->instructions += t->instructions;
    sum->covered += t->covered;
    sum->states += t->states;
    sum->counted += t->counted;
    sum->recoverer_states += t->recoverer_states;
    sum->failures += t->failures;
    for (int i = 0; i < 4; i++) {
        sum->played[i] += t->played[i];
        if (t->steps_most[i] > sum->steps_most[i])
            sum->steps_most[i] = t->steps_most[i];
    }
}

static uint64_t seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec;
}

static bool is_wanted(const struct runner *r)
{
    const struct options *o = r->options;
    if ((o->operation && strcmp(o->operation, r->operation->name)) || (o->start && strcmp(o->start, r->start->name)))
        return false;
    const unsigned traits = r->operation->traits;
    if (!o->start && ((traits & APART && !r->start->apart) || (traits & r->start->only) != r->start->only))
        return false;
    return o->full || o->operation || !(traits & LONG_WAY) || chance(r, 9, 0) % 7 == 0;
}

/* Runs cases until none is left: `next` is the first one that no job has taken yet. They differ much in length. */
static void run_share(const struct options *o, unsigned *next, struct tally *sum)
{
    struct world *w = shared(sizeof *w);
    struct tally *t = shared(sizeof *t);
    unsigned n;
    while ((n = __atomic_fetch_add(next, 1, __ATOMIC_RELAXED)) < operation_count * start_count) {
        struct runner r = {.options = o, .w = w, .t = t};
        r.operation = &operations[n / start_count];
        r.start = &starts[n % start_count];
        if (!is_wanted(&r))
            continue;
        run_apart(&r);
        print_row(r.operation->name, r.start->name, t);
        add_up(sum, t);
    }
}

/* The jobs run side by side; false if one of them did not end well. */
static bool run_jobs(const struct options *o, struct tally *sums)
{
    unsigned *next = shared(sizeof *next);
    bool fine = true;
    for (unsigned job = 0; job < o->jobs; job++)
        if (!fork()) {
            run_share(o, next, &sums[job]);
            exit(0);
        }
    for (unsigned job = 0; job < o->jobs; job++) {
        int status;
        fine &= wait(&status) > 0 && !status;
    }
    return fine;
}

static int run_all(const struct options *o)
{
    struct tally *sums = shared(o->jobs * sizeof *sums), sum = {0};
    uint64_t began = seconds();
    printf("operation        starting state   steps covered            states  aftermaths (d: killed recoverers)\n");
    fflush(stdout);
    bool fine = run_jobs(o, sums);
    for (unsigned job = 0; job < o->jobs; job++)
        add_up(&sum, &sums[job]);
    print_row("all", "all", &sum);
    printf("most %s of a survivor's put %llu, get %llu, ack %llu, return %llu (bound %d; %llu counted)\n",
           o->each ? "instructions" : "accesses", (unsigned long long)sum.steps_most[0],
           (unsigned long long)sum.steps_most[1], (unsigned long long)sum.steps_most[2],
           (unsigned long long)sum.steps_most[3], o->each ? BOUND : ACCESSES_BOUND, (unsigned long long)sum.counted);
    printf("%s, seed %llu, %llu s\n", o->full ? "full" : "quick", (unsigned long long)o->seed,
           (unsigned long long)(seconds() - began));
    return !fine || sum.failures;
}

static int usage(void)
{
    fprintf(stderr,
            "usage: crash [--full] [--each] [--stops N] [--jobs N] [--seed N] [--operation NAME] [--state NAME]\n");
    return 2;
}

int main(int argc, char **argv)
{
    struct options o = {.seed = 1, .jobs = 1};
    for (int i = 1; i < argc; i++) {
        bool more = i + 1 < argc;
        if (!strcmp(argv[i], "--full"))
            o.full = true;
        else if (!strcmp(argv[i], "--each"))
            o.each = true;
        else if (!strcmp(argv[i], "--seed") && more)
            o.seed = strtoull(argv[++i], NULL, 0);
        else if (!strcmp(argv[i], "--stops") && more)
            o.stops = (unsigned)strtoul(argv[++i], NULL, 0);
        else if (!strcmp(argv[i], "--jobs") && more)
            o.jobs = (unsigned)strtoul(argv[++i], NULL, 0);
        else if (!strcmp(argv[i], "--operation") && more)
            o.operation = argv[++i];
        else if (!strcmp(argv[i], "--state") && more)
            o.start = argv[++i];
        else
            return usage();
    }
    if (!o.stops)
        o.stops = o.full ? 40 : 1;
    return o.jobs ? run_all(&o) : usage();
}
