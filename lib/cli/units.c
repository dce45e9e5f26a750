/* units.c - numbers in words. */
#include "units.h"

#include <stdio.h>

const char *cli_s(uint64_t n) { return n == 1 ? "" : "s"; }

const char *cli_bytes(uint64_t bytes, char *text, size_t size)
{
    static const char *const unit[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes;
    unsigned i = 0;
    for (; value >= 1024 && i < 4; i++)
        value /= 1024;
    snprintf(text, size, i ? "%.1f %s" : "%.0f %s", value, unit[i]);
    return text;
}

const char *cli_age(uint64_t ns, char text[CLI_AGE_BYTES])
{
    static const struct {
        double most, seconds; /* up to so many seconds, and how many the unit has */
        const char *format;
    } unit[] = {{1, 1e-3, "%.0f ms"}, {100, 1, "%.1f s"}, {6000, 60, "%.1f min"}, {360000, 3600, "%.1f h"}};
    const double age = (double)ns / 1e9;
    snprintf(text, CLI_AGE_BYTES, ns ? "%.1f d" : "-", age / 86400);
    for (size_t i = 0; ns && i < sizeof unit / sizeof unit[0]; i++)
        if (age < unit[i].most) {
            snprintf(text, CLI_AGE_BYTES, unit[i].format, age / unit[i].seconds);
            break;
        }
    return text;
}

const char *cli_age_of(uint64_t count, uint64_t ns, char text[CLI_AGE_BYTES])
{
    return cli_age(count && !ns ? 1 : ns, text);
}
