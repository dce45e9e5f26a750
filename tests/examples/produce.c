/* produce.c - the smallest producer: puts numbered records into a stage, and waits while there is no room.
 * usage: produce SEGMENT STAGE SOURCE COUNT */
#include <conveyor/buffer.h>
#include <stdio.h>
#include <stdlib.h>

static int put(struct cvb_handle *buffer, uint32_t stage, const struct cvb_record *record)
{
    int n = cvb_put_wait(buffer, stage, record, 1, -1, NULL);
    return n < 0 ? n : 0;
}

static int produce(struct cvb_handle *buffer, const char *stage_name, const char *source_name, int count)
{
    uint32_t stage, source, pipeline;
    char text[32];
    int error = cvb_stage(buffer, stage_name, &stage);
    if (!error)
        error = cvb_source(buffer, source_name, &source);
    if (!error)
        error = cvb_pipeline(buffer, "example", &pipeline);
    for (int i = 1; i <= count && !error; i++) {
        int length = snprintf(text, sizeof text, "record %d", i);
        error = put(
            buffer, stage,
            &(struct cvb_record){.payload = text, .length = (uint32_t)length, .source = source, .pipeline = pipeline});
    }
    return error;
}

int main(int argc, char **argv)
{
    if (argc != 5)
        return 2;
    struct cvb_handle *buffer;
    int error = cvb_create(argv[1], NULL); /* NULL: the default limits */
    if (!error || error == CVB_EEXIST)
        error = cvb_attach(argv[1], &buffer);
    if (!error) {
        error = produce(buffer, argv[2], argv[3], atoi(argv[4]));
        cvb_detach(buffer);
    }
    if (error)
        fprintf(stderr, "produce: %s\n", cvb_error_text(error));
    return error != 0;
}
