/* use.c - public operations with arguments from the input, on a segment that may say anything: each ends, says an error
 * or a right count, and what it gives lies in the mapping.
 */
#include <string.h>

#include "fuzz.h"
#include "place/place.h"

enum { LEASES = 48, SLOTS = 24, BYTES = 100 };
static struct {
    struct cvb_lease lease[LEASES];
    struct cvb_slot slot[SLOTS];
    unsigned leases, slots;
} own[2]; /* by seat, so that what one handle has may be given to another */

static uint64_t position; /* of the record that was made last */
static unsigned char payload[BYTES + 1] = "a payload";

void fuzz_forget(void)
{
    memset(own, 0, sizeof own);
    position = 0;
}

static int counted(int result, size_t most)
{
    FUZZ_CHECK(result >= CVB_EPOSITION && result <= (int)most, "it gave %d, with at most %zu", result, most);
    FUZZ_CHECK(result != CVB_ESYSTEM, "a system call failed: %m");
    return result < 0 ? 0 : result;
}

static void check_room(struct cvb_handle *h, const void *p, uint32_t length)
{
    const struct cvb_geometry *g = &h->segment.geometry;
    uint64_t at = (uint64_t)((const char *)p - h->segment.base);
    FUZZ_CHECK(at >= g->cells && at <= g->size && length <= g->size - at, "%u bytes at %lld are no cells", length,
               (long long)at);
}

static void read_all(struct cvb_handle *h, const struct cvb_lease *l)
{
    volatile unsigned char sum = 0;
    check_room(h, l->payload, l->length);
    FUZZ_CHECK(l->source < h->segment.settings.max_sources && l->stage < h->segment.settings.max_stages,
               "a lease of stage %u, source %u", l->stage, l->source);
    if (l->header_length)
        check_room(h, l->header, l->header_length);
    for (uint32_t i = 0; i < l->header_length; i++)
        sum = (unsigned char)(sum + ((const unsigned char *)l->header)[i]);
    for (uint32_t i = 0; i < l->length; i++)
        sum = (unsigned char)(sum + ((const unsigned char *)l->payload)[i]);
}

static struct cvb_record record_from(struct fuzz_input *in)
{
    struct cvb_record r = {.payload = payload, .header = payload, .length = fuzz_number(in, 1) % (BYTES + 1)};
    r.source = fuzz_number(in, 1) % 3;
    r.header_length = r.length % (FUZZ_HEADER + 1);
    r.position = r.length & 1 ? ++position : 0;
    return r;
}

static void put(struct cvb_handle *h, struct fuzz_input *in)
{
    struct cvb_record r[8];
    uint32_t stage = fuzz_number(in, 1) % 4, n = 1 + fuzz_number(in, 1) % 8;
    int why;
    r[0] = record_from(in);
    for (uint32_t i = 1; i < n; i++)
        r[i] = fuzz_number(in, 1) & 1 ? record_from(in) : r[0];
    counted(cvb_buffer_batch_for_stage(h, stage, r, n, &why), n);
}

static void reserve(struct cvb_handle *h, struct fuzz_input *in)
{
    unsigned *slots = &own[h->seat & 1].slots;
    struct cvb_slot *slot = own[h->seat & 1].slot + *slots;
    struct cvb_record shape = record_from(in);
    shape.position = 0; /* each slot has its own */
    uint32_t n = fuzz_number(in, 1) % 8;
    int why;
    n = n < SLOTS - *slots ? n : SLOTS - *slots;
    int got = counted(cvb_reserve(h, fuzz_number(in, 1) % 4, &shape, slot, n, &why), n);
    for (int i = 0; i < got; i++) {
        check_room(h, slot[i].payload, shape.length);
        memset(slot[i].payload, 7, shape.length);
        check_room(h, slot[i].header, shape.header_length);
        memset(slot[i].header, 7, shape.header_length);
    }
    *slots += (unsigned)got;
}

/* Publishes or cancels some of what was reserved, by this handle or another, perhaps a second time. */
static void end_reservation(struct cvb_handle *h, struct fuzz_input *in)
{
    uint32_t how = fuzz_number(in, 1), mine = (h->seat ^ (how >> 7)) & 1, all = own[mine].slots;
    struct cvb_slot *slot = own[mine].slot;
    uint32_t n = all ? 1 + fuzz_number(in, 1) % all : 0, from = all ? fuzz_number(in, 1) % (all - n + 1) : 0;
    if (n && how & 2)
        slot[from].length = fuzz_number(in, 1);
    counted(how & 1 ? cvb_cancel(h, slot + from, n) : cvb_publish(h, slot + from, n), 0);
    if (how & 4)
        own[mine].slots = 0;
}

