/* zero_copy.c - a producer that writes its records straight into the segment: reserve, write, publish. Here each record
 * is what one read(2) brings, so the kernel itself copies it to where its consumer will read it.
 * usage: zero_copy SEGMENT STAGE SOURCE BYTES <file */
#include <conveyor/buffer.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SLOTS 8

/* Reserves up to SLOTS records of `shape`; waits until there is room for one at least. */
static int reserve(struct cvb_handle *buffer, uint32_t stage, const struct cvb_record *shape, struct cvb_slot *slots)
{
    for (;;) {
        int why = 0;
        int n = cvb_reserve(buffer, stage, shape, slots, SLOTS, &why);
        if (n)
            return n;
        if (why && !cvb_is_full(why))
            return why;
        int error = cvb_wait_credits(buffer, stage, shape->source, -1);
        if (error)
            return error;
    }
}

/* Fills slots from the input; returns how many, 0 at its end, or an error. */
static int fill(struct cvb_slot *slots, int count)
{
    for (int i = 0; i < count; i++) {
        ssize_t n = read(STDIN_FILENO, slots[i].payload, slots[i].length);
        if (n < 0)
            return CVB_ESYSTEM;
        if (!n)
            return i;
        slots[i].length = (uint32_t)n;
    }
    return count;
}

static int copy_in(struct cvb_handle *buffer, uint32_t stage, const struct cvb_record *shape)
{
    for (;;) {
        struct cvb_slot slots[SLOTS];
        int count = reserve(buffer, stage, shape, slots);
        if (count < 0)
            return count;
        int filled = fill(slots, count), done = filled < 0 ? 0 : filled;
        int error = done ? cvb_publish(buffer, slots, (size_t)done) : 0;
        if (!error && done < count) /* not needed: as if they had never been */
            error = cvb_cancel(buffer, slots + done, (size_t)(count - done));
        if (error || filled < count)
            return error ? error : filled < 0 ? filled : 0;
    }
}

int main(int argc, char **argv)
{
    if (argc != 5)
        return 2;
    struct cvb_handle *buffer;
    struct cvb_record shape = {.length = (uint32_t)atoi(argv[4])};
    uint32_t stage;
    int error = cvb_attach(argv[1], &buffer);
    if (!error) {
        error = cvb_stage(buffer, argv[2], &stage);
        if (!error)
            error = cvb_source(buffer, argv[3], &shape.source);
        if (!error)
            error = cvb_pipeline(buffer, "example", &shape.pipeline);
        if (!error)
            error = copy_in(buffer, stage, &shape);
        cvb_detach(buffer);
    }
    if (error)
        fprintf(stderr, "zero_copy: %s\n", cvb_error_text(error));
    return error != 0;
}
