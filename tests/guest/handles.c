/* handles.c - handles that have lost their seat or met a corrupt segment, leases of other processes, files that became
 * too short, and names and files that are not a segment's.
 */
#include "../support/support.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crash/crash.h"

static char name[64];
static uint32_t stage, source;

static struct cvb_handle *make(void)
{
    struct cvb_settings s = small_settings(40, 40, 40);
    snprintf(name, sizeof name, "%s", segment_name("handles"));
    return make_stage(name, &s, &stage, &source);
}

/* Every call that changes something, on a handle that may not: all say why, and nothing changes. */
static void changes_nothing(struct cvb_handle *h, struct cvb_lease *l, int why)
{
    struct cvb_record r = {.payload = "x", .length = 1, .source = source};
    struct cvb_lease other;
    struct cvb_slot slot;
    struct cvb_audit a;
    uint32_t id;
    int reason;
    cr_expect_eq(cvb_buffer_for_stage(h, stage, &r), why);
    cr_expect_eq(cvb_buffer_batch_for_stage(h, stage, &r, 1, &reason), why);
    cr_expect_eq(cvb_reserve(h, stage, &r, &slot, 1, &reason), why);
    cr_expect_eq(cvb_get_batch(h, stage, &other, 1), why);
    cr_expect_eq(cvb_ack(h, l, 1), why);
    cr_expect_eq(cvb_return_to_buffer(h, l, 1), why);
    cr_expect_eq(cvb_release(h, l, 1), why);
    cr_expect_eq(cvb_forward(h, stage, l, 1, NULL), why);
    cr_expect_eq(cvb_wait_records(h, &stage, 1, 0), why);
    cr_expect_eq(cvb_wait_credits(h, stage, source, 0), why);
    cr_expect_eq(cvb_recover(h), why);
    cr_expect_eq(cvb_audit(h, &a), why);
    cr_expect_eq(cvb_stage(h, "new", &id), why);
}

/* Somebody else has given the seat away, as a recoverer does that takes this process for dead. */
static void take_away(struct cvb_handle *h)
{
    uint64_t *state = &cvb_seat_at(h, h->seat)->state, now = cvb_load64_acq(state);
    cr_assert(cvb_recover_seat(h, h->seat, now) >= 0);
    cr_assert(cvb_cas64(state, now, now + 1));
}

Test(handles, a_lost_seat_is_told, .timeout = 30)
{
    struct cvb_handle *h = make(), *lost;
    struct cvb_settings settings;
    struct cvb_lease l[3];
    cr_assert_not_null(h);
    cr_assert_eq(put_numbers(h, stage, source, 0, 10, NULL), 10);
    cr_assert_eq(cvb_attach(name, &lost), 0);
    cr_assert_eq(cvb_get_batch(lost, stage, l, 3), 3);
    take_away(lost);
    changes_nothing(lost, l, CVB_ELOST);
    cr_assert_eq(cvb_settings_of(lost, &settings), 0);
    cr_assert_null(audit_says(h, 10, 0), "%s", audit_says(h, 10, 0));
    cr_assert_eq(cvb_detach(lost), CVB_ELOST);
    cr_assert_null(audit_says(h, 10, 0));
    cr_assert_eq(drain(h, stage), 10);
    cvb_detach(h);
    cvb_unlink(name);
}

Test(handles, a_poisoned_handle_does_nothing_more, .timeout = 30)
{
    struct cvb_handle *h = make(), *bad;
    struct cvb_lease l[3];
    cr_assert_not_null(h);
    cr_assert_eq(put_numbers(h, stage, source, 0, 10, NULL), 10);
    cr_assert_eq(cvb_attach(name, &bad), 0);
    cr_assert_eq(cvb_get_batch(bad, stage, l, 3), 3);
    cvb_poison(bad);
    changes_nothing(bad, l, CVB_ECORRUPT);
    cr_assert_null(audit_says(h, 7, 3));
    cr_assert_eq(cvb_detach(bad), CVB_ECORRUPT);
    cr_assert_null(audit_says(h, 7, 3), "it is left to recovery");
    cr_assert_eq(cvb_recover(h), 1);
    cr_assert_eq(drain(h, stage), 10);
    cvb_detach(h);
    cvb_unlink(name);
}

static int lease_to(void *lease)
{
    struct cvb_handle *h;
    if (cvb_attach(name, &h) || cvb_get_batch(h, stage, lease, 1) != 1)
        return 1;
    return 0;
}

