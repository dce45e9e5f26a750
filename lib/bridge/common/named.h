/* named.h - options of a client library, NAME=VALUE: from a file, so that no secret stands on a command line, and from
 * the command line. */
#ifndef CONVEYOR_BRIDGE_NAMED_H
#define CONVEYOR_BRIDGE_NAMED_H

#include <stdbool.h>
#include <stddef.h>

#include "options.h"

/* Copies what stands before the first '=', and returns what stands behind it; NULL if that is no NAME=VALUE. */
const char *bridge_split(const char *text, char *name, size_t size);

/* What is done with an option: false after a complaint. */
typedef bool bridge_set(void *data, const char *name, const char *value);

/* Calls set for each line of a file; empty lines and those that begin with # are passed over. `option` is what named
 * the file; nothing is done if `path` is NULL. False after a complaint, which shows no value. */
bool bridge_read_options(const char *path, const char *option, bridge_set *set, void *data);

/* The same for what the command line gave. */
bool bridge_each_option(const struct cli_list *list, bridge_set *set, void *data);

#endif
