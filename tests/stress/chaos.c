/* chaos.c - random kill -9, SIGSTOP, SIGCONT and restarts among processes at work, with exact accounting.
 *
 * Usage: chaos [--seconds S] [--seed X]. The time is divided into rounds of a few seconds, each with a fresh segment
 * and limits and batch sizes of its own. Prints the seed; exits 1 if a rule of chaos.h was broken.
 */
#include "chaos.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ROUND_MS = 5000, BLOCKED_MS = 30000 };

struct chaos *chaos;

struct life {
    pid_t pid;
    uint64_t continue_at; /* 0: it is not stopped */
    uint64_t beats, beat_at;
};

static struct {
    struct life life[WORKERS];
    uint64_t kills, stops, kills_of_stopped;
} control;

static void start(unsigned index)
{
    control.life[index] = (struct life){.pid = spawn(chaos_work, &index), .beat_at = now_ms()};
    control.life[index].beats = chaos->worker[index].beats;
}

/* A worker that ends by itself, and not by a kill of ours, met what it may not. */
static void bury(unsigned index)
{
    int code = reap(control.life[index].pid);
    if (code != 0 && code != SIGNALED + SIGKILL)
        chaos_violation("worker %u ended with %d", index, code);
    control.life[index].pid = 0;
}

static void kill_and_restart(unsigned index)
{
    control.kills++;
    control.kills_of_stopped += control.life[index].continue_at != 0;
    kill(control.life[index].pid, SIGKILL);
    bury(index);
    start(index);
}

static void stop(unsigned index, uint64_t for_ms)
{
    struct life *l = &control.life[index];
    if (l->continue_at)
        return;
    control.stops++;
    kill(l->pid, SIGSTOP);
    l->continue_at = now_ms() + for_ms;
}

/* A process that is not stopped must go on, whatever became of the others. */
static void look_after(unsigned index)
{
    struct life *l = &control.life[index];
    uint64_t now = now_ms(), beats = __atomic_load_n(&chaos->worker[index].beats, __ATOMIC_RELAXED);
    if (l->continue_at && now >= l->continue_at) {
        kill(l->pid, SIGCONT);
        l->continue_at = 0;
        l->beat_at = now;
    }
    if (beats != l->beats || l->continue_at) {
        l->beats = beats;
        l->beat_at = now;
    } else if (now - l->beat_at > BLOCKED_MS)
        chaos_violation("worker %u did not get through a call in %d ms", index, BLOCKED_MS);
}

static void make_trouble(uint64_t *seed)
{
    unsigned victim = random_below(seed, WORKERS), what = random_below(seed, 100);
    if (what < 45)
        kill_and_restart(victim);
    else if (what < 75)
        stop(victim, 1 + random_below(seed, what < 50 ? 400 : 20));
    else if (what < 80) /* all of a kind at once */
        for (unsigned i = victim & 1; i < WORKERS; i += 2)
            kill_and_restart(i);
    nanosleep(&(struct timespec){.tv_nsec = (long)random_below(seed, 8000000)}, NULL);
}

static bool new_round(uint64_t *seed)
{
    static const uint32_t limits[][3] = {{600, 400, 150}, {200, 150, 60}, {2000, 1500, 500}, {60, 50, 20}, {20, 12, 5}};
    unsigned which = random_below(seed, 5);
    memset(chaos, 0, offsetof(struct chaos, ledger));
    if (madvise(chaos->ledger, sizeof chaos->ledger, MADV_REMOVE)) /* zeros again */
        return false;
    chaos->seed = random_next(seed);
    chaos->settings = small_settings(limits[which][0], limits[which][1], limits[which][2]);
    chaos->settings.payload_size = sizeof(struct item);
    if (random_below(seed, 2)) { /* few large cells, so that memory refuses too */
        chaos->settings.class_count = 3;
        chaos->settings.classes[0] = (struct cvb_class){32, limits[which][0]};
        chaos->settings.classes[1] = (struct cvb_class){100, limits[which][0] / 2};
        chaos->settings.classes[2] = (struct cvb_class){sizeof(struct item), limits[which][0] / 4};
    }
    chaos->put_most = random_below(seed, 3) ? BATCH_MOST : 3;
    chaos->get_most = random_below(seed, 3) ? BATCH_MOST : 3;
    snprintf(chaos->name, sizeof chaos->name, "%s", segment_name("chaos"));
    struct cvb_handle *h = make_segment(chaos->name, &chaos->settings);
    bool good =
        h && !cvb_stage(h, "filter", &chaos->filter) && !cvb_stage(h, "sink", &chaos->sink) && name_everything(h);
    return good && !cvb_detach(h);
}

