/* process.c - what the handles of one process share: a mapping for each segment, with the names that were looked up.
 *
 * Overview: a segment is mapped once, however many handles a process has on it (found by device and inode). The names
 * of a mapping are kept in a hash table that is read under RCU, so a name costs one probe. After a fork the child
 * closes its copies of the lock descriptors, so that it does not keep its parent's seats alive.
 *
 * The table has a fixed number of buckets: one that resizes by itself has a thread of its own, which a forked child has
 * not. Only attach, detach, fork and a name's first use take the mutex; it is the process's own, and nothing waits for
 * another process under it.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <urcu/urcu-bp.h>

#include <urcu/rculfhash.h>

#include "internal.h"

struct name_node {
    struct cds_lfht_node node;
    struct name_node *next; /* all of a mapping, to free them */
    int kind;
    uint32_t id;
    char text[CVB_NAME_MAX + 1];
};

struct cvb_mapping {
    struct cvb_mapping *next;
    struct cvb_segment segment;
    struct cds_lfht *table;
    struct name_node *names;
    dev_t device;
    ino_t inode;
    unsigned users;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct cvb_mapping *mappings;
static struct cvb_handle *attached;

static void before_fork(void)
{
    pthread_mutex_lock(&mutex);
    urcu_bp_before_fork();
}

static void after_fork_parent(void)
{
    urcu_bp_after_fork_parent();
    pthread_mutex_unlock(&mutex);
}

static void after_fork_child(void)
{
    urcu_bp_after_fork_child();
    for (struct cvb_handle *h = attached; h; h = h->next) {
        close(h->lock_fd);
        h->lock_fd = -1;
        *(uint32_t *)(uintptr_t)h->same_process = 0; /* qemu's user mode ignores MADV_WIPEONFORK */
    }
    attached = NULL;
    pthread_mutex_unlock(&mutex);
}

static void register_fork(void) { pthread_atfork(before_fork, after_fork_parent, after_fork_child); }

static struct cvb_mapping *find(const struct stat *st)
{
    struct cvb_mapping *m = mappings;
    while (m && (m->device != st->st_dev || m->inode != st->st_ino))
        m = m->next;
    return m;
}

static int map(int fd, const struct stat *st, const struct cvb_segment *segment, struct cvb_mapping **out)
{
    struct cvb_mapping *m = calloc(1, sizeof *m);
    if (!m)
        return CVB_ESYSTEM;
    m->segment = *segment;
    m->device = st->st_dev;
    m->inode = st->st_ino;
    m->table = cds_lfht_new_flavor(1024, 1024, 0, 0, &urcu_bp_flavor, NULL);
    if (!m->table || cvb_segment_map(&m->segment, fd)) {
        if (m->table)
            cds_lfht_destroy(m->table, NULL);
        free(m);
        return CVB_ESYSTEM;
    }
    m->next = mappings;
    mappings = m;
    *out = m;
    return 0;
}

static void unmap(struct cvb_mapping *m)
{
    struct cvb_mapping **at = &mappings;
    while (*at != m)
        at = &(*at)->next;
    *at = m->next;
    urcu_bp_read_lock();
    for (struct name_node *n = m->names; n; n = n->next)
        cds_lfht_del(m->table, &n->node);
    urcu_bp_read_unlock();
    urcu_bp_synchronize_rcu();
    while (m->names) {
        struct name_node *n = m->names;
        m->names = n->next;
        free(n);
    }
    cds_lfht_destroy(m->table, NULL);
    cvb_segment_unmap(&m->segment);
    free(m);
}

int cvb_join_mapping(struct cvb_handle *h, const char *name)
{
    struct cvb_segment segment;
    struct stat st;
    int fd = cvb_segment_open(name, &segment, &h->lock_fd);
    if (fd < 0)
        return fd;
    pthread_once(&once, register_fork);
    pthread_mutex_lock(&mutex);
    int error = fstat(fd, &st) ? CVB_ESYSTEM : 0;
    struct cvb_mapping *m = error ? NULL : find(&st);
    if (!error && !m)
        error = map(fd, &st, &segment, &m);
    if (!error) {
        m->users++;
        h->mapping = m;
        h->segment = m->segment;
        h->next = attached;
        attached = h;
    }
    pthread_mutex_unlock(&mutex);
    close(fd);
    if (error)
        close(h->lock_fd);
    return error;
}

void cvb_leave_mapping(struct cvb_handle *h)
{
    pthread_mutex_lock(&mutex);
    struct cvb_handle **at = &attached;
    while (*at && *at != h)
        at = &(*at)->next;
    if (*at) {
        *at = h->next;
        close(h->lock_fd);
    }
    if (!--h->mapping->users)
        unmap(h->mapping);
    pthread_mutex_unlock(&mutex);
}

static unsigned long hash_of(int kind, const char *text)
{
    return (unsigned long)cvb_hash(text, strlen(text)) + (unsigned long)kind;
}

static int equal(struct cds_lfht_node *node, const void *key)
{
    const struct name_node *n = caa_container_of(node, struct name_node, node), *k = key;
    return n->kind == k->kind && !strcmp(n->text, k->text);
}

bool cvb_name_known(struct cvb_handle *h, int kind, const char *text, uint32_t *id)
{
    struct name_node key = {.kind = kind};
    struct cds_lfht_iter i;
    strcpy(key.text, text);
    urcu_bp_read_lock();
    cds_lfht_lookup(h->mapping->table, hash_of(kind, text), equal, &key, &i);
    struct cds_lfht_node *node = cds_lfht_iter_get_node(&i);
    if (node)
        *id = caa_container_of(node, struct name_node, node)->id;
    urcu_bp_read_unlock();
    return node;
}

/* The next use of the name costs one probe. Without memory it will be looked up in the segment again. */
void cvb_name_remember(struct cvb_handle *h, int kind, const char *text, uint32_t id)
{
    struct name_node *n = calloc(1, sizeof *n);
    if (!n)
        return;
    n->kind = kind;
    n->id = id;
    strcpy(n->text, text);
    pthread_mutex_lock(&mutex);
    urcu_bp_read_lock();
    bool added = cds_lfht_add_unique(h->mapping->table, hash_of(kind, text), equal, n, &n->node) == &n->node;
    urcu_bp_read_unlock();
    if (added) {
        n->next = h->mapping->names;
        h->mapping->names = n;
    }
    pthread_mutex_unlock(&mutex);
    if (!added)
        free(n);
}
