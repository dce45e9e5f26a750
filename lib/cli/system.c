/* system.c - what this machine has for segments, and why it refuses one: the causes that people meet in containers,
 * with limits, and in small systems. */
#include "system.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "units.h"

#define PLACE "/dev/shm"
#define TMPFS 0x01021994 /* statfs.f_type of a tmpfs */

/* What PLACE has room for; UINT64_MAX if it sets no limit. */
static uint64_t free_place(void)
{
    struct statvfs v;
    if (statvfs(PLACE, &v) || !v.f_blocks)
        return UINT64_MAX;
    return (uint64_t)v.f_bavail * v.f_frsize;
}

/* Memory and swap that the machine can give without ending programs; UINT64_MAX if it does not tell. A tmpfs may be
 * larger than that. */
static uint64_t free_machine(void)
{
    char line[128];
    unsigned long long part, kibibytes = 0;
    bool told = false;
    FILE *f = fopen("/proc/meminfo", "re");
    while (f && fgets(line, sizeof line, f)) {
        if (sscanf(line, "MemAvailable: %llu kB", &part) == 1)
            told = true;
        else if (sscanf(line, "SwapFree: %llu kB", &part) != 1)
            continue;
        kibibytes += part;
    }
    if (f)
        fclose(f);
    return told ? kibibytes * 1024 : UINT64_MAX;
}

uint64_t cli_free_memory(void)
{
    uint64_t place = free_place(), machine = free_machine();
    return place < machine ? place : machine;
}

bool cli_is_file(const char *segment)
{
    char path[300];
    snprintf(path, sizeof path, PLACE "/%s", segment);
    return !access(path, F_OK);
}

static const char *of_limits(int reason)
{
    switch (reason) {
    case EMFILE:
        return "this process may open no more files: raise 'ulimit -n'";
    case ENFILE:
        return "this machine can open no more files: end some programs, or raise the sysctl fs.file-max";
    case ENOMEM:
        return "there is not enough memory or address space: end some programs, or raise 'ulimit -v'";
    default:
        return NULL;
    }
}

static const char *of_places(void)
{
    if (access(PLACE, F_OK))
        return "there is no " PLACE ": mount it ('mount -t tmpfs tmpfs " PLACE "')";
    if (access("/proc/self/fd", F_OK))
        return "/proc is not mounted: mount it ('mount -t proc proc /proc')";
    return NULL;
}

static const char *of_mount(bool create)
{
    struct statvfs v;
    struct statfs f;
    if (statvfs(PLACE, &v) || statfs(PLACE, &f))
        return NULL;
    if (v.f_flag & ST_RDONLY)
        return PLACE " is mounted read-only: 'mount -o remount,rw " PLACE "'";
    if (!create)
        return NULL;
    if (f.f_type != TMPFS)
        return "the file system on " PLACE " is not a tmpfs: 'mount -t tmpfs tmpfs " PLACE "'";
    if (v.f_files && !v.f_favail)
        return "there are no inodes left in " PLACE ": remove files there, or 'mount -o remount,nr_inodes=N " PLACE "'";
    return NULL;
}

static const char *of_room(uint64_t bytes, char *text, size_t size)
{
    char needed[32], there[32];
    struct rlimit most;
    uint64_t place = free_place(), machine = free_machine();
    cli_bytes(bytes, needed, sizeof needed);
    if (!getrlimit(RLIMIT_FSIZE, &most) && most.rlim_cur < bytes)
        snprintf(text, size, "it takes %s, and a file of this process may have %s at most: raise 'ulimit -f'", needed,
                 cli_bytes(most.rlim_cur, there, sizeof there));
    else if (place < bytes)
        snprintf(text, size,
                 "not enough shared memory: it takes %s and %s are free in " PLACE
                 ": ask for fewer or smaller records, "
                 "or make room (in Docker: --shm-size)",
                 needed, cli_bytes(place, there, sizeof there));
    else if (machine < bytes)
        snprintf(text, size,
                 "not enough memory: it takes %s and this machine has %s left: ask for fewer or smaller records, or "
                 "end some programs",
                 needed, cli_bytes(machine, there, sizeof there));
    else
        return NULL;
    return text;
}

const char *cli_system_cause(int reason, uint64_t bytes, char *text, size_t size)
{
    const char *found = of_limits(reason);
    if (!found)
        found = of_places();
    if (!found && (bytes || reason == EROFS))
        found = of_mount(bytes);
    return found || !bytes ? found : of_room(bytes, text, size);
}
