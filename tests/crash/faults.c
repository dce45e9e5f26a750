/* faults.c - a process that stops at each of its accesses to the segment, found by page faults.
 *
 * A single step under ptrace costs ten microseconds; few instructions touch the segment. So where an instruction only
 * has to be met, not counted, the segment is protected: the fault names the instruction, the protection is lifted for
 * this one instruction (the trap flag), and set again after it.
 *   FAULT_WRITES         stops after each instruction that wrote: whatever changes the segment is seen
 *   FAULT_AROUND_WRITES  stops before it too: that nothing has changed since the last one is seen as well
 *   FAULT_ALL            stops once, before access number world->stop_at; what lies between two is the process's own
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "crash.h"

enum { TRAP_FLAG = 0x100 };
static struct {
    char *base;
    size_t size;
} part[4];
static unsigned parts;
static struct world *world;
static enum faults kind;
static int protection;
static bool active;

static void protect(int how)
{
    for (unsigned i = 0; i < parts; i++)
        mprotect(part[i].base, part[i].size, how);
}

static bool inside(const void *address)
{
    for (unsigned i = 0; i < parts; i++)
        if ((const char *)address >= part[i].base && (const char *)address < part[i].base + part[i].size)
            return true;
    return false;
}

static void step_this(void *context, bool on)
{
#if defined(__x86_64__)
    greg_t *flags = &((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL];
    *flags = on ? *flags | TRAP_FLAG : *flags & ~TRAP_FLAG;
#else
    (void)context, (void)on;
#endif
}

static uint64_t where(void *context)
{
#if defined(__x86_64__)
    return (uint64_t)((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
#else
    (void)context;
    return 0;
#endif
}

static void on_fault(int number, siginfo_t *info, void *context)
{
    if (!active || !inside(info->si_addr)) {
        signal(number, SIG_DFL); /* a crash of its own */
        return;
    }
    world->accesses++;
    world->address = where(context);
    protect(PROT_READ | PROT_WRITE);
    if (kind == FAULT_AROUND_WRITES) {
        world->before_write = true;
        raise(SIGSTOP);
        world->before_write = false;
    }
    if (kind == FAULT_ALL && world->accesses == world->stop_at) {
        active = false; /* from here on at full speed */
        raise(SIGSTOP);
    } else {
        step_this(context, true);
    }
}

static void on_trap(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)info;
    step_this(context, false);
    if (!active)
        return;
    protect(protection);
    if (kind != FAULT_ALL)
        raise(SIGSTOP);
}

static void find_parts(const char *segment)
{
    char line[512];
    FILE *f = fopen("/proc/self/maps", "re");
    parts = 0;
    while (f && fgets(line, sizeof line, f)) {
        char *end, *name = strchr(line, '/');
        line[strcspn(line, "\n")] = 0;
        if (!name || strcmp(name + strlen(name) - (strlen(name) > strlen(segment) ? strlen(segment) : 0), segment) ||
            parts == sizeof part / sizeof *part)
            continue;
        uint64_t from = strtoull(line, &end, 16), to = strtoull(end + 1, NULL, 16);
        part[parts].base = (char *)(uintptr_t)from;
        part[parts++].size = to - from;
    }
    if (f)
        fclose(f);
}

void faults_begin(struct world *w, const char *segment, enum faults which)
{
    struct sigaction fault = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    struct sigaction trap = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &fault, NULL);
    sigaction(SIGTRAP, &trap, NULL);
    world = w;
    w->accesses = 0;
    find_parts(segment);
    kind = which;
    protection = which == FAULT_ALL ? PROT_NONE : PROT_READ;
    active = true;
    protect(protection);
}

void faults_end(void)
{
    active = false;
    protect(PROT_READ | PROT_WRITE);
}
