/* pending.c - what is declared and not built yet. */
#include <conveyor/buffer.h>

#pragma GCC diagnostic ignored "-Wunused-parameter"
int cvb_backpressure(struct cvb_handle *h, uint32_t stage, uint32_t source, struct cvb_backpressure *b)
{
    b->signal = CVB_SIGNAL_NONE;
    b->delay_ms = 0;
    return 0;
}
int cvb_should_backpressure(struct cvb_handle *h, uint32_t source) { return 0; }
int64_t cvb_available_credits(struct cvb_handle *h, uint32_t source) { return 1; }
int cvb_wait_credits(struct cvb_handle *h, uint32_t stage, uint32_t source, int64_t t) { return 0; }
int cvb_wait_records(struct cvb_handle *h, const uint32_t *stages, size_t count, int64_t t) { return 0; }
