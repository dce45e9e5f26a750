/* json.h - objects for --json, and how they are written. */
#ifndef CONVEYOR_CLI_JSON_H
#define CONVEYOR_CLI_JSON_H

#include <jansson.h>
#include <stdint.h>

#include "snapshot.h"

/* A string from bytes that may be no UTF-8 (a segment's name): what is not becomes '?'. */
json_t *cli_json_text(const char *text);

/* Writes the object on standard output as one line and frees it; the exit status. */
int cli_json_print(json_t *object);

/* The object of `stat --json`. */
json_t *cli_json_stat(const char *segment, const struct cli_snapshot *s);

#endif
