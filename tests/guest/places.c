/* places.c - machines that lack something: no /dev/shm, no /proc, a read-only /dev/shm, one without inodes or space,
 * one whose file system has no files without a name. Each in a mount namespace of its own.
 */
#include "../support/support.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NOT_HERE = 90 };
static char name[64];

static bool alone(void) { return !unshare(CLONE_NEWNS) && !mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL); }

static bool over(const char *path, const char *type, const char *options)
{
    return alone() && !mount("none", path, type, 0, options);
}

static int visit(const char *n, const struct cvb_settings *s, uint64_t bytes, void *data)
{
    return (void)n, (void)s, (void)bytes, (void)data, 0;
}

/* Make, use, and remove: nothing is left. */
static int life(void)
{
    struct cvb_settings s = small_settings(10, 10, 10);
    struct cvb_handle *h, *g;
    uint32_t stage, source;
    if (cvb_create(name, &s))
        return 1;
    if (cvb_create(name, &s) != CVB_EEXIST)
        return 2;
    if (cvb_attach(name, &h) || cvb_attach(name, &g) || cvb_stage(h, "a", &stage) || cvb_source(h, "s", &source))
        return 3;
    if (put_numbers(h, stage, source, 0, 3, NULL) != 3 || drain(g, stage) != 3)
        return 4;
    if (cvb_list(visit, NULL) || cvb_detach(h) || cvb_detach(g) || cvb_unlink(name))
        return 5;
    DIR *d = opendir("/dev/shm");
    int files = 0;
    for (struct dirent *e; d && (e = readdir(d));)
        files += strstr(e->d_name, "conveyor-making") || !strcmp(e->d_name, name);
    return files ? 6 : 0;
}

static int no_directory(void *unused)
{
    struct cvb_handle *h;
    (void)unused;
    if (!over("/dev", "tmpfs", "size=1m"))
        return NOT_HERE;
    return cvb_create(name, NULL) != CVB_EUNSUPPORTED || errno != ENOENT    ? 1
           : cvb_attach(name, &h) != CVB_EUNSUPPORTED || errno != ENOENT    ? 2
           : cvb_unlink(name) != CVB_EUNSUPPORTED                           ? 3
           : cvb_list(visit, NULL) != CVB_EUNSUPPORTED                      ? 4
           : close(open("/dev/shm", O_CREAT | O_WRONLY, 0600))              ? 5
           : cvb_create(name, NULL) != CVB_EUNSUPPORTED || errno != ENOTDIR ? 6
           : cvb_attach(name, &h) != CVB_EUNSUPPORTED                       ? 7
                                                                            : 0;
}

static int no_proc(void *unused) { return (void)unused, over("/proc", "tmpfs", "size=1m") ? life() : NOT_HERE; }

static int no_nameless_files(void *unused) { return (void)unused, over("/dev/shm", "ramfs", NULL) ? life() : NOT_HERE; }

static int neither(void *unused)
{
    (void)unused;
    if (!over("/dev/shm", "ramfs", NULL) || mount("none", "/proc", "tmpfs", 0, "size=1m"))
        return NOT_HERE;
    return life();
}

static int read_only(void *unused)
{
    struct cvb_settings s = small_settings(10, 10, 10);
    struct cvb_handle *h;
    char other[80];
    (void)unused;
    snprintf(other, sizeof other, "%s-2", name);
    if (!over("/dev/shm", "tmpfs", "size=4m"))
        return NOT_HERE;
    if (cvb_create(name, &s))
        return 1;
    if (mount("none", "/dev/shm", NULL, MS_REMOUNT | MS_RDONLY, NULL))
        return NOT_HERE;
    return cvb_create(other, &s) != CVB_EPERM || errno != EROFS  ? 2
           : cvb_create(name, &s) != CVB_EEXIST                  ? 3
           : cvb_attach(name, &h) != CVB_EPERM || errno != EROFS ? 4
           : cvb_unlink(name) != CVB_EPERM || errno != EROFS     ? 5
           : cvb_list(visit, NULL)                               ? 6
                                                                 : 0;
}

static int no_inodes(void *unused)
{
    struct cvb_settings s = small_settings(10, 10, 10);
    (void)unused;
    if (!over("/dev/shm", "tmpfs", "size=4m,nr_inodes=1"))
        return NOT_HERE;
    return cvb_create(name, &s) == CVB_ENOSPC && errno == ENOSPC ? 0 : 1;
}

/* On a file system without nameless files too a segment that does not fit leaves nothing. */
static int no_space_for_a_named_file(void *unused)
{
    (void)unused;
    if (!over("/proc", "tmpfs", "size=1m") || mount("none", "/dev/shm", "tmpfs", 0, "size=1m"))
        return NOT_HERE;
    if (cvb_create(name, NULL) != CVB_ENOSPC || errno != ENOSPC)
        return 1;
    return life();
}

static void expect(int (*run)(void *))
{
    snprintf(name, sizeof name, "%s", segment_name("places"));
    int code = reap(spawn(run, NULL));
    if (code == NOT_HERE)
        cr_skip_test("a mount namespace is not permitted here");
    cr_assert_eq(code, 0, "%d", code);
}

Test(places, no_directory, .timeout = 30) { expect(no_directory); }
Test(places, no_proc, .timeout = 30) { expect(no_proc); }
Test(places, no_nameless_files, .timeout = 30) { expect(no_nameless_files); }
Test(places, neither, .timeout = 30) { expect(neither); }
Test(places, read_only, .timeout = 30) { expect(read_only); }
Test(places, no_inodes, .timeout = 30) { expect(no_inodes); }
Test(places, no_space_for_a_named_file, .timeout = 30) { expect(no_space_for_a_named_file); }
