/* flaky.c - a worker between two stages that calls a service which fails now and then. Each record ends in one way:
 *   forwarded   the service has answered: its answer is in the next stage, and the record settled here, in one step
 *   returned    the service has failed: the record comes again after a delay, each time twice as long, so that a
 *               service which is away for some seconds makes no dead letters; past max_retries it is one
 *   released    the worker was told to stop before it came to it: another one gets it, and nothing counts as failed
 * usage: flaky SEGMENT FROM TO, until SIGTERM, on which it ends the record at hand and says what it did */
#include <conveyor/buffer.h>
#include <ctype.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { BATCH = 32, TEXT = 1024, FIRST_DELAY_MS = 10, LONGEST_DELAY_MS = 2000 };

struct worker {
    struct cvb_handle *buffer;
    uint32_t from, to;
    unsigned forwarded, returned;
};

static struct cvb_handle *sleeper; /* whom the signal wakes */
static volatile sig_atomic_t stop;

static void on_sigterm(int number)
{
    (void)number;
    stop = 1;
    cvb_wake(sleeper);
}

/* Upper case, but every fourth call fails. */
static bool service(const struct cvb_lease *lease, char answer[TEXT])
{
    static unsigned calls;
    const char *text = lease->payload;
    for (uint32_t i = 0; i < lease->length && i < TEXT; i++)
        answer[i] = (char)toupper((unsigned char)text[i]);
    return ++calls % 4 != 0;
}

static uint32_t delay_ms(uint32_t retries) { return retries < 8 ? FIRST_DELAY_MS << retries : LONGEST_DELAY_MS; }

static int work_on(struct worker *w, const struct cvb_lease *lease)
{
    char answer[TEXT];
    if (!service(lease, answer)) {
        w->returned++;
        return cvb_return_after(w->buffer, lease, 1, delay_ms(lease->retry_count));
    }
    const struct cvb_record result = {.payload = answer, .length = lease->length < TEXT ? lease->length : TEXT};
    int n = cvb_forward_records_wait(w->buffer, w->to, lease, &result, 1, -1, NULL);
    w->forwarded += n == 1;
    return n < 0 ? n : 0; /* EINTERRUPTED: stopped while the next stage was full */
}

static int work_on_batch(struct worker *w, const struct cvb_lease *leases, size_t count)
{
    size_t done = 0;
    int error = 0;
    for (; done < count && !stop && !error; done++)
        error = work_on(w, &leases[done]);
    done -= error == CVB_EINTERRUPTED; /* that one was not settled */
    if (error && error != CVB_EINTERRUPTED)
        return error;
    return cvb_release(w->buffer, leases + done, count - done);
}

static int run(struct worker *w)
{
    struct cvb_lease leases[BATCH];
    while (!stop) {
        int n = cvb_get_wait(w->buffer, w->from, leases, BATCH, -1);
        int error = n > 0 ? work_on_batch(w, leases, (size_t)n) : n;
        if (error && error != CVB_EINTERRUPTED)
            return error;
    }
    return 0;
}

static int begin(struct worker *w, const char *from, const char *to)
{
    int error = cvb_stage(w->buffer, from, &w->from);
    if (!error)
        error = cvb_stage(w->buffer, to, &w->to);
    sleeper = w->buffer;
    sigaction(SIGTERM, &(struct sigaction){.sa_handler = on_sigterm}, NULL);
    return error;
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    struct worker w = {0};
    int error = cvb_attach(argv[1], &w.buffer);
    if (!error) {
        error = begin(&w, argv[2], argv[3]);
        if (!error)
            error = run(&w);
        sigaction(SIGTERM, &(struct sigaction){.sa_handler = SIG_IGN}, NULL); /* nobody is left to wake */
        cvb_detach(w.buffer);
        printf("forwarded %u records, returned %u; stopped: what was not tried is back in '%s'\n", w.forwarded,
               w.returned, argv[2]);
    }
    if (error)
        fprintf(stderr, "flaky: %s\n", cvb_error_text(error));
    return error != 0;
}
