/* journal.c - a journal is read while its owner closes it and opens it again; the shipped journal.c.
 *
 * Only its fields of 32 bits are modelled, and of those two: all are written and read in the same way. Checked: fields
 * read between two equal heads are of one operation.
 */
#include "segment.h"

#define cvb_store16_rlx(at, value) ((void)(at), (void)(value))
#define cvb_store64_rlx(at, value) ((void)(at), (void)(value))
#define cvb_load16_rlx(at) ((uint16_t)((void)(at), 0))
#define cvb_load64_rlx(at) ((uint64_t)((void)(at), 0))
#include <journal.c>

static void *operate(void *argument)
{
    struct cvb_handle *h = &handles[0];
    (void)argument;
    cvb_journal_open(h, CVB_OP_MOVE, &(struct cvb_journal){.unit = 1, .to_unit = 1});
    cvb_journal_close(h);
    cvb_journal_open(h, CVB_OP_GIVE, &(struct cvb_journal){.unit = 2, .to_unit = 2});
    return NULL;
}

static void *look(void *argument)
{
    struct cvb_journal f = {0};
    uint64_t head;
    (void)argument;
    if (cvb_journal_read(&handles[1], 0, &head, &f))
        assert(f.unit == f.to_unit && f.unit == (cvb_head_op(head) == CVB_OP_MOVE ? 1u : 2u));
    return NULL;
}

int main(void)
{
    pthread_t thread[2];
    model_handles();
    pthread_create(&thread[0], NULL, operate, NULL);
    pthread_create(&thread[1], NULL, look, NULL);
    for (int i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
    return 0;
}
