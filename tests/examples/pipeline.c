/* pipeline.c - three stages: filter keeps the multiples of 3, enrich adds the square, sink prints.
 * usage: pipeline SEGMENT source COUNT | filter | enrich | sink; a worker ends when nothing came for a second */
#include <conveyor/buffer.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILTER, ENRICH, SINK, STAGES, TEXT = 64, SECOND_NS = 1000000000 };
static const char *const names[STAGES] = {"filter", "enrich", "sink"};
static uint32_t stage[STAGES]; /* the ids of these names */
static struct cvb_handle *buffer;

static int run_source(int count)
{
    char text[TEXT];
    struct cvb_record record = {.payload = text};
    int error = cvb_source(buffer, "numbers", &record.source);
    if (!error)
        error = cvb_pipeline(buffer, "squares", &record.pipeline);
    for (int i = 1; i <= count && !error; i++) {
        record.length = (uint32_t)snprintf(text, TEXT, "%d", i);
        int put = cvb_put_wait(buffer, stage[FILTER], &record, 1, -1, NULL);
        error = put < 0 ? put : 0;
    }
    return error;
}

/* The next stage gets the result and the lease is settled, in one step that a crash cannot cut in half. */
static int forward(uint32_t to, const struct cvb_lease *lease, const struct cvb_record *result)
{
    int n = cvb_forward_records_wait(buffer, to, lease, result, 1, -1, NULL);
    return n < 0 ? n : 0;
}

static int work(int me, const struct cvb_lease *lease)
{
    char in[TEXT] = "", out[TEXT];
    memcpy(in, lease->payload, lease->length < TEXT ? lease->length : TEXT - 1); /* a payload has no 0 at its end */
    int number = atoi(in),
        length = snprintf(out, TEXT, me == FILTER ? "%d" : "%d squared is %d", number, number * number);
    if (me == SINK && (puts(in) < 0 || fflush(stdout)))
        return CVB_ESYSTEM; /* not acked: when this process ends, the record is given to another */
    if (me == SINK || (me == FILTER && number % 3))
        return cvb_ack(buffer, lease, 1);
    return forward(stage[me + 1], lease, &(struct cvb_record){.payload = out, .length = (uint32_t)length});
}

/* One record at a time, to be short; worker.c takes and settles 32 at once, which is several times as fast. */
static int run_worker(int me)
{
    for (;;) {
        struct cvb_lease lease;
        int n = cvb_get_wait(buffer, stage[me], &lease, 1, SECOND_NS);
        int error = n > 0 ? work(me, &lease) : n;
        if (error < 0)
            return error == CVB_ETIMEDOUT ? 0 : error;
    }
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    int me = 0, error = cvb_attach(argv[1], &buffer);
    for (int i = 0; i < STAGES && !error; i++)
        error = cvb_stage(buffer, names[i], &stage[i]);
    while (me < STAGES && strcmp(argv[2], names[me]))
        me++;
    if (!error)
        error = me < STAGES ? run_worker(me) : run_source(argc > 3 ? atoi(argv[3]) : 0);
    if (error)
        fprintf(stderr, "pipeline: %s\n", cvb_error_text(error));
    if (buffer)
        cvb_detach(buffer); /* gives back what is still leased */
    return error != 0;
}
