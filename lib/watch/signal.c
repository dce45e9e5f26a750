/* signal.c - signals and holds by hand: given, lifted, and read (wake/hand.c has the protocol). */
#include <conveyor/wait.h>
#include <string.h>

#include "flow/flow.h"
#include "sized.h"

#define GIVEN_DELAY_MOST 65535u
static_assert(CVB_DELAY_MOST_MS <= GIVEN_DELAY_MOST, "the delay has 16 bits");

/* The flag of the stage, the source, or the total that a signal is for. */
static int flag_of_signal(struct cvb_handle *h, uint32_t stage, uint32_t source, uint32_t *flag)
{
    int error = cvb_reader_check(h);
    if (error)
        return error;
    *flag = CVB_FLAG_TOTAL;
    if (stage != CVB_NO_STAGE && source != CVB_NO_SOURCE)
        return CVB_EINVAL;
    if (stage != CVB_NO_STAGE) {
        *flag = cvb_flag_of_room(h, stage);
        return cvb_stage_check(h, stage);
    }
    if (source != CVB_NO_SOURCE) {
        *flag = cvb_flag_of_source(h, cvb_place_of(source));
        return cvb_source_known(h, source) ? 0 : CVB_EUNKNOWN;
    }
    return 0;
}

static bool is_reason(const char *reason)
{
    size_t n = reason ? strnlen(reason, CVB_REASON_MAX + 1) : 0;
    return n <= CVB_REASON_MAX && (!n || cvb_is_text(reason, n));
}

static void tell_given(struct cvb_handle *h, enum cvb_event_kind kind, uint32_t stage, uint32_t source, uint32_t code,
                       uint32_t delay_ms, const char *reason)
{
    struct cvb_event e = {.kind = kind, .code = code, .stage = stage, .source = source, .after = delay_ms};
    memcpy(e.text, reason, strnlen(reason, CVB_REASON_MAX));
    cvb_event(h, &e);
}

int cvb_signal(struct cvb_handle *h, uint32_t stage, uint32_t source, uint32_t signal, uint32_t delay_ms,
               const char *reason)
{
    CVB_ONE_USER(h);
    uint32_t flag;
    int error = cvb_handle_check(h);
    if (!error)
        error = flag_of_signal(h, stage, source, &flag);
    if (error)
        return error;
    const bool slows = signal == CVB_SIGNAL_SLOW_DOWN;
    if (signal > CVB_SIGNAL_PAUSE || !is_reason(reason) || delay_ms > CVB_DELAY_MOST_MS || slows == !delay_ms)
        return CVB_EINVAL;
    reason = reason ? reason : "";
    error = cvb_hand_give(h, flag, source, signal, delay_ms, reason);
    if (!error)
        cvb_own_add64(&cvb_seat_at(h, h->seat)->signals, 1);
    if (!error)
        tell_given(h, CVB_EVENT_SIGNAL, stage, source, signal, delay_ms, reason);
    return error;
}

int cvb_hold_stage(struct cvb_handle *h, uint32_t stage, int on, const char *reason)
{
    CVB_ONE_USER(h);
    int error = cvb_handle_check(h);
    if (error)
        return error;
    if (!cvb_id_known(h, CVB_KIND_STAGE, stage))
        return CVB_EUNKNOWN;
    if (!is_reason(reason))
        return CVB_EINVAL;
    reason = reason ? reason : "";
    const uint32_t flag = cvb_flag_of_data(stage);
    error = cvb_hand_give(h, flag, CVB_NO_SOURCE, on ? CVB_SIGNAL_PAUSE : CVB_SIGNAL_NONE, 0, reason);
    if (!error && !on) /* sleepers for records: those that a put has woken meanwhile may have got nothing */
        cvb_flag_wake(h, flag, CVB_WAKE_ALL);
    if (!error)
        tell_given(h, CVB_EVENT_HOLD, stage, CVB_NO_SOURCE, on != 0, 0, reason);
    return error;
}

/* Gives the caller what is given by hand at the flag; without a reason if that could not be read. */
static int read_given(struct cvb_handle *h, uint32_t flag, struct cvb_given *given, size_t size)
{
    struct cvb_given found = {0};
    int known = given ? cvb_hand_read(h, flag, &found) : CVB_EINVAL;
    if (known < 0)
        return known;
    if (!known)
        found = (struct cvb_given){.signal = found.signal, .delay_ms = found.delay_ms};
    cvb_sized_give(given, size, &found, sizeof found);
    return 0;
}

int cvb_signal_of_sized(struct cvb_handle *h, uint32_t stage, uint32_t source, struct cvb_given *given, size_t size)
{
    uint32_t flag;
    int error = cvb_reader_check(h);
    if (!error)
        error = flag_of_signal(h, stage, source, &flag);
    return error ? error : read_given(h, flag, given, size);
}

int cvb_hold_of_sized(struct cvb_handle *h, uint32_t stage, struct cvb_given *given, size_t size)
{
    int error = cvb_reader_check(h);
    if (error)
        return error;
    if (!cvb_id_known(h, CVB_KIND_STAGE, stage))
        return CVB_EUNKNOWN;
    return read_given(h, cvb_flag_of_data(stage), given, size);
}
