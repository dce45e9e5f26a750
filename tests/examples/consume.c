/* consume.c - the smallest consumer: prints a stage's records and acks them; waits while there are none.
 * usage: consume SEGMENT STAGE COUNT */
#include <conveyor/buffer.h>
#include <stdio.h>
#include <stdlib.h>

static int consume(struct cvb_handle *buffer, uint32_t stage, int count)
{
    struct cvb_lease lease[32];
    while (count > 0) {
        int n = cvb_get_wait(buffer, stage, lease, count < 32 ? (size_t)count : 32, -1);
        if (n < 0)
            return n;
        for (int i = 0; i < n; i++)
            printf("%.*s\n", (int)lease[i].length, (const char *)lease[i].payload);
        int error = fflush(stdout) ? CVB_ESYSTEM : cvb_ack(buffer, lease, (size_t)n);
        if (error)
            return error; /* what is not acked is given back when this process leaves */
        count -= n;
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    struct cvb_handle *buffer;
    uint32_t stage;
    int error = cvb_attach(argv[1], &buffer);
    if (!error) {
        error = cvb_stage(buffer, argv[2], &stage);
        if (!error)
            error = consume(buffer, stage, atoi(argv[3]));
        cvb_detach(buffer);
    }
    if (error)
        fprintf(stderr, "consume: %s\n", cvb_error_text(error));
    return error != 0;
}
