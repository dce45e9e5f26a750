/* packed.c - records go in that lie one behind the other in one buffer: a caller that has them so need not make an
 * array of records. */
#include <conveyor/flow.h>

#include "flow/flow.h"

#define CHUNK 64u /* records: two of the longest trains, 4 KiB of stack */

/* What is left of the buffer. */
struct unread {
    const char *at;
    uint64_t bytes;
};

/* Record i, which is the first one of what is left. False if its lengths are of more bytes than are left. */
static bool next_record(const struct cvb_packed *p, size_t i, struct unread *left, struct cvb_record *r)
{
    const uint32_t length = p->lengths[i], header_length = p->header_lengths ? p->header_lengths[i] : 0;
    if ((uint64_t)length + header_length > left->bytes)
        return false;
    *r = (struct cvb_record){.payload = left->at,
                             .length = length,
                             .source = p->source,
                             .pipeline = p->pipeline,
                             .header_length = header_length,
                             .header = header_length ? left->at + length : NULL,
                             .position = p->positions ? p->positions[i] : 0};
    left->at += (size_t)length + header_length;
    left->bytes -= (uint64_t)length + header_length;
    return true;
}

int cvb_put_packed(struct cvb_handle *h, uint32_t stage, const struct cvb_packed *packed, size_t count, int *why)
{
    CVB_ONE_USER(h);
    int error = cvb_handle_check(h);
    if (error || !packed || (count && !packed->lengths) || (packed->size && !packed->bytes) || count > INT32_MAX)
        return error ? error : CVB_EINVAL;
    if (packed->reserved[0] | packed->reserved[1])
        return CVB_EINVAL;
    struct unread left = {packed->bytes, packed->size};
    size_t done = 0;
    do {
        struct cvb_record record[CHUNK];
        size_t n = 0, most = count - done < CHUNK ? count - done : CHUNK;
        while (n < most && next_record(packed, done + n, &left, &record[n]))
            n++;
        int put = cvb_buffer_batch_for_stage(h, stage, record, n, &error);
        if (put < 0)
            error = put;
        done += put < 0 ? 0 : (unsigned)put;
        if (!error && n < most)
            error = CVB_EINVAL;
    } while (!error && done < count);
    if (why)
        *why = error;
    return cvb_count_or_error(error, done);
}
