/* create.c - a name shows a complete segment or nothing: no space, creators that are killed, two creators at once, and
 * names that are removed and made anew under live handles.
 */
#include "../support/support.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static uint64_t shm_used(void)
{
    struct statvfs v;
    return statvfs("/dev/shm", &v) ? 0 : (uint64_t)(v.f_blocks - v.f_bfree) * v.f_frsize;
}

static unsigned files_like(const char *name)
{
    unsigned n = 0;
    DIR *d = opendir("/dev/shm");
    for (struct dirent *e; d && (e = readdir(d));)
        n += strstr(e->d_name, name) != NULL;
    if (d)
        closedir(d);
    return n;
}

/* The file-size limit plays the full disk: posix_fallocate fails with EFBIG, as with ENOSPC. */
static int create_under_a_file_limit(void *name)
{
    struct rlimit limit = {100000, 100000};
    signal(SIGXFSZ, SIG_IGN);
    if (setrlimit(RLIMIT_FSIZE, &limit))
        return 100;
    return -cvb_create(name, NULL);
}

Test(create, no_space_by_file_limit)
{
    const char *name = segment_name("limit");
    cr_assert_eq(reap(spawn(create_under_a_file_limit, (void *)(uintptr_t)name)), -CVB_ENOSPC);
    cr_assert_eq(files_like(name), 0);
}

/* A tmpfs over /dev/shm, in a mount namespace of this process's own, which nobody else fills; false if that is not
 * permitted here. */
static bool own_tmpfs(const char *size)
{
    return !unshare(CLONE_NEWNS) && !mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) &&
           !mount("own", "/dev/shm", "tmpfs", 0, size);
}

/* The real ENOSPC. */
static int create_in_a_small_tmpfs(void *name)
{
    if (!own_tmpfs("size=1m"))
        return 100;
    int error = cvb_create(name, NULL);
    if (error != CVB_ENOSPC)
        return 1 - error;
    struct cvb_settings s = small_settings(4, 4, 4);
    return shm_used() ? 99 : -cvb_create(name, &s); /* all given back, and a small one fits */
}

Test(create, no_space_in_a_small_tmpfs)
{
    const char *name = segment_name("tmpfs");
    int code = reap(spawn(create_in_a_small_tmpfs, (void *)(uintptr_t)name));
    if (code == 100)
        cr_skip_test("a mount namespace is not permitted here");
    cr_assert_eq(code, 0);
    cr_assert_eq(files_like(name), 0);
}

static int create_and_stay(void *name)
{
    if (cvb_create(name, NULL))
        return 1;
    for (;;)
        pause();
}

/* The default segment takes milliseconds to fill: kills at random moments of that time and a little more hit before,
 * in the middle and after. */
Test(create, a_killed_creator_leaves_a_whole_segment_or_nothing, .timeout = 120)
{
    const char *name = segment_name("killed");
    const bool alone = own_tmpfs("size=50%");
    enum { ROUNDS = 150, LONGEST_MS = 60000 };
    uint64_t seed = 1, before = shm_used(), start = now_ms();
    unsigned seen = 0, rounds = 0;
    cr_assert_eq(cvb_create(name, NULL), 0);
    uint32_t long_enough_ns = (uint32_t)(now_ms() - start + 2) * 1500000;
    cr_assert_eq(cvb_unlink(name), 0);
    for (; rounds < ROUNDS && now_ms() - start < LONGEST_MS; rounds++) {
        pid_t child = spawn(create_and_stay, (void *)(uintptr_t)name);
        nanosleep(&(struct timespec){.tv_nsec = (long)random_below(&seed, long_enough_ns)}, NULL);
        kill(child, SIGKILL);
        cr_assert_eq(reap(child), SIGNALED + SIGKILL);
        struct cvb_handle *h;
        int error = cvb_attach(name, &h);
        cr_assert(error == 0 || error == CVB_ENOENT, "%s", cvb_error_text(error));
        if (!error) {
            seen++;
            cr_assert_null(audit_says(h, 0, 0), "%s", audit_says(h, 0, 0));
            cvb_detach(h);
            cr_assert_eq(cvb_unlink(name), 0);
        }
    }
    cr_log_info("%u of %u left a segment", seen, rounds);
    cr_assert_eq(files_like(name), 0);
    cr_assert(!alone || shm_used() <= before + (1u << 20), "the memory of %u creators is back", rounds);
}