/* Half of them die now, the others end in good order. */
static void end_round(uint64_t *seed)
{
    for (unsigned i = 0; i < WORKERS; i++)
        if (random_below(seed, 2))
            kill(control.life[i].pid, SIGKILL);
    __atomic_store_n(&chaos->stop, 1, __ATOMIC_RELEASE);
    for (unsigned i = 0; i < WORKERS; i++)
        kill(control.life[i].pid, SIGCONT);
    uint64_t end = now_ms() + BLOCKED_MS;
    for (unsigned i = 0; i < WORKERS; i++) {
        siginfo_t info = {0};
        while (now_ms() < end && !waitid(P_PID, (id_t)control.life[i].pid, &info, WEXITED | WNOHANG | WNOWAIT) &&
               !info.si_pid)
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        if (!info.si_pid) {
            chaos_violation("worker %u did not end", i);
            kill(control.life[i].pid, SIGKILL);
        }
        bury(i);
    }
}

static void tell(uint64_t seed, uint64_t round)
{
    uint64_t put = 0;
    for (unsigned i = 0; i < PRODUCERS; i++)
        put += chaos->worker[i].next;
    printf("seed %llu round %llu: limits %u/%u/%u, %u classes, batches %u/%u; %llu put, %llu acked, %llu deliveries "
           "repeated, "
           "%llu dead letters; %llu kills (%llu of stopped), %llu stops\n",
           (unsigned long long)seed, (unsigned long long)round, chaos->settings.max_total_records,
           chaos->settings.max_per_stage, chaos->settings.max_per_source, chaos->settings.class_count, chaos->put_most,
           chaos->get_most, (unsigned long long)put, (unsigned long long)chaos->acked,
           (unsigned long long)chaos->redelivered, (unsigned long long)chaos->dead_letters,
           (unsigned long long)control.kills, (unsigned long long)control.kills_of_stopped,
           (unsigned long long)control.stops);
    fflush(stdout);
}

static bool run_round(uint64_t given, uint64_t round, uint64_t ms)
{
    uint64_t seed = given + round * 1000000007, end = now_ms() + ms;
    memset(&control, 0, sizeof control);
    if (!new_round(&seed)) {
        printf("the segment cannot be made\n");
        return false;
    }
    for (unsigned i = 0; i < WORKERS; i++)
        start(i);
    while (now_ms() < end && !chaos->violations) {
        make_trouble(&seed);
        for (unsigned i = 0; i < WORKERS; i++)
            look_after(i);
    }
    end_round(&seed);
    chaos_verify();
    tell(given, round);
    cvb_unlink(chaos->name);
    if (!chaos->violations)
        return true;
    printf("BROKEN: %s (the first of %llu)\n", chaos->first_violation, (unsigned long long)chaos->violations);
    return false;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"seconds", required_argument, NULL, 's'}, {"seed", required_argument, NULL, 'x'}, {0}};
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    uint64_t seconds = 10, seed = (uint64_t)t.tv_nsec ^ (uint64_t)t.tv_sec << 20;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;)
        if (c == 's')
            seconds = strtoull(optarg, NULL, 10);
        else if (c == 'x')
            seed = strtoull(optarg, NULL, 10);
        else
            return 2;
    printf("chaos: --seconds %llu --seed %llu\n", (unsigned long long)seconds, (unsigned long long)seed);
    fflush(stdout);
    chaos = shared_memory(sizeof *chaos);
    if (!chaos)
        return 2;
    uint64_t end = now_ms() + seconds * 1000;
    for (uint64_t round = 0, now; (now = now_ms()) < end; round++)
        if (!run_round(seed, round, end - now < ROUND_MS * 3 / 2 ? end - now : ROUND_MS))
            return 1;
    return 0;
}
