/* units.h - numbers in words. */
#ifndef CONVEYOR_CLI_UNITS_H
#define CONVEYOR_CLI_UNITS_H

#include <stddef.h>
#include <stdint.h>

/* What the word for n things ends with: "" for one, else "s". */
const char *cli_s(uint64_t n);

/* 1536 -> "1.5 KiB" */
const char *cli_bytes(uint64_t bytes, char *text, size_t size);

enum { CLI_AGE_BYTES = 24 };
/* An age: "12 ms", "12.3 s", "4.5 min", "6.7 h", "8.9 d"; "-" for 0. */
const char *cli_age(uint64_t ns, char text[CLI_AGE_BYTES]);

/* An age or a wait of so many things: "-" if there are none, 0 ms for what came by the same tick of the clock. */
const char *cli_age_of(uint64_t count, uint64_t ns, char text[CLI_AGE_BYTES]);

#endif
