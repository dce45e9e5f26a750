/* hand.c - signals and holds by hand, in words. */
#include "hand.h"

#include <stdio.h>

#include "snapshot.h"

/* The age in the largest unit of which there are two at least. */
static const char *age(uint64_t ns, char text[32])
{
    static const struct {
        uint64_t seconds;
        const char *name;
    } unit[] = {{86400, "d"}, {3600, "h"}, {60, "min"}, {1, "s"}};
    const uint64_t seconds = ns / 1000000000;
    unsigned i = 0;
    while (i < 3 && seconds < 2 * unit[i].seconds)
        i++;
    snprintf(text, 32, "%llu %s", (unsigned long long)(seconds / unit[i].seconds), unit[i].name);
    return text;
}

const char *cli_given_signal(const struct cvb_given *given, char text[CLI_GIVEN_BYTES])
{
    const char *name = cli_signal_name(given->signal);
    if (given->signal == CVB_SIGNAL_SLOW_DOWN)
        snprintf(text, CLI_GIVEN_BYTES, "%s (%u ms)", name, given->delay_ms);
    else
        snprintf(text, CLI_GIVEN_BYTES, "%s", name);
    return text;
}

const char *cli_given_by(const struct cvb_given *given, char text[CLI_GIVEN_BYTES])
{
    char ago[32];
    snprintf(text, CLI_GIVEN_BYTES, "by process %d, %s ago%s%s", (int)given->pid, age(given->age_ns, ago),
             *given->reason ? ": " : "", given->reason);
    return text;
}

const char *cli_given_text(const struct cvb_given *given, char text[CLI_GIVEN_BYTES])
{
    char signal[CLI_GIVEN_BYTES], by[CLI_GIVEN_BYTES];
    snprintf(text, CLI_GIVEN_BYTES, "%.30s, %.150s", cli_given_signal(given, signal), cli_given_by(given, by));
    return text;
}
