/* once.c - a sink that writes each record once, although a record that was written may come again: a sink that is
 * killed between the write and the ack has it in its file, and the buffer delivers it once more. The file is its memory
 * (ledger.h): each line is SOURCE, POSITION and the payload, and when it starts it reads which are there.
 * usage: once SEGMENT STAGE FILE, until SIGTERM or SIGINT; says how many were there already. One at a time a file. */
#include "ledger.h"

#include <signal.h>

#define BATCH 32
#define SLICE_NS INT64_C(100000000) /* how late a signal may be noticed */

struct sink {
    struct cvb_handle *buffer;
    uint32_t stage;
    struct ledger ledger;
    unsigned long written, doubles;
};

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
    (void)number;
    stop = 1;
}

static int write_new(struct sink *s, const struct cvb_lease *lease)
{
    int known = ledger_knows(&s->ledger, lease);
    if (known < 0)
        return known;
    s->written += !known;
    s->doubles += known != 0;
    return known ? 0 : ledger_write(&s->ledger, lease, lease->payload, lease->length);
}

static int run(struct sink *s)
{
    struct cvb_lease leases[BATCH];
    while (!stop) {
        int n = cvb_get_wait(s->buffer, s->stage, leases, BATCH, SLICE_NS), error = n < 0 ? n : 0;
        for (int i = 0; i < n && !error; i++)
            error = write_new(s, &leases[i]);
        if (!error)
            error = ledger_flush(&s->ledger);
        if (!error)
            error = cvb_ack(s->buffer, leases, (size_t)n); /* only now that it is written */
        if (error && error != CVB_ETIMEDOUT)
            return error;
    }
    return 0;
}

static int work(struct sink *s, char **argv)
{
    int error = cvb_stage(s->buffer, argv[2], &s->stage);
    if (!error)
        error = ledger_open(&s->ledger, s->buffer, argv[3]);
    if (!error)
        error = run(s);
    ledger_close(&s->ledger);
    return error;
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    struct sink s = {0};
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    int error = cvb_attach(argv[1], &s.buffer);
    if (!error) {
        error = work(&s, argv);
        cvb_detach(s.buffer);
    }
    printf("wrote %lu records, left out %lu that were there already\n", s.written, s.doubles);
    if (error)
        fprintf(stderr, "once: %s\n", cvb_error_text(error));
    return error != 0;
}
