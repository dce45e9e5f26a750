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
int cvb_reserve(struct cvb_handle *h, uint32_t stage, const struct cvb_record *shape, struct cvb_slot *slots,
                size_t count, int *why)
{
    return CVB_EINVAL;
}
int cvb_publish(struct cvb_handle *h, const struct cvb_slot *slots, size_t count) { return CVB_EINVAL; }
int cvb_cancel(struct cvb_handle *h, const struct cvb_slot *slots, size_t count) { return CVB_EINVAL; }
int cvb_forward_records(struct cvb_handle *h, uint32_t stage, const struct cvb_lease *l, const struct cvb_record *r,
                        size_t n, int *why)
{
    return CVB_EINVAL;
}
int cvb_take_batch(struct cvb_handle *h, uint32_t stage, struct cvb_record *t, size_t count, void *b, size_t size)
{
    return CVB_EINVAL;
}
int64_t cvb_stage_size(struct cvb_handle *h, uint32_t stage) { return 0; }
int64_t cvb_total_buffered(struct cvb_handle *h) { return 0; }
double cvb_stage_utilization(struct cvb_handle *h, uint32_t stage) { return 0; }
double cvb_global_utilization(struct cvb_handle *h) { return 0; }
int cvb_stages_with_data(struct cvb_handle *h, uint32_t *stages, size_t count) { return 0; }
int cvb_stage_counts(struct cvb_handle *h, uint32_t stage, struct cvb_counts *c) { return CVB_EUNKNOWN; }
int cvb_source_counts(struct cvb_handle *h, uint32_t source, struct cvb_counts *c) { return CVB_EUNKNOWN; }
int cvb_census(struct cvb_handle *h, struct cvb_census *t, struct cvb_census *s, struct cvb_census *o,
               struct cvb_census *p)
{
    return CVB_EINVAL;
}
int cvb_stage_name(struct cvb_handle *h, uint32_t id, char n[CVB_NAME_MAX + 1]) { return CVB_EUNKNOWN; }
int cvb_source_name(struct cvb_handle *h, uint32_t id, char n[CVB_NAME_MAX + 1]) { return CVB_EUNKNOWN; }
int cvb_pipeline_name(struct cvb_handle *h, uint32_t id, char n[CVB_NAME_MAX + 1]) { return CVB_EUNKNOWN; }
int cvb_peer(struct cvb_handle *h, uint32_t seat, struct cvb_peer *p) { return CVB_EINVAL; }
int cvb_list(int (*visit)(const char *, const struct cvb_settings *, uint64_t, void *), void *data) { return 0; }
