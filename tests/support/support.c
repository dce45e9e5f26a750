/* support.c - see support.h. */
#include "support.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct cvb_settings small_settings(uint32_t total, uint32_t per_stage, uint32_t per_source)
{
    struct cvb_settings s;
    cvb_settings_init(&s);
    s.max_total_records = total;
    s.max_per_stage = per_stage;
    s.max_per_source = per_source;
    s.payload_size = 64;
    s.max_stages = 8;
    s.max_sources = 8;
    s.max_pipelines = 4;
    s.max_handles = 24;
    return s;
}

const char *segment_name(const char *tag)
{
    static char names[8][64];
    static unsigned next;
    char *name = names[next++ % 8];
    snprintf(name, sizeof names[0], "conveyor-test-%d-%s", getpid(), tag);
    return name;
}

static bool name_all(struct cvb_handle *h, int (*intern)(struct cvb_handle *, const char *, uint32_t *))
{
    char text[16];
    uint32_t id;
    int error = 0;
    for (unsigned i = 0; !error; i++) {
        snprintf(text, sizeof text, "n%u", i);
        error = intern(h, text, &id);
    }
    return error == CVB_ENAMES;
}

bool name_everything(struct cvb_handle *h)
{
    return name_all(h, cvb_stage) && name_all(h, cvb_source) && name_all(h, cvb_pipeline);
}

struct cvb_handle *make_segment(const char *name, const struct cvb_settings *settings)
{
    struct cvb_handle *h = NULL;
    cvb_unlink(name);
    int error = cvb_create(name, settings);
    if (!error)
        error = cvb_attach(name, &h);
    if (error)
        fprintf(stderr, "%s: %s (errno %d)\n", name, cvb_error_text(error), errno);
    return error ? NULL : h;
}

struct cvb_handle *make_stage(const char *name, const struct cvb_settings *settings, uint32_t *stage, uint32_t *source)
{
    struct cvb_handle *h = make_segment(name, settings);
    return h && !cvb_stage(h, "filter", stage) && !cvb_source(h, "kafka-1", source) ? h : NULL;
}

int put_numbers(struct cvb_handle *h, uint32_t stage, uint32_t source, uint64_t from, unsigned n, int *why)
{
    struct cvb_record r[128];
    uint64_t value[128];
    for (unsigned i = 0; i < n; i++) {
        value[i] = from + i;
        r[i] = (struct cvb_record){.payload = &value[i], .length = sizeof value[i], .source = source};
    }
    return cvb_buffer_batch_for_stage(h, stage, r, n, why);
}

uint64_t number_of(const struct cvb_lease *lease)
{
    uint64_t number;
    memcpy(&number, lease->payload, sizeof number);
    return number;
}

int get_all(struct cvb_handle *h, uint32_t stage, struct cvb_lease *leases, unsigned n)
{
    unsigned all = 0;
    for (int got = 1; got > 0 && all<n; all += got> 0 ? (unsigned)got : 0) {
        got = cvb_get_batch(h, stage, leases + all, n - all);
        if (got < 0)
            return got;
    }
    return (int)all;
}

int64_t drain(struct cvb_handle *h, uint32_t stage)
{
    struct cvb_lease l[100];
    int64_t all = 0;
    int n;
    while ((n = cvb_get_batch(h, stage, l, 100)) > 0) {
        int error = cvb_ack(h, l, (size_t)n);
        if (error)
            return error;
        all += n;
    }
    return n < 0 ? n : all;
}

const char *audit_says(struct cvb_handle *h, uint32_t queued, uint32_t leased)
{
    static char text[256];
    struct cvb_audit a;
    int error = cvb_audit(h, &a);
    if (error)
        return cvb_error_text(error);
    if (!a.exact)
        return "somebody else is at work";
    if (a.problems)
        snprintf(text, sizeof text, "%u problems: %s", a.problems, a.first_problem);
    else if (a.queued != queued || a.leased != leased || a.reserved)
        snprintf(text, sizeof text, "queued %u, leased %u, reserved %u; expected %u, %u, 0", a.queued, a.leased,
                 a.reserved, queued, leased);
    else if (a.free + a.reserved + a.queued + a.leased != a.capacity)
        snprintf(text, sizeof text, "free %u and the rest are not the capacity %u", a.free, a.capacity);
    else
        return NULL;
    return text;
}

bool has_dead(struct cvb_handle *h)
{
    struct cvb_peer peer;
    bool dead = false;
    for (uint32_t seat = 0; !dead && !cvb_peer(h, seat, &peer); seat++)
        dead = peer.state == CVB_PEER_DEAD;
    return dead;
}

void *shared_memory(size_t bytes)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return at == MAP_FAILED ? NULL : at;
}

pid_t spawn(int (*run)(void *), void *argument)
{
    const pid_t parent = getpid();
    fflush(NULL);
    pid_t child = fork();
    if (child)
        return child;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) /* it died before it was asked for its signal */
        _exit(1);
    _exit(run(argument));
}

int reap(pid_t child)
{
    int status;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return -1;
    return WIFSIGNALED(status) ? SIGNALED + WTERMSIG(status) : WEXITSTATUS(status);
}

char process_state(pid_t pid)
{
    char path[40], line[512];
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *f = fopen(path, "r");
    if (!f)
        return 0;
    char *got = fgets(line, sizeof line, f), *end = got ? strrchr(line, ')') : NULL;
    fclose(f);
    return end && end[1] ? end[2] : 0;
}

bool wait_until(bool (*holds)(void *), void *argument, unsigned milliseconds)
{
    uint64_t end = now_ms() + milliseconds;
    while (!holds(argument)) {
        if (now_ms() > end)
            return holds(argument);
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    return true;
}

uint64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

uint64_t random_next(uint64_t *state)
{
    uint64_t x = *state ? *state : UINT64_C(0x9e3779b97f4a7c15);
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return x * UINT64_C(0x2545f4914f6cdd1d);
}
