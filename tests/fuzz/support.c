/* support.c - the bound on steps, mappings between guards, and the clock; in place of wake/futex.c and place/clock.c.
 */
#include "fuzz.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "system.h"
#include "wake/wake.h"

enum { MOST_STEPS = 1000000 };
static const size_t guard = (size_t)1 << 40; /* more than any 32-bit index times 64 bytes reaches */

static const char *operation = "";
static uint32_t steps, call_at;
static void (*call)(void);
uint64_t fuzz_clock_ns;

void fuzz_fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "FAILED in %s, step %u: ", operation, steps);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    abort();
}

void fuzz_begin(const char *name)
{
    operation = name;
    steps = 0;
}

void fuzz_at_access(uint32_t access, void (*what)(void))
{
    call_at = access;
    call = what;
}

void cvb_explore_step(void)
{
    FUZZ_CHECK(++steps < MOST_STEPS, "it does not end");
    if (!call || call_at--)
        return;
    void (*now)(void) = call;
    call = NULL;
    now();
}

uint32_t fuzz_number(struct fuzz_input *in, unsigned bytes)
{
    uint32_t number = 0;
    for (unsigned i = 0; i < bytes && in->at < in->end; i++)
        number |= (uint32_t)*in->at++ << 8 * i;
    return number;
}

/* A shared mapping lies between wide stretches of address space that nobody may touch, so that an access outside it is
 * seen, however far off. A page by itself is no segment: no guards. */
static void *guarded_map(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
    if (size == CVB_PAGE)
        return mmap(at, size, protection, flags, fd, offset);
    char *all = mmap(NULL, size + 2 * guard, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    FUZZ_CHECK(all != MAP_FAILED, "no address space for the guards");
    void *mapped = mmap(all + guard, size, protection, flags | MAP_FIXED, fd, offset);
    if (mapped == MAP_FAILED)
        munmap(all, size + 2 * guard);
    return mapped;
}

static int guarded_unmap(void *at, size_t size)
{
    return size == CVB_PAGE ? munmap(at, size) : munmap((char *)at - guard, size + 2 * guard);
}

__attribute__((constructor)) static void guard_mappings(void)
{
    cvb_system.map = guarded_map;
    cvb_system.unmap = guarded_unmap;
}

const char *fuzz_segment(void)
{
    static char name[64];
    if (!*name)
        snprintf(name, sizeof name, "conveyor-test-%d-fuzz", (int)getpid());
    return name;
}

const char *fuzz_path(void)
{
    static char path[96];
    if (!*path)
        snprintf(path, sizeof path, "/dev/shm/%s", fuzz_segment());
    return path;
}

struct cvb_settings fuzz_settings(void)
{
    struct cvb_settings s;
    cvb_settings_init(&s);
    s.max_total_records = 12;
    s.max_per_stage = 6;
    s.max_per_source = 8;
    s.payload_size = 100;
    s.max_stages = 3;
    s.max_sources = 2;
    s.max_pipelines = 2;
    s.max_handles = 4;
    s.max_retries = 1;
    s.header_size = FUZZ_HEADER;
    s.class_count = 2;
    s.classes[0] = (struct cvb_class){40, 12};
    s.classes[1] = (struct cvb_class){100, 4};
    return s;
}

/* All ids that there can be, so that inputs may use numbers. */
void fuzz_name_all(struct cvb_handle *h)
{
    static const char *const name[] = {"a", "b", "c"};
    uint32_t id;
    for (int i = 0; i < 3; i++) {
        cvb_stage(h, name[i], &id);
        cvb_source(h, name[i], &id);
        cvb_pipeline(h, name[i], &id);
    }
}

uint32_t cvb_futex_wake(uint32_t *word, uint32_t most) { return (void)word, most; }

bool cvb_is_woken(struct cvb_handle *h) { return (void)h, false; }

enum cvb_slept cvb_futex_wait_any(struct cvb_handle *h, uint32_t *const *word, const uint32_t *value, size_t count,
                                  uint64_t until_ns)
{
    (void)h;
    (void)word;
    (void)value;
    (void)count;
    if (fuzz_clock_ns < until_ns)
        fuzz_clock_ns = until_ns;
    return CVB_SLEPT_TIMED_OUT;
}

enum cvb_slept cvb_futex_wait(struct cvb_handle *h, uint32_t *word, uint32_t value, uint64_t until_ns)
{
    return cvb_futex_wait_any(h, &word, &value, 1, until_ns);
}
bool cvb_futex_has_waitv(void) { return fuzz_clock_ns & 1024; }
void cvb_futex_forget_waitv(void) {}
uint64_t cvb_monotonic_ns(void) { return fuzz_clock_ns += 1000; }
uint64_t cvb_now_ns(void) { return fuzz_clock_ns; }
uint64_t cvb_coarse_ns(void) { return fuzz_clock_ns / 4000000 * 4000000; }
