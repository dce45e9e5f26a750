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
