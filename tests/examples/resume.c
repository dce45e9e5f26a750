/* resume.c - a connector that may be killed at any time and started again: each line of a file goes in once.
 *   position    of a line: the offset in the file of the byte behind it
 *   accepted    the segment has all lines up to this position, so it goes on there: nothing is lost or doubled
 *   settled     they have left the buffer for good, so the file up to there may be forgotten: it says so at the end
 * usage: resume SEGMENT STAGE SOURCE FILE */
#include <conveyor/buffer.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH 16
#define LINE 1024

struct connector {
    struct cvb_handle *buffer;
    uint32_t stage, source, pipeline;
    uint64_t last; /* position of the last line that is in */
};

/* What was put stays put, whatever happens to the rest. */
static int put(struct connector *c, const struct cvb_record *records, size_t count)
{
    int why = 0;
    if (count && cvb_put_wait(c->buffer, c->stage, records, count, -1, &why) == (int)count)
        c->last = records[count - 1].position;
    return why;
}

static int pour(struct connector *c, FILE *file)
{
    static char lines[BATCH][LINE];
    struct cvb_record records[BATCH];
    size_t n = 0;
    int error = 0;
    if (fseek(file, (long)c->last, SEEK_SET))
        return CVB_ESYSTEM;
    while (!error && fgets(lines[n], LINE, file)) {
        records[n] = (struct cvb_record){.payload = lines[n],
                                         .length = (uint32_t)strcspn(lines[n], "\n"),
                                         .source = c->source,
                                         .pipeline = c->pipeline,
                                         .position = (uint64_t)ftell(file)};
        if (++n == BATCH) {
            error = put(c, records, n);
            n = 0;
        }
    }
    return error ? error : put(c, records, n);
}

static int begin(struct connector *c, char **names)
{
    int error = cvb_stage(c->buffer, names[0], &c->stage);
    if (!error)
        error = cvb_source(c->buffer, names[1], &c->source);
    if (!error)
        error = cvb_pipeline(c->buffer, "example", &c->pipeline);
    return error ? error : cvb_source_open(c->buffer, c->source, &c->last); /* EBUSY while another connector lives */
}

static int run(struct connector *c, char **names, FILE *file)
{
    int error = begin(c, names);
    if (error)
        return error;
    printf("goes on behind byte %llu\n", (unsigned long long)c->last);
    fflush(stdout);
    error = pour(c, file);
    if (!error)
        error = cvb_wait_settled(c->buffer, c->source, c->last, -1);
    if (!error)
        printf("all is settled up to byte %llu\n", (unsigned long long)c->last);
    return error;
}

int main(int argc, char **argv)
{
    FILE *file = argc == 5 ? fopen(argv[4], "rb") : NULL;
    if (!file)
        return 2;
    struct connector c = {0};
    int error = cvb_attach(argv[1], &c.buffer);
    if (!error) {
        error = run(&c, argv + 2, file);
        cvb_detach(c.buffer);
    }
    fclose(file);
    if (error)
        fprintf(stderr, "resume: %s\n", cvb_error_text(error));
    return error != 0;
}
