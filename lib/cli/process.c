/* process.c - other processes of this machine. */
#include "process.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "text.h"

enum { GONE_MS = 10000 }; /* until a process that was killed is gone; one in an uninterruptible sleep stays longer */

const char *cli_process_command(pid_t pid, char *text, size_t size)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
    FILE *f = fopen(path, "re");
    if (!f || !fgets(text, (int)size, f))
        snprintf(text, size, "?");
    text[strcspn(text, "\n")] = 0;
    cli_printable(text, strlen(text));
    if (f)
        fclose(f);
    return text;
}

/* "START-END PERMISSIONS OFFSET MAJOR:MINOR INODE PATH" */
static bool is_of(const char *line, const struct stat *st)
{
    unsigned device_major, device_minor;
    unsigned long long inode;
    return sscanf(line, "%*s %*s %*s %x:%x %llu", &device_major, &device_minor, &inode) == 3 &&
           makedev(device_major, device_minor) == st->st_dev && inode == st->st_ino;
}

bool cli_process_maps(pid_t pid, const char *segment)
{
    char path[300], *line = NULL;
    size_t size = 0;
    struct stat st;
    bool found = false;
    snprintf(path, sizeof path, "/dev/shm/%s", segment);
    if (stat(path, &st))
        return false;
    snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
    FILE *f = fopen(path, "re");
    while (f && !found && getline(&line, &size, f) > 0)
        found = is_of(line, &st);
    free(line);
    if (f)
        fclose(f);
    return found;
}

bool cli_process_own(pid_t pid)
{
    char path[64];
    struct stat st;
    snprintf(path, sizeof path, "/proc/%d", (int)pid);
    return !geteuid() || (!stat(path, &st) && st.st_uid == geteuid());
}

int cli_process_open(pid_t pid) { return (int)syscall(SYS_pidfd_open, pid, 0); }

int cli_process_kill(int pidfd)
{
    if (syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0))
        return errno;
    int gone = poll(&(struct pollfd){.fd = pidfd, .events = POLLIN}, 1, GONE_MS);
    return gone > 0 ? 0 : gone ? errno : ETIMEDOUT;
}