struct race {
    const char *name;
    uint32_t go;
};

static int create_when_told(void *argument)
{
    struct race *r = argument;
    while (!__atomic_load_n(&r->go, __ATOMIC_ACQUIRE))
        sched_yield();
    struct cvb_settings s = small_settings(100, 100, 100);
    return -cvb_create(r->name, &s);
}

Test(create, one_of_many_creators_wins, .timeout = 60)
{
    enum { CREATORS = 6 };
    struct race *r = shared_memory(sizeof *r);
    r->name = segment_name("race");
    for (int round = 0; round < 60; round++) {
        pid_t child[CREATORS];
        int won = 0;
        r->go = 0;
        for (int i = 0; i < CREATORS; i++)
            child[i] = spawn(create_when_told, r);
        __atomic_store_n(&r->go, 1, __ATOMIC_RELEASE);
        for (int i = 0; i < CREATORS; i++) {
            int code = reap(child[i]);
            cr_assert(code == 0 || code == -CVB_EEXIST, "%s", cvb_error_text(-code));
            won += code == 0;
        }
        cr_assert_eq(won, 1);
        cr_assert_eq(cvb_unlink(r->name), 0);
    }
}

Test(create, removed_and_made_anew_under_live_handles)
{
    const char *name = segment_name("anew");
    struct cvb_settings s = small_settings(10, 10, 10);
    struct cvb_handle *old = make_segment(name, &s), *new = NULL;
    uint32_t stage, other;
    cr_assert_not_null(old);
    cr_assert_eq(cvb_stage(old, "filter", &stage), 0);
    cr_assert(name_everything(old));
    cr_assert_eq(put_numbers(old, stage, 0, 100, 5, NULL), 5);
    cr_assert_eq(cvb_unlink(name), 0);
    cr_assert_eq(cvb_unlink(name), CVB_ENOENT);
    s.max_total_records = 20;
    cr_assert_eq(cvb_create(name, &s), 0);
    cr_assert_eq(cvb_attach(name, &new), 0);
    cr_assert_eq(cvb_stage(new, "filter", &other), 0);
    cr_assert(name_everything(new));
    cr_assert_null(audit_says(new, 0, 0), "the new one is empty");
    cr_assert_eq(put_numbers(new, other, 0, 900, 3, NULL), 3);
    cr_assert_eq(put_numbers(old, stage, 0, 105, 2, NULL), 2, "those attached go on");
    struct cvb_lease l[10];
    cr_assert_eq(cvb_get_batch(old, stage, l, 10), 7);
    for (unsigned i = 0; i < 7; i++)
        cr_assert_eq(number_of(&l[i]), 100 + i);
    cr_assert_eq(cvb_ack(old, l, 7), 0);
    cr_assert_null(audit_says(old, 0, 0));
    cr_assert_null(audit_says(new, 3, 0));
    cr_assert_eq(cvb_detach(old), 0);
    cr_assert_eq(cvb_detach(new), 0);
    cr_assert_eq(cvb_unlink(name), 0);
}

Test(create, mode_is_as_asked_whatever_the_umask)
{
    const char *name = segment_name("mode");
    struct cvb_settings s = small_settings(4, 4, 4);
    static const uint32_t modes[] = {0600, 0660, 0640, 0666};
    char path[128];
    snprintf(path, sizeof path, "/dev/shm/%s", name);
    umask(077);
    for (unsigned i = 0; i < 4; i++) {
        struct stat st;
        s.mode = modes[i];
        cr_assert_eq(cvb_create(name, &s), 0);
        cr_assert_eq(stat(path, &st), 0);
        cr_assert_eq(st.st_mode & 0777, modes[i]);
        cr_assert_geq((uint64_t)st.st_blocks * 512, (uint64_t)st.st_size, "all of it is reserved");
        cr_assert_eq(cvb_unlink(name), 0);
    }
}
