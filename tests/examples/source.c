/* source.c - a source that does what backpressure says: at "slow down" it waits delay_ms before each batch, at "pause"
 * it sleeps until it may go on. So it stays below the threshold, and the limit itself refuses it hardly ever.
 * usage: source SEGMENT STAGE SOURCE <lines; says at the end how often it was told what */
#include <conveyor/buffer.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BATCH 16
#define LINE 1024

struct source {
    struct cvb_handle *buffer;
    uint32_t stage, id, pipeline;
    unsigned long records, slow_downs, pauses, refusals;
};

/* 0 when it may put, or an error. */
static int heed(struct source *s)
{
    struct cvb_backpressure told;
    int error = cvb_backpressure(s->buffer, s->stage, s->id, &told);
    if (error || told.signal == CVB_SIGNAL_NONE)
        return error;
    if (told.signal == CVB_SIGNAL_PAUSE) {
        s->pauses++;
        return cvb_wait_credits(s->buffer, s->stage, s->id, -1);
    }
    s->slow_downs++;
    nanosleep(&(struct timespec){.tv_nsec = told.delay_ms * 1000000L}, NULL);
    return 0;
}

/* Puts all of them: the longest prefix that fits, then the rest. */
static int put(struct source *s, const struct cvb_record *records, size_t count)
{
    for (size_t done = 0; done < count;) {
        int why = 0, error = heed(s);
        if (error)
            return error;
        int n = cvb_buffer_batch_for_stage(s->buffer, s->stage, records + done, count - done, &why);
        if (n < 0)
            return n;
        done += (size_t)n;
        s->records += (unsigned long)n;
        if (done == count)
            break;
        s->refusals++;
        error = cvb_is_full(why) || !why ? cvb_wait_credits(s->buffer, s->stage, s->id, -1) : why;
        if (error)
            return error;
    }
    return 0;
}

static int pour(struct source *s, FILE *input)
{
    static char lines[BATCH][LINE];
    struct cvb_record records[BATCH];
    size_t n = 0;
    int error = 0;
    while (!error && fgets(lines[n], LINE, input)) {
        uint32_t length = (uint32_t)strcspn(lines[n], "\n");
        records[n] =
            (struct cvb_record){.payload = lines[n], .length = length, .source = s->id, .pipeline = s->pipeline};
        if (++n == BATCH) {
            error = put(s, records, n);
            n = 0;
        }
    }
    return error ? error : put(s, records, n);
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    struct source s = {0};
    int error = cvb_attach(argv[1], &s.buffer);
    if (!error) {
        error = cvb_stage(s.buffer, argv[2], &s.stage);
        if (!error)
            error = cvb_source(s.buffer, argv[3], &s.id);
        if (!error)
            error = cvb_pipeline(s.buffer, "example", &s.pipeline);
        if (!error)
            error = pour(&s, stdin);
        cvb_detach(s.buffer);
    }
    printf("%lu records, told to slow down %lu times and to pause %lu times, refused %lu times\n", s.records,
           s.slow_downs, s.pauses, s.refusals);
    if (error)
        fprintf(stderr, "source: %s\n", cvb_error_text(error));
    return error != 0;
}
