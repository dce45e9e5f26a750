/* client.c - a consumer that does what the command never does: it fails, or it holds what it has leased.
 *
 * usage: cli-client SEG return|fail|hold|outlive|busy|turns|take STAGE COUNT
 *
 * return: leases COUNT and returns them as failed, once.
 * fail: leases COUNT records and returns them as failed, until none is left in the stage.
 * hold: leases COUNT, prints a line, and keeps them until it is killed.
 * outlive: as hold, but the main thread ends and another one goes on.
 * busy: leases COUNT, prints a line, and gives them back and leases them again and again.
 * turns: for each byte of standard input leases COUNT, gives them back, and writes a byte.
 * take: leases COUNT one after the other and prints "retry_count payload" of each; then gives all back untried.
 */
#include <conveyor/buffer.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST = 10000 };
static struct cvb_lease lease[MOST];

static int find(struct cvb_handle *handle, const char *wanted, uint32_t *id)
{
    char name[CVB_NAME_MAX + 1];
    int error;
    for (*id = 0; !(error = cvb_stage_name(handle, *id, name)); ++*id)
        if (!strcmp(name, wanted))
            return 0;
    return error;
}

/* Leases `count` records, or all that there are; returns how many. */
static size_t gather(struct cvb_handle *handle, uint32_t stage, size_t count)
{
    size_t held = 0;
    int n;
    while (held < count && (n = cvb_get_batch(handle, stage, lease + held, count - held)) > 0)
        held += (size_t)n;
    return held;
}

static int fail(struct cvb_handle *handle, uint32_t stage, size_t count)
{
    int error = 0;
    for (size_t n; !error && (n = gather(handle, stage, count));)
        error = cvb_return_to_buffer(handle, lease, n);
    return error;
}

static int return_once(struct cvb_handle *handle, uint32_t stage, size_t count)
{
    size_t n = gather(handle, stage, count);
    return n ? cvb_return_to_buffer(handle, lease, n) : 0;
}

static int hold(struct cvb_handle *handle, uint32_t stage, size_t count)
{
    printf("%zu held\n", gather(handle, stage, count));
    fflush(stdout);
    pause();
    return 0;
}

static void *stay(void *unused)
{
    pause();
    return unused;
}

static int outlive(struct cvb_handle *handle, uint32_t stage, size_t count)
{
    pthread_t other;
    const size_t held = gather(handle, stage, count);
    if (pthread_create(&other, NULL, stay, NULL))
        return CVB_ESYSTEM;
    printf("%zu held\n", held);
    fflush(stdout);
    pthread_exit(NULL);
}

static int busy(struct cvb_handle *handle, uint32_t stage, size_t count)
{
    int error = 0;
    for (size_t n = gather(handle, stage, count), first = n; !error; n = gather(handle, stage, count)) {
        if (first)
            printf("%zu held\n", n);
        first = 0;
        fflush(stdout);
        usleep(10000);
        error = n ? cvb_release(handle, lease, n) : 0;
    }
    return error;
}

static int turns(struct cvb_handle *handle, uint32_t stage, size_t count)
{
    int error = 0;
    char byte;
    while (!error && read(STDIN_FILENO, &byte, 1) == 1) {
        size_t n = gather(handle, stage, count);
        error = n ? cvb_release(handle, lease, n) : 0;
        if (write(STDOUT_FILENO, &byte, 1) != 1)
            break;
    }
    return error;
}

static int take(struct cvb_handle *handle, uint32_t stage, size_t count)
{
    size_t n = gather(handle, stage, count);
    for (size_t i = 0; i < n; i++)
        printf("%u %.*s\n", lease[i].retry_count, (int)lease[i].length, (const char *)lease[i].payload);
    return fflush(stdout) || !n ? 0 : cvb_release(handle, lease, n);
}

static int run(const char *role, struct cvb_handle *handle, uint32_t stage, size_t count)
{
    static const struct {
        const char *name;
        int (*run)(struct cvb_handle *handle, uint32_t stage, size_t count);
    } roles[] = {{"return", return_once}, {"fail", fail},   {"hold", hold}, {"outlive", outlive},
                 {"busy", busy},          {"turns", turns}, {"take", take}};
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++)
        if (!strcmp(role, roles[i].name))
            return roles[i].run(handle, stage, count);
    return CVB_EINVAL;
}

int main(int argc, char **argv)
{
    struct cvb_handle *handle;
    uint32_t stage;
    if (argc != 5)
        return 2;
    size_t count = strtoul(argv[4], NULL, 10);
    int error = count <= MOST ? cvb_attach(argv[1], &handle) : CVB_EINVAL;
    if (!error)
        error = find(handle, argv[3], &stage);
    if (!error)
        error = run(argv[2], handle, stage, count);
    if (error)
        fprintf(stderr, "%s\n", cvb_error_text(error));
    else
        cvb_detach(handle);
    return error != 0;
}
