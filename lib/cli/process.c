/* process.c - other processes of this machine. */
#include "process.h"

#include <dirent.h>
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
        *text = 0;
    text[strcspn(text, "\n")] = 0;
    cli_printable(text, strlen(text));
    if (f)
        fclose(f);
    return text;
}

/* Of /proc/PID/stat: true if the main thread has ended, which the others of a process may outlive. */
static bool is_ended(const char *line, size_t length, const void *unused)
{
    const char *end = strrchr(line, ')');
    (void)length;
    (void)unused;
    return end && end[1] == ' ' && end[2] == 'Z';
}

/* True if a line of the file is what `is` looks for. */
static bool any_line(const char *path, cli_line_test *is, const void *data)
{
    char *line = NULL;
    size_t size = 0;
    bool found = false;
    FILE *f = fopen(path, "re");
    if (!f)
        return false; /* it has ended, or is another user's */
    for (ssize_t n; !found && (n = getline(&line, &size, f)) > 0;)
        found = is(line, (size_t)n, data);
    free(line);
    fclose(f);
    return found;
}

bool cli_process_any_mapping(const char *pid, cli_line_test *is, const void *data)
{
    char path[330];
    bool found = false;
    snprintf(path, sizeof path, "/proc/%.32s/maps", pid);
    if (any_line(path, is, data))
        return true;
    snprintf(path, sizeof path, "/proc/%.32s/stat", pid);
    if (!any_line(path, is_ended, NULL))
        return false;
    snprintf(path, sizeof path, "/proc/%.32s/task", pid);
    DIR *threads = opendir(path);
    for (struct dirent *e; threads && !found && (e = readdir(threads));) {
        snprintf(path, sizeof path, "/proc/%.32s/task/%s/maps", pid, e->d_name);
        found = *e->d_name != '.' && any_line(path, is, data);
    }
    if (threads)
        closedir(threads);
    return found;
}

/* "START-END PERMISSIONS OFFSET MAJOR:MINOR INODE PATH" */
static bool is_of(const char *line, size_t length, const void *file)
{
    const struct stat *st = file;
    unsigned device_major, device_minor;
    unsigned long long inode;
    (void)length;
    return sscanf(line, "%*s %*s %*s %x:%x %llu", &device_major, &device_minor, &inode) == 3 &&
           makedev(device_major, device_minor) == st->st_dev && inode == st->st_ino;
}

bool cli_process_maps(pid_t pid, const char *segment)
{
    char path[300], number[16];
    struct stat st;
    snprintf(path, sizeof path, "/dev/shm/%s", segment);
    snprintf(number, sizeof number, "%d", (int)pid);
    return !stat(path, &st) && cli_process_any_mapping(number, is_of, &st);
}

bool cli_process_may_map(pid_t pid, const char *segment)
{
    return !cli_process_own(pid) || cli_process_maps(pid, segment);
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
