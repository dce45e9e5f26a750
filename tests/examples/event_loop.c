/* event_loop.c - one epoll loop that serves several stages, beside other descriptors (here one for signals). Each turn
 * takes at most a batch of each stage, so that a busy stage does not keep the others and the signals waiting.
 * usage: event_loop SEGMENT STAGE..., until SIGTERM or SIGINT; prints each record behind its stage's name */
#include <conveyor/buffer.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define STAGES 64
#define BATCH 32

struct server {
    struct cvb_handle *buffer;
    struct cvb_notifier *notifier;
    char **names;
    uint32_t stages[STAGES];
    size_t count;
};

/* Some of what a stage has. */
static int serve(struct server *s, size_t i)
{
    struct cvb_lease leases[BATCH];
    int n = cvb_get_batch(s->buffer, s->stages[i], leases, BATCH);
    for (int r = 0; r < n; r++)
        printf("%s: %.*s\n", s->names[i], (int)leases[r].length, (const char *)leases[r].payload);
    if (n <= 0)
        return n;
    return fflush(stdout) ? CVB_ESYSTEM : cvb_ack(s->buffer, leases, (size_t)n);
}

/* Stages have records: some of each, and then its watch is armed; it fires at once if there are more. */
static int on_records(struct server *s)
{
    struct cvb_watch fired[STAGES];
    int n = cvb_notify_fired(s->notifier, fired, STAGES);
    for (int i = 0; i < n; i++) {
        int error = serve(s, (size_t)((uint32_t *)fired[i].data - s->stages));
        if (!error)
            error = cvb_notify_arm(s->notifier, fired[i].id);
        if (error)
            return error;
    }
    return n < 0 ? n : 0;
}

static int run(struct server *s, int loop, int signals)
{
    struct epoll_event records = {.events = EPOLLIN, .data.fd = cvb_notify_fd(s->notifier)};
    struct epoll_event signal = {.events = EPOLLIN, .data.fd = signals}, now;
    if (epoll_ctl(loop, EPOLL_CTL_ADD, records.data.fd, &records) || epoll_ctl(loop, EPOLL_CTL_ADD, signals, &signal))
        return CVB_ESYSTEM;
    while (epoll_wait(loop, &now, 1, -1) == 1) {
        int error = now.data.fd == signals ? 1 : on_records(s);
        if (error)
            return error > 0 ? 0 : error;
    }
    return CVB_ESYSTEM;
}

static int begin(struct server *s, const char *segment)
{
    int error = cvb_attach(segment, &s->buffer);
    for (size_t i = 0; !error && i < s->count; i++)
        error = cvb_stage(s->buffer, s->names[i], &s->stages[i]);
    if (!error)
        error = cvb_notify_create(segment, &s->notifier);
    for (size_t i = 0; !error && i < s->count; i++) {
        int id = cvb_notify_watch(
            s->notifier, &(struct cvb_watch){.what = CVB_WATCH_RECORDS, .stage = s->stages[i], .data = &s->stages[i]});
        error = id < 0 ? id : 0;
    }
    return error;
}

int main(int argc, char **argv)
{
    if (argc < 3 || argc > 2 + STAGES)
        return 2;
    struct server s = {.names = argv + 2, .count = (size_t)argc - 2};
    sigset_t two;
    sigemptyset(&two);
    sigaddset(&two, SIGTERM);
    sigaddset(&two, SIGINT);
    sigprocmask(SIG_BLOCK, &two, NULL);
    int loop = epoll_create1(EPOLL_CLOEXEC), signals = signalfd(-1, &two, SFD_CLOEXEC);
    int error = loop < 0 || signals < 0 ? CVB_ESYSTEM : begin(&s, argv[1]);
    if (!error)
        error = run(&s, loop, signals);
    if (s.notifier)
        cvb_notify_close(s.notifier);
    if (s.buffer)
        cvb_detach(s.buffer);
    if (error)
        fprintf(stderr, "event_loop: %s\n", cvb_error_text(error));
    return error != 0;
}
