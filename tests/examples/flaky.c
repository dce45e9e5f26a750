/* flaky.c - the worker at the end of a pipeline that calls a service which fails now and then. Each record ends so:
 *   done        the service has done its work, and the record is acked
 *   dropped     the service did it before, for a worker that was killed before its ack: acked without a call. The key
 *               is source and position; the service keeps it with what it did, in a file here (ledger.h)
 *   returned    the service has failed: the record comes again after a delay, each time twice as long, so that a
 *               service which is away for some seconds makes no dead letters; past max_retries it is one
 *   released    the worker was told to stop before it came to it: another one gets it, and nothing counts as failed
 * usage: flaky SEGMENT STAGE FILE, until SIGTERM, on which it ends the record at hand and says what it did */
#include "ledger.h"

#include <ctype.h>
#include <signal.h>

enum { BATCH = 32, TEXT = 1024, FIRST_DELAY_MS = 10, LONGEST_DELAY_MS = 2000, SERVICE_FAILED = 1 };

struct worker {
    struct cvb_handle *buffer;
    uint32_t stage;
    struct ledger ledger;
    unsigned done, dropped, returned, released;
};

static struct cvb_handle *sleeper; /* whom the signal wakes */
static volatile sig_atomic_t stop;

static void on_sigterm(int number)
{
    (void)number;
    stop = 1;
    if (sleeper)
        cvb_wake(sleeper);
}

/* Upper case, but every fourth call fails. 0, SERVICE_FAILED, or an error. */
static int service(struct ledger *ledger, const struct cvb_lease *lease)
{
    static unsigned calls;
    char answer[TEXT];
    uint32_t n = 0;
    if (++calls % 4 == 0)
        return SERVICE_FAILED;
    for (const char *text = lease->payload; n < lease->length && n < TEXT; n++)
        answer[n] = (char)toupper((unsigned char)text[n]);
    int error = ledger_write(ledger, lease, answer, n);
    return error ? error : ledger_flush(ledger);
}

static uint32_t delay_ms(uint32_t retries) { return retries < 8 ? FIRST_DELAY_MS << retries : LONGEST_DELAY_MS; }

static int work_on(struct worker *w, const struct cvb_lease *lease)
{
    const int known = ledger_knows(&w->ledger, lease);
    if (known < 0)
        return known;
    if (known) {
        w->dropped++;
        return cvb_ack(w->buffer, lease, 1);
    }
    const int result = service(&w->ledger, lease);
    if (result == SERVICE_FAILED) {
        w->returned++;
        return cvb_return_after(w->buffer, lease, 1, delay_ms(lease->retry_count));
    }
    w->done += result == 0;
    return result ? result : cvb_ack(w->buffer, lease, 1);
}

static int work_on_batch(struct worker *w, const struct cvb_lease *leases, size_t count)
{
    size_t tried = 0;
    int error = 0;
    for (; tried < count && !stop && !error; tried++)
        error = work_on(w, &leases[tried]);
    if (error)
        return error; /* cvb_detach gives the rest back */
    w->released += (unsigned)(count - tried);
    return cvb_release(w->buffer, leases + tried, count - tried);
}

static int run(struct worker *w)
{
    struct cvb_lease leases[BATCH];
    while (!stop) {
        int n = cvb_get_wait(w->buffer, w->stage, leases, BATCH, -1);
        int error = n > 0 ? work_on_batch(w, leases, (size_t)n) : n;
        if (error && error != CVB_EINTERRUPTED)
            return error;
    }
    return 0;
}

static int work(struct worker *w, char **argv)
{
    int error = cvb_stage(w->buffer, argv[2], &w->stage);
    if (!error)
        error = ledger_open(&w->ledger, w->buffer, argv[3]);
    sleeper = w->buffer;
    if (!error)
        error = run(w);
    sigaction(SIGTERM, &(struct sigaction){.sa_handler = SIG_IGN}, NULL); /* nobody is left to wake */
    ledger_close(&w->ledger);
    return error;
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    struct worker w = {0};
    sigaction(SIGTERM, &(struct sigaction){.sa_handler = on_sigterm}, NULL);
    int error = cvb_attach(argv[1], &w.buffer);
    if (!error) {
        error = work(&w, argv);
        cvb_detach(w.buffer);
        printf("done %u records, dropped %u that were done before, returned %u that failed, released %u untried\n",
               w.done, w.dropped, w.returned, w.released);
    }
    if (error)
        fprintf(stderr, "flaky: %s\n", cvb_error_text(error));
    return error != 0;
}
