/* step.c - processes that are stepped through their instructions. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "crash.h"

extern const char __executable_start[];

/* In this program the library asks the system for the time. The quick way, which the system maps into each process, is
 * read anew whenever a tick of the timer falls into the reading; at ten and more microseconds an instruction that went
 * on for thousands of instructions, which touch nothing of the segment. */
int clock_gettime(clockid_t clock, struct timespec *t) { return (int)syscall(SYS_clock_gettime, clock, t); }

static bool stopped_by(pid_t pid, int wanted)
{
    int status;
    while (waitpid(pid, &status, __WALL | WUNTRACED) < 0)
        if (errno != EINTR)
            return false;
    if (WIFSTOPPED(status) && WSTOPSIG(status) == wanted)
        return true;
    if (WIFSTOPPED(status) && WSTOPSIG(status) == SIGCHLD && !ptrace(PTRACE_CONT, pid, NULL, NULL))
        return stopped_by(pid, wanted); /* one of its own children ended */
    fprintf(stderr, "process %d: %s %d\n", pid, WIFSTOPPED(status) ? "stopped by" : "ended",
            WIFSTOPPED(status) ? WSTOPSIG(status) : status);
    return false;
}

/* The child stops itself by SIGSTOP at the place to begin from; this was its first stop. 0: it
 * was not. */
pid_t start_traced(void (*run)(struct world *w, const void *what), struct world *w, const void *what)
{
    pid_t pid = fork();
    if (pid)
        return stopped_by(pid, SIGSTOP) ? pid : 0;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
        _exit(77);
    run(w, what);
    _exit(0);
}

pid_t start_child(void (*run)(struct world *w, const void *what), struct world *w, const void *what)
{
    pid_t pid = fork();
    if (pid)
        return stopped_by(pid, SIGSTOP) ? pid : 0;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    run(w, what);
    _exit(0);
}

bool resume(pid_t pid) { return !kill(pid, SIGCONT) && stopped_by(pid, SIGSTOP); }

bool step(pid_t pid) { return !ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) && stopped_by(pid, SIGTRAP); }

bool go_on(pid_t pid) { return !ptrace(PTRACE_CONT, pid, NULL, NULL) && stopped_by(pid, SIGSTOP); }

uint64_t where_is(pid_t pid)
{
#if defined(__x86_64__)
    struct user_regs_struct r;
    return ptrace(PTRACE_GETREGS, pid, NULL, &r) ? 0 : r.rip;
#else
    (void)pid;
    return 0;
#endif
}

void end(pid_t pid)
{
    kill(pid, SIGKILL);
    while (waitpid(pid, NULL, __WALL) < 0 && errno == EINTR)
        ;
}

/* The function of this program that has the address: as children are forks, theirs too. */
void name_address(uint64_t address, char *text, size_t size)
{
    char command[256], self[128];
    uint64_t offset = address - (uint64_t)(uintptr_t)__executable_start;
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    snprintf(text, size, "%#llx", (unsigned long long)offset);
    if (n < 0)
        return;
    self[n] = 0;
    snprintf(command, sizeof command, "addr2line -fe '%s' %#llx 2>/dev/null", self, (unsigned long long)offset);
    FILE *f = popen(command, "r");
    if (f && fgets(self, sizeof self, f)) {
        self[strcspn(self, "\n")] = 0;
        snprintf(text, size, "%s (%#llx)", self, (unsigned long long)offset);
    }
    if (f)
        pclose(f);
}