/* Each first handle of its process, in the same seat, with the same unit. */
Test(handles, a_lease_of_another_process_is_foreign, .timeout = 30)
{
    struct cvb_handle *h = make(), *g;
    struct cvb_lease *l = shared_memory(2 * sizeof *l);
    cr_assert_not_null(h);
    cr_assert_eq(put_numbers(h, stage, source, 0, 4, NULL), 4);
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(reap(spawn(lease_to, &l[i])), 0);
        cr_assert_eq(cvb_recover(h), 1);
    }
    cr_assert_neq(l[0].place.handle, l[1].place.handle);
    cr_assert_eq(cvb_ack(h, l, 1), CVB_EFOREIGN);
    cr_assert_eq(cvb_attach(name, &g), 0);
    cr_assert_eq(cvb_ack(g, l, 1), CVB_EFOREIGN);
    cr_assert_eq(cvb_return_to_buffer(g, &l[1], 1), CVB_EFOREIGN);
    cvb_detach(g);
    cvb_detach(h);
    cvb_unlink(name);
}

#ifndef NDEBUG
static void *wait_until_woken(void *h) { return (void *)(intptr_t)cvb_wait_records(h, &stage, 1, -1); }

static bool is_in_use(void *h) { return __atomic_load_n(&((struct cvb_handle *)h)->user, __ATOMIC_RELAXED); }

Test(handles, two_threads_at_once_are_told, .timeout = 30)
{
    struct cvb_handle *h = make();
    struct cvb_lease l;
    pthread_t thread;
    void *result;
    cr_assert_not_null(h);
    pthread_create(&thread, NULL, wait_until_woken, h);
    cr_assert(wait_until(is_in_use, h, 20000));
    cr_expect_eq(put_numbers(h, stage, source, 0, 1, NULL), CVB_EBUSY);
    cr_expect_eq(cvb_get_batch(h, stage, &l, 1), CVB_EBUSY);
    cr_expect_eq(cvb_recover(h), CVB_EBUSY);
    cr_expect_eq(cvb_wake(h), 0, "which may be called beside a wait");
    pthread_join(thread, &result);
    cr_expect_eq((int)(intptr_t)result, CVB_EINTERRUPTED);
    cr_expect_eq(put_numbers(h, stage, source, 0, 1, NULL), 1);
    cvb_detach(h);
    cvb_unlink(name);
}
#endif

static void path_of(const char *file, char path[300]) { snprintf(path, 300, "/dev/shm/%s", file); }

Test(handles, a_file_that_has_become_too_short, .timeout = 30)
{
    struct cvb_handle *h = make(), *other;
    struct cvb_audit a;
    struct stat st;
    char path[300];
    cr_assert_not_null(h);
    path_of(name, path);
    cr_assert_eq(stat(path, &st), 0);
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(truncate(path, i ? 0 : st.st_size / 2), 0);
        cr_expect_eq(cvb_recover(h), CVB_ETRUNCATED);
        cr_expect_eq(cvb_audit(h, &a), CVB_ETRUNCATED);
        cr_expect_eq(cvb_attach(name, &other), CVB_ETRUNCATED);
    }
    cr_expect_eq(cvb_detach(h), CVB_ETRUNCATED, "and it touches nothing that is gone");
    cr_expect_eq(cvb_unlink(name), 0, "it was a segment");
}

Test(handles, names_are_utf8, .timeout = 30)
{
    static const char *const bad[] = {"\xff",     "a\xc3", "\xc3(", "\xe2\x82", "\xed\xa0\x80", "\xf5\x80\x80\x80",
                                      "\xc0\xaf", "a\x7f", "a\nb",  "\xc2\x80", "/\xff",        "\xe0\x80\xaf"};
    struct cvb_handle *h;
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        cr_expect_eq(cvb_create(bad[i], NULL), CVB_ENAME, "create %u", i);
        cr_expect_eq(cvb_attach(bad[i], &h), CVB_ENAME, "attach %u", i);
        cr_expect_eq(cvb_observe(bad[i], &h), CVB_ENAME, "observe %u", i);
        cr_expect_eq(cvb_unlink(bad[i]), CVB_ENAME, "unlink %u", i);
    }
    struct cvb_settings s = small_settings(10, 10, 10);
    char good[100];
    snprintf(good, sizeof good, "%s-\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", segment_name("name"));
    cr_assert_eq(cvb_create(good, &s), 0);
    cr_assert_eq(cvb_unlink(good), 0);
}

Test(handles, what_is_no_segment_stays, .timeout = 30)
{
    static const char *const contents[] = {"hello", "a text that is longer than a header's magic number is"};
    char file[100], path[300];
    snprintf(file, sizeof file, "%s", segment_name("file"));
    path_of(file, path);
    for (unsigned i = 0; i < 2; i++) {
        FILE *f = fopen(path, "w");
        cr_assert_not_null(f);
        fputs(contents[i], f);
        fclose(f);
        cr_expect_eq(cvb_unlink(file), CVB_EMAGIC);
        cr_expect_eq(access(path, F_OK), 0);
        unlink(path);
    }
    cr_assert_eq(mkdir(path, 0700), 0);
    cr_expect_eq(cvb_unlink(file), CVB_EMAGIC);
    cr_expect_eq(rmdir(path), 0);
    cr_assert_eq(symlink("/etc/passwd", path), 0);
    cr_expect_eq(cvb_unlink(file), CVB_EMAGIC);
    cr_expect_eq(unlink(path), 0);
    cr_expect_eq(cvb_unlink(file), CVB_ENOENT);
}