static void get(struct cvb_handle *h, struct fuzz_input *in)
{
    unsigned *leases = &own[h->seat & 1].leases;
    struct cvb_lease *lease = own[h->seat & 1].lease + *leases;
    uint32_t n = fuzz_number(in, 1) % 36;
    n = n < LEASES - *leases ? n : LEASES - *leases;
    int got = counted(cvb_get_batch(h, fuzz_number(in, 1) % 4, lease, n), n);
    for (int i = 0; i < got; i++)
        read_all(h, &lease[i]);
    *leases += (unsigned)got;
}

static int settle_some(struct cvb_handle *h, struct fuzz_input *in, unsigned how, struct cvb_lease *lease, uint32_t n)
{
    struct cvb_record result[LEASES];
    uint32_t stage = fuzz_number(in, 1) % 4;
    int why;
    switch (how & 3) {
    case 0:
        return cvb_ack(h, lease, n);
    case 1:
        return how & 16 ? cvb_return_after(h, lease, n, how >> 5) : cvb_return_to_buffer(h, lease, n);
    case 2:
        return cvb_forward(h, stage, lease, n, &why);
    default:
        for (uint32_t i = 0; i < n; i++)
            result[i] = record_from(in);
        return cvb_forward_records(h, stage, lease, result, n, &why);
    }
}

static void settle(struct cvb_handle *h, struct fuzz_input *in)
{
    uint32_t how = fuzz_number(in, 1), mine = (h->seat ^ (how >> 7)) & 1, all = own[mine].leases;
    struct cvb_lease *lease = own[mine].lease;
    uint32_t n = all ? 1 + fuzz_number(in, 1) % all : 0, from = all ? fuzz_number(in, 1) % (all - n + 1) : 0;
    if (n > 1 && how & 8) { /* in another order */
        struct cvb_lease other = lease[from];
        lease[from] = lease[from + n - 1];
        lease[from + n - 1] = other;
    }
    counted(settle_some(h, in, how, lease + from, n), how & 2 ? n : 0);
    if (how & 4)
        own[mine].leases = 0;
}

static void take(struct cvb_handle *h, struct fuzz_input *in)
{
    struct cvb_record taken[8];
    char buffer[8 * (BYTES + FUZZ_HEADER)];
    uint32_t n = fuzz_number(in, 1) % 9;
    counted(cvb_take_batch(h, fuzz_number(in, 1) % 4, taken, n, buffer, sizeof buffer), n);
}

static void look(struct cvb_handle *h, struct fuzz_input *in)
{
    static struct cvb_census of_stage[4095], of_source[65535], of_handle[1023]; /* the most that settings may ask for */
    const struct cvb_settings *s = &h->segment.settings;
    uint32_t stages[4], id = fuzz_number(in, 1) % 4;
    char text[CVB_NAME_MAX + 1];
    struct cvb_counts counts;
    struct cvb_peer peer;
    struct cvb_backpressure b;
    struct cvb_census total;
    counted(cvb_stages_with_data(h, stages, 4), s->max_stages);
    cvb_stage_size(h, id);
    cvb_stage_utilization(h, id);
    cvb_global_utilization(h);
    cvb_total_buffered(h);
    counted(cvb_stage_counts(h, id, &counts), 0);
    counted(cvb_source_counts(h, id, &counts), 0);
    if (!cvb_stage_name(h, id, text) || !cvb_source_name(h, id, text) || !cvb_pipeline_name(h, id, text))
        FUZZ_CHECK(memchr(text, 0, sizeof text), "a name has no end");
    counted(cvb_backpressure(h, id, fuzz_number(in, 1) % 3, &b), 0);
    counted(cvb_peer(h, id, &peer), 0);
    counted(cvb_census(h, &total, of_stage, of_source, of_handle), 0);
    FUZZ_CHECK(cvb_available_credits(h, id) <= s->max_total_records, "more credits than there are");
}

static void wait_once(struct cvb_handle *h, struct fuzz_input *in)
{
    uint32_t stages[3] = {fuzz_number(in, 1) % 3, 1, 2}, how = fuzz_number(in, 1);
    uint32_t source = how & 4 ? CVB_NO_SOURCE : how & 3, stage = how & 8 ? CVB_NO_STAGE : stages[0];
    int64_t timeout_ns = how & 16 ? 120000000 : how >> 5;
    if (how & 128)
        counted(cvb_wait_records(h, stages, 1 + (how & 1) * 2, timeout_ns), 2);
    else
        counted(cvb_wait_credits(h, stage, source, timeout_ns), 0);
}

