/* server.c - starting and ending a server. */
#include "server.h"

#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { TRIES = 2000, FOLDERS_OPEN = 8 };
static const struct timespec rest = {0, 5000000}; /* between two tries */

/* The program's path; false if it is nowhere. */
static bool find(const char *program, char path[4096])
{
    const char *list = getenv("PATH");
    char folders[4096], *left = folders;
    snprintf(folders, sizeof folders, "%s:/usr/sbin:/usr/local/sbin", list ? list : "/usr/bin:/bin");
    for (char *folder; (folder = strsep(&left, ":"));) {
        int n = snprintf(path, 4096, "%s/%s", folder, program);
        if (n < 4096 && !access(path, X_OK))
            return true;
    }
    return false;
}

bool peer_server_is_there(const char *program)
{
    char path[4096];
    return find(program, path);
}

int peer_server_open(struct peer_server *s)
{
    *s = (struct peer_server){.pid = 0};
    snprintf(s->folder, sizeof s->folder, "/tmp/conveyor-bench-server-%d-XXXXXX", (int)getpid());
    return mkdtemp(s->folder) ? 0 : -1;
}

/* What it says goes into a file of its folder. It ends with the bench. */
static void run(const struct peer_server *s, const char *path, const char *const *words, pid_t parent)
{
    char log[PEER_SERVER_PATH];
    snprintf(log, sizeof log, "%s/log", s->folder);
    int file = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (file >= 0 && getppid() == parent && dup2(file, STDOUT_FILENO) >= 0 && dup2(file, STDERR_FILENO) >= 0)
        execv(path, (char *const *)(uintptr_t)words);
    _exit(127);
}

static int start(struct peer_server *s, const char *const *words, bool (*answers)(void *about), void *about)
{
    char path[4096];
    pid_t parent = getpid();
    if (!find(words[0], path))
        return -1;
    const pid_t child = fork();
    if (!child)
        run(s, path, words, parent);
    s->pid = child; /* the child has not written it: it may be memory of both */
    for (unsigned i = 0; i < TRIES && s->pid > 0; i++) {
        if (answers(about))
            return 0;
        if (waitpid(s->pid, NULL, WNOHANG)) {
            s->pid = 0;
            break;
        }
        nanosleep(&rest, NULL);
    }
    return -1;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *where)
{
    (void)status;
    (void)type;
    (void)where;
    remove(path);
    return 0;
}

void peer_server_close(void *server)
{
    const struct peer_server *s = server;
    if (s->pid > 0) {
        kill(s->pid, SIGKILL);
        waitpid(s->pid, NULL, 0);
    }
    nftw(s->folder, remove_one, FOLDERS_OPEN, FTW_DEPTH | FTW_PHYS);
}

int peer_server_start(struct peer_server *s, const char *const *words, bool (*answers)(void *about), void *about)
{
    int error = start(s, words, answers, about);
    if (error)
        peer_server_close(s);
    return error;
}

double peer_server_cpu_s(void *server)
{
    const struct peer_server *s = server;
    clockid_t clock;
    struct timespec t;
    if (clock_getcpuclockid(s->pid, &clock) || clock_gettime(clock, &t))
        return 0;
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}