static int unlink_as_nobody(void *unused)
{
    (void)unused;
    return setuid(65534) ? 99 : -cvb_unlink(name);
}

Test(handles, another_users_segment_in_a_sticky_directory, .timeout = 30)
{
    struct stat st;
    if (geteuid() || stat("/dev/shm", &st) || !(st.st_mode & S_ISVTX))
        cr_skip_test("root and a sticky /dev/shm are needed");
    struct cvb_settings s = small_settings(10, 10, 10);
    s.mode = 0666;
    snprintf(name, sizeof name, "%s", segment_name("sticky"));
    cr_assert_eq(cvb_create(name, &s), 0);
    cr_assert_eq(reap(spawn(unlink_as_nobody, NULL)), -CVB_EPERM);
    cr_assert_eq(cvb_unlink(name), 0);
}

static int visit(const char *n, const struct cvb_settings *s, uint64_t bytes, void *found)
{
    (void)s;
    (void)bytes;
    *(bool *)found |= !strcmp(n, name);
    return 0;
}

/* With 0, 1, 2 ... free descriptors: it lists all, or says why not. */
static int list_with_few_descriptors(void *unused)
{
    bool listed = false;
    (void)unused;
    for (rlim_t most = 3; !listed && most < 64; most++) {
        bool found = false;
        struct rlimit limit = {most, 64};
        setrlimit(RLIMIT_NOFILE, &limit);
        errno = 0;
        int error = cvb_list(visit, &found);
        if (error && (error != CVB_ESYSTEM || errno != EMFILE))
            return 1;
        if (!error && !found)
            return 2;
        listed = !error;
    }
    return listed ? 0 : 3;
}

Test(handles, list_without_descriptors, .timeout = 30)
{
    struct cvb_handle *h = make();
    cr_assert_not_null(h);
    cr_assert_eq(reap(spawn(list_with_few_descriptors, NULL)), 0);
    cvb_detach(h);
    cvb_unlink(name);
}

/* More names than a first table has room for, of all kinds, twice. */
Test(handles, names_are_found_again, .timeout = 30)
{
    struct cvb_settings s = small_settings(10, 10, 10);
    s.max_sources = s.max_pipelines = 310;
    snprintf(name, sizeof name, "%s", segment_name("names"));
    struct cvb_handle *h = make_segment(name, &s), *g;
    cr_assert_not_null(h);
    cr_assert_eq(cvb_attach(name, &g), 0);
    uint32_t first[300][2];
    for (int turn = 0; turn < 3; turn++)
        for (uint32_t i = 0; i < 300; i++) {
            char text[32];
            uint32_t id[2];
            snprintf(text, sizeof text, "name-%u", i);
            struct cvb_handle *one = turn == 1 ? g : h;
            cr_assert_eq(cvb_source(one, text, &id[0]), 0);
            cr_assert_eq(cvb_pipeline(one, text, &id[1]), 0);
            if (!turn)
                memcpy(first[i], id, sizeof id);
            cr_assert(id[0] == first[i][0] && id[1] == first[i][1], "%u: %u, %u", i, id[0], id[1]);
        }
    cvb_detach(g);
    cvb_detach(h);
    cvb_unlink(name);
}

/* Who may read the file may lock it, too. */
static int lock_for_reading(void)
{
    char path[128];
    const struct flock all = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 2};
    snprintf(path, sizeof path, "/dev/shm/%s", name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd >= 0 && !fcntl(fd, F_OFD_SETLK, &all) ? fd : -1;
}

static int attach_and_end(void *unused)
{
    struct cvb_handle *h;
    (void)unused;
    return cvb_attach(name, &h) ? 1 : 0;
}

Test(handles, a_reader_that_locks_the_file, .timeout = 30)
{
    struct cvb_handle *h = make(), *other;
    struct cvb_peer peer;
    cr_assert_not_null(h);
    cr_assert_eq(reap(spawn(attach_and_end, NULL)), 0);
    int fd = lock_for_reading();
    cr_assert_geq(fd, 0);
    cr_assert(!cvb_peer(h, 1, &peer) && peer.state == CVB_PEER_DEAD, "state %u", peer.state);
    cr_assert_eq(cvb_recover(h), 1);
    cr_assert_eq(cvb_attach(name, &other), CVB_ESYSTEM);
    cr_assert_eq(errno, EAGAIN);
    close(fd);
    cr_assert_eq(cvb_attach(name, &other), 0);
    cvb_detach(other);
    cvb_detach(h);
    cvb_unlink(name);
}