static void name(struct cvb_handle *h, struct fuzz_input *in)
{
    char text[4] = {(char)fuzz_number(in, 1), (char)fuzz_number(in, 1), 0};
    uint32_t id = 0, kind = fuzz_number(in, 1) % 3;
    int error = kind == 0 ? cvb_stage(h, text, &id) : kind == 1 ? cvb_source(h, text, &id) : cvb_pipeline(h, text, &id);
    counted(error, 0);
    FUZZ_CHECK(error || id < h->segment.geometry.name_limit[kind], "an id out of bounds");
}

static void recover(struct cvb_handle *h, struct fuzz_input *in)
{
    (void)in;
    counted(cvb_recover(h), h->segment.settings.max_handles);
}

/* What an operator sets or gives, or a source asks for. */
static void set(struct cvb_handle *h, struct fuzz_input *in)
{
    uint32_t how = fuzz_number(in, 1), stage = fuzz_number(in, 1) % 4, source = fuzz_number(in, 1) % 3;
    uint64_t accepted;
    switch (how & 7) {
    case 0:
        counted(cvb_set_limit(h, stage, CVB_NO_SOURCE, how >> 3), 0);
        break;
    case 1:
        counted(cvb_set_limit(h, CVB_NO_STAGE, source, how >> 3), 0);
        break;
    case 2:
        counted(cvb_set_thresholds(h, 0.5, 0.1), 0);
        break;
    case 3:
        counted(cvb_set_max_retries(h, stage, how >> 3), 0);
        break;
    case 4:
        counted(cvb_set_retry_delay(h, how >> 3, how), 0);
        break;
    case 5:
        counted(cvb_signal(h, stage, how & 8 ? source : CVB_NO_SOURCE, how >> 4 & 3, how, "a reason"), 0);
        break;
    case 6:
        counted(cvb_hold_stage(h, stage, how & 8, "a reason"), 0);
        break;
    default:
        counted(cvb_source_open(h, source, &accepted), 0);
    }
}

/* What was set, given and noticed. */
static void look_back(struct cvb_handle *h, struct fuzz_input *in)
{
    uint32_t stage = fuzz_number(in, 1) % 4, source = fuzz_number(in, 1) % 3;
    struct cvb_progress p;
    struct cvb_given given;
    struct cvb_event e;
    uint64_t cursor = 0, missed;
    double high, low;
    uint32_t first, cap;
    counted(cvb_source_progress(h, source, &p), 0);
    if (!cvb_signal_of(h, stage, source, &given) || !cvb_hold_of(h, stage, &given))
        FUZZ_CHECK(memchr(given.reason, 0, sizeof given.reason), "a reason has no end");
    for (unsigned i = 0; i < 2 * CVB_EVENTS && cvb_event_next(h, &cursor, &e, &missed) > 0; i++)
        FUZZ_CHECK(memchr(e.text, 0, sizeof e.text), "an event's text has no end");
    cvb_limit_of(h, stage, CVB_NO_SOURCE);
    cvb_max_retries_of(h, stage);
    cvb_room(h, stage, source);
    counted(cvb_thresholds_of(h, &high, &low), 0);
    counted(cvb_retry_delay_of(h, &first, &cap), 0);
}

static void audit(struct cvb_handle *h, struct fuzz_input *in)
{
    struct cvb_audit a;
    (void)in;
    counted(cvb_audit(h, &a), 0);
    FUZZ_CHECK(memchr(a.first_problem, 0, sizeof a.first_problem), "a problem has no end");
}

static const struct {
    const char *name;
    void (*run)(struct cvb_handle *h, struct fuzz_input *in);
} operations[] = {{"put", put},
                  {"get", get},
                  {"settle", settle},
                  {"reserve", reserve},
                  {"take", take},
                  {"publish or cancel", end_reservation},
                  {"recover", recover},
                  {"look", look},
                  {"wait", wait_once},
                  {"name", name},
                  {"audit", audit},
                  {"set", set},
                  {"look back", look_back}};

void fuzz_operation(struct cvb_handle *h, unsigned op, struct fuzz_input *in)
{
    op %= sizeof operations / sizeof operations[0];
    fuzz_begin(operations[op].name);
    operations[op].run(h, in);
}

void fuzz_use(struct cvb_handle *h, struct fuzz_input *in, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        fuzz_operation(h, i + fuzz_number(in, 1), in);
}
