/* worker.c - a worker between two stages. Each record ends in one of three ways:
 *   forwarded with a new payload    it is in the next stage and settled here, in one step that a crash cannot cut
 *   acked                           it is done with: empty records
 *   returned                        it failed ("bad ..."): it comes again, and past max_retries it is a dead letter
 * usage: worker SEGMENT FROM TO, until SIGTERM or SIGINT */
#include <conveyor/buffer.h>
#include <ctype.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH 32
#define SLICE_NS INT64_C(100000000) /* how late a signal may be noticed */

struct worker {
    struct cvb_handle *buffer;
    uint32_t from, to;
    size_t longest; /* payload_size */
    char *room;     /* for the results of a batch */
};

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
    (void)number;
    stop = 1;
}

/* The work itself: upper case. */
static struct cvb_record work(const struct cvb_lease *lease, char *out)
{
    const unsigned char *in = lease->payload;
    for (uint32_t i = 0; i < lease->length; i++)
        out[i] = (char)toupper(in[i]);
    return (struct cvb_record){.payload = out, .length = lease->length};
}

/* Forwards all of them, however long the next stage is full. On a signal the rest goes back untried. */
static int send_on(struct worker *w, const struct cvb_lease *leases, const struct cvb_record *results, size_t count)
{
    for (size_t done = 0; done < count;) {
        int why,
            n = cvb_forward_records_wait(w->buffer, w->to, leases + done, results + done, count - done, SLICE_NS, &why);
        if (why && why != CVB_ETIMEDOUT)
            return why;
        done += n > 0 ? (size_t)n : 0;
        if (stop && done < count)
            return cvb_release(w->buffer, leases + done, count - done); /* nothing failed */
    }
    return 0;
}

static int handle_batch(struct worker *w, const struct cvb_lease *leases, size_t count)
{
    struct cvb_lease good[BATCH], bad[BATCH], empty[BATCH];
    struct cvb_record results[BATCH];
    size_t goods = 0, bads = 0, empties = 0;
    for (size_t i = 0; i < count; i++)
        if (!leases[i].length) {
            empty[empties++] = leases[i];
        } else if (leases[i].length >= 3 && !memcmp(leases[i].payload, "bad", 3)) {
            bad[bads++] = leases[i];
        } else {
            results[goods] = work(&leases[i], w->room + goods * w->longest);
            good[goods++] = leases[i];
        }
    int error = empties ? cvb_ack(w->buffer, empty, empties) : 0;
    if (!error && bads)
        error = cvb_return_to_buffer(w->buffer, bad, bads);
    return error || !goods ? error : send_on(w, good, results, goods);
}

static int run(struct worker *w)
{
    struct cvb_lease leases[BATCH];
    while (!stop) {
        int n = cvb_get_wait(w->buffer, w->from, leases, BATCH, SLICE_NS);
        int error = n > 0 ? handle_batch(w, leases, (size_t)n) : n;
        if (error && error != CVB_ETIMEDOUT)
            return error;
    }
    return 0;
}

static int begin(struct worker *w, const char *from, const char *to)
{
    struct cvb_settings settings;
    int error = cvb_settings_of(w->buffer, &settings);
    if (!error)
        error = cvb_stage(w->buffer, from, &w->from);
    if (!error)
        error = cvb_stage(w->buffer, to, &w->to);
    if (error)
        return error;
    w->longest = settings.payload_size;
    w->room = malloc(BATCH * w->longest);
    return w->room ? 0 : CVB_ESYSTEM;
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    struct worker w = {0};
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    int error = cvb_attach(argv[1], &w.buffer);
    if (!error) {
        error = begin(&w, argv[2], argv[3]);
        if (!error)
            error = run(&w);
        free(w.room);
        cvb_detach(w.buffer);
    }
    if (error)
        fprintf(stderr, "worker: %s\n", cvb_error_text(error));
    return error != 0;
}
