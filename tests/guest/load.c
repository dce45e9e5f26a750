/* load.c - a plugin host: the shared library is loaded, used in threads, and unloaded, again and again, beside a copy
 * of the library that is linked into the program.
 */
#include "../support/support.h"

#include <criterion/criterion.h>
#include <dlfcn.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <unistd.h>

#define IN(library, function) ((__typeof__(&(function)))dlsym(library, #function))
enum { ROUNDS = 20 };

static char name[64];
static uint32_t stage, source;
static void *library;
static sem_t used, unloaded;

static struct cvb_handle *make(void)
{
    struct cvb_settings s = small_settings(40, 40, 40);
    snprintf(name, sizeof name, "%s", segment_name("load"));
    return make_stage(name, &s, &stage, &source);
}

/* All of a record's life by the loaded copy. The thread ends after the library is gone. */
static void *use(void *result)
{
    struct cvb_handle *h;
    struct cvb_lease l;
    struct cvb_record r = {.payload = "x", .length = 1, .source = source};
    uint32_t id;
    *(int *)result = IN(library, cvb_attach)(name, &h) || IN(library, cvb_stage)(h, "filter", &id) || id != stage ||
                     IN(library, cvb_buffer_for_stage)(h, stage, &r) ||
                     IN(library, cvb_get_batch)(h, stage, &l, 1) != 1 || IN(library, cvb_ack)(h, &l, 1) ||
                     IN(library, cvb_detach)(h);
    sem_post(&used);
    sem_wait(&unloaded);
    return NULL;
}

static int notify(void)
{
    struct cvb_notifier *n;
    return IN(library, cvb_notify_open)(name, &stage, 1, &n) || IN(library, cvb_notify_close)(n);
}

static int forked(void)
{
    pid_t child = fork();
    if (!child)
        _exit(0);
    return reap(child);
}

Test(load, and_unload, .timeout = 60)
{
    struct cvb_handle *h = make();
    cr_assert_not_null(h);
    sem_init(&used, 0, 0);
    sem_init(&unloaded, 0, 0);
    for (int i = 0; i < ROUNDS; i++) {
        pthread_t thread;
        int result = -1;
        library = dlopen(CVB_SHARED_LIBRARY, RTLD_NOW | RTLD_LOCAL);
        cr_assert_not_null(library, "%s", dlerror());
        pthread_create(&thread, NULL, use, &result);
        sem_wait(&used);
        cr_assert_eq(notify(), 0);
        cr_assert_eq(dlclose(library), 0);
        cr_assert_null(dlopen(CVB_SHARED_LIBRARY, RTLD_NOW | RTLD_NOLOAD), "it is gone");
        sem_post(&unloaded);
        pthread_join(thread, NULL);
        cr_assert_eq(result, 0);
        cr_assert_eq(forked(), 0, "its fork handlers are gone, too");
    }
    cr_assert_null(audit_says(h, 0, 0));
    cvb_detach(h);
    cvb_unlink(name);
}

/* The child leaves with both and attaches with both. */
static int both_anew(struct cvb_handle *mine, struct cvb_handle *loaded)
{
    struct cvb_handle *h, *g;
    struct cvb_lease l[2];
    if (cvb_detach(mine) != CVB_EFORKED || IN(library, cvb_detach)(loaded) != CVB_EFORKED)
        return 1;
    if (cvb_attach(name, &h) || IN(library, cvb_attach)(name, &g))
        return 2;
    if (IN(library, cvb_get_batch)(g, stage, l, 2) != 2 || IN(library, cvb_ack)(g, l, 2))
        return 3;
    return cvb_detach(h) || IN(library, cvb_detach)(g) ? 4 : 0;
}

Test(load, two_copies_in_one_process, .timeout = 60)
{
    struct cvb_handle *h = make(), *g;
    struct cvb_lease l[5];
    struct cvb_peer peer;
    cr_assert_not_null(h);
    library = dlopen(CVB_SHARED_LIBRARY, RTLD_NOW | RTLD_LOCAL);
    cr_assert_not_null(library, "%s", dlerror());
    cr_assert_neq((void *)IN(library, cvb_attach), (void *)cvb_attach);
    cr_assert_eq(IN(library, cvb_attach)(name, &g), 0);
    cr_assert_eq(put_numbers(h, stage, source, 0, 10, NULL), 10);
    cr_assert_eq(IN(library, cvb_get_batch)(g, stage, l, 5), 5);
    cr_assert_eq(cvb_ack(h, l, 1), CVB_EFOREIGN);
    cr_assert_eq(cvb_recover(h), 0, "each sees the other alive");
    cr_assert_eq(IN(library, cvb_recover)(g), 0);
    cr_assert(!cvb_peer(h, 1, &peer) && peer.state == CVB_PEER_ALIVE);
    cr_assert(!IN(library, cvb_peer_sized)(g, 0, &peer, sizeof peer) && peer.state == CVB_PEER_ALIVE);
    pid_t child = fork();
    if (!child)
        _exit(both_anew(h, g));
    cr_assert_eq(reap(child), 0);
    cr_assert_eq(IN(library, cvb_ack)(g, l, 5), 0);
    cr_assert_eq(IN(library, cvb_detach)(g), 0);
    cr_assert_eq(dlclose(library), 0);
    cr_assert_eq(drain(h, stage), 3);
    cr_assert_null(audit_says(h, 0, 0));
    cvb_detach(h);
    cvb_unlink(name);
}
