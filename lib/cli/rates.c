/* rates.c - what happened between two looks, a second. */
#include "rates.h"

#include <time.h>

struct cli_rates cli_rates_between(const struct cvb_counts *was, const struct cvb_counts *now, double seconds)
{
    if (!was || seconds <= 0)
        return (struct cli_rates){0};
    double stalled = (double)(now->stalled_ns - was->stalled_ns) / 1e9 / seconds;
    return (struct cli_rates){
        .in = (double)(now->accepted - was->accepted) / seconds,
        .out = (double)(now->acked - was->acked + now->forwarded - was->forwarded) / seconds,
        .again = (double)(now->returned - was->returned + now->redelivered - was->redelivered) / seconds,
        .stalled = stalled < 1 ? stalled : 1}; /* a wait is counted when it ends; several processes may be one source */
}

const char *cli_wall_clock(char *text, size_t size)
{
    time_t now = time(NULL);
    struct tm parts;
    localtime_r(&now, &parts);
    strftime(text, size, "%H:%M:%S", &parts);
    return text;
}
